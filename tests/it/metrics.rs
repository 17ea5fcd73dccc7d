//! The metrics as Prometheus scrapes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::Site;

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
    let platform = Site::new().start();
    let (status, text) = platform.get("/metrics");
    assert_eq!(status, 200);
    let types = types(&text);
    for (name, kind) in &types {
        assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
        assert!(name.starts_with("pcd_"), "{name}");
    }
    // A labelled counter that has no series yet is not in the text at all.
    let source = include_str!("../../src/metrics.rs");
    let declared = source.split('"').filter(|text| text.ends_with("_total"));
    let declared: BTreeSet<_> = declared.map(|name| format!("pcd_{name}")).collect();
    let counters = types.iter().filter(|(_, kind)| **kind == "counter").map(|(name, _)| (*name).to_owned());
    assert_eq!(declared, counters.collect());
    for (series, value) in series(&text).filter(|(series, _)| series.contains("_total")) {
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
        r#"pcd_retention_backlog_seconds{what="audit"}"#,
        r#"pcd_task_failures_total{task="directory"}"#,
    ] {
        assert!(series(&text).any(|(series, _)| series == expected), "{expected} is not in {text}");
    }
}
