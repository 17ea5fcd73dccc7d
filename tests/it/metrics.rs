//! The metrics as Prometheus scrapes them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Site, monitoring_tool};

/// The type of each metric in the text format, by name.
fn types(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Name with labels, and value.
fn series(text: &str) -> impl Iterator<Item = (&str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series, value.parse().unwrap())
    })
}

#[test]
fn counters_are_there_from_the_start_and_are_zero() {
    // Without its folder the platform would count faults.
    let site = Site::new();
    let platform = site.start();
    let (status, text) = platform.get("/metrics");
    assert_eq!(status, 200);
    let types = types(&text);
    for (name, kind) in &types {
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        assert!(name.starts_with("pcd_") || name.starts_with("process_"), "{name}");
    }
    // A labelled counter that has no series yet is not in the text at all.
    let source = [
        include_str!("../../src/metrics/mod.rs"),
        include_str!("../../src/metrics/api.rs"),
        include_str!("../../src/metrics/fhir.rs"),
        include_str!("../../src/metrics/gateway.rs"),
        include_str!("../../src/metrics/operation.rs"),
        include_str!("../../src/metrics/partners.rs"),
    ]
    .concat();
    let declared = source.split('"').filter(|text| text.ends_with("_total"));
    let declared: BTreeSet<_> = declared.map(|name| format!("pcd_{name}")).collect();
    let counters = types.iter().filter(|(name, kind)| **kind == "counter" && name.starts_with("pcd_"));
    assert_eq!(declared, counters.map(|(name, _)| (*name).to_owned()).collect());
    let own = |name: &str| name.starts_with("pcd_") && name.contains("_total");
    for (series, value) in series(&text).filter(|(series, _)| own(series)) {
        // The start itself is audited.
        let is_start = series.contains("platform-started") || series.contains("certificates-changed");
        let signed = series.contains("audit-signed");
        // The responders of the tests' PKI do not exist.
        let staple = series.contains(r#"source="staple""#);
        assert!(value == 0.0 || is_start || signed || staple, "{series} {value}");
    }
    for expected in [
        r#"pcd_connections_total{outcome="idle-timeout"}"#,
        r#"pcd_connections_total{outcome="revoked"}"#,
        r#"pcd_handshakes_total{reason="expired",result="refused"}"#,
        r#"pcd_tls_negotiated_total{suite="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",version="TLSv1_2"}"#,
        r#"pcd_messages_total{acknowledgement="CE",transaction="pcd-01"}"#,
        r#"pcd_revocation_checks_total{source="none",verdict="undetermined"}"#,
        r#"pcd_revocation_failures_total{reason="limit-exceeded",source="crl"}"#,
        r#"pcd_audit_events_total{event="identity-violation"}"#,
        r#"pcd_southbound_messages_total{outcome="expired"}"#,
        r#"pcd_southbound_messages_total{outcome="unconfirmed"}"#,
        r#"pcd_southbound_corrections_total{outcome="refused"}"#,
        r#"pcd_retention_pruned_total{what="audit"}"#,
        r#"pcd_retention_pruned_total{what="rejected"}"#,
        r#"pcd_retention_pruned_total{what="large"}"#,
        r#"pcd_retention_backlog_seconds{what="audit"}"#,
        r#"pcd_task_failures_total{task="directory"}"#,
        r#"pcd_sessions_ended_total{why="idle-timeout"}"#,
        r#"pcd_ready{check="store"}"#,
        r#"pcd_in_use{what="store-queue"}"#,
        r#"pcd_audit_verified{state="broken"}"#,
        "pcd_panics_total",
        "pcd_southbound_oldest_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(series(&text).any(|(series, _)| series == expected), "{expected} is not in {text}");
    }
}

/// Names, types and help texts, by the tool that Prometheus comes with.
#[test]
fn promtool_checks_the_metrics_without_a_word() {
    let site = Site::new();
    let platform = site.start();
    crate::harness::eventually("sizes are known", || platform.metric("pcd_store_size_bytes") > 0.0);
    let (_, text) = platform.get("/metrics");
    let mut check = monitoring_tool("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let reported = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!((output.status.code(), reported.as_str()), (Some(0), ""));
}
