//! The admin listener.

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Device, Site, message};

#[test]
fn a_running_platform_is_live_and_ready() {
    let site = Site::new();
    let platform = site.start();
    assert_eq!(platform.get("/livez"), (200, "alive\n".to_owned()));
    let (status, body) = platform.get("/readyz");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer["ready"], true);
    for check in ["accepting", "store"] {
        assert_eq!(answer["checks"][check]["ok"], true, "{answer}");
    }
    for unknown in ["/metric", "/livez/x", "/api/secrets", "/..%2f..%2fetc/passwd"] {
        assert_eq!(platform.get(unknown).0, 404, "{unknown}");
    }
}

#[test]
fn metrics_have_the_names_that_dashboards_use() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("MONITOR", &[]);
    let own = site.certificate("MONITOR", KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message("MONITOR", "1")), "CA");
    device.close().unwrap();
    let (status, text) = platform.get("/metrics");
    assert_eq!(status, 200);
    for series in [
        "pcd_connections_active ",
        "pcd_handshakes_total{reason=\"\",result=\"accepted\"} 1",
        "pcd_handshakes_total{reason=\"revoked\",result=\"refused\"} 0",
        "pcd_handshake_duration_seconds_count 1",
        "pcd_tls_negotiated_total{suite=\"TLS13_",
        "pcd_messages_total{acknowledgement=\"CA\",transaction=\"pcd-01\"} 1",
        "pcd_message_duration_seconds_count{stage=\"stored\"} 1",
        "pcd_message_duration_seconds_count{stage=\"acknowledged\"} 1",
        "pcd_certificate_not_after_timestamp_seconds{key=\"ecc\",role=\"platform\"}",
        "pcd_audit_events_total{event=\"connection-accepted\"} 1",
        "pcd_directory_devices 1",
        "pcd_build_info{version=",
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "{series} is not in\n{text}");
    }
    // Bounded labels: no name of a device, no control id, no address.
    assert!(!text.contains("MONITOR") && !text.contains("127.0.0.1"), "{text}");
}
