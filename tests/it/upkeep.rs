//! What an operator has to look after: the disk, the backup, the audit trail, the configuration, orders. Each
//! is a metric and a finding.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{
    Disk, Platform, Site, Wire, command_at, eventually, finish, framed, message, program, where_one_may_mount,
};

const NAME: &str = "00A037FFFE000001";

fn findings(platform: &Platform, code: &str) -> Vec<Value> {
    let (status, body) = platform.get("/api/findings");
    assert_eq!(status, 200, "{body}");
    let all: Vec<Value> = serde_json::from_str(&body).unwrap();
    all.into_iter().filter(|finding| finding["code"] == code).collect()
}

fn found(platform: &Platform, code: &str) -> Value {
    eventually(code, || findings(platform, code).len() == 1);
    let finding = findings(platform, code).remove(0);
    let series = format!("pcd_findings{{code=\"{code}\"}}");
    eventually(&series, || platform.metric(&series) == 1.0);
    finding
}

#[test]
fn readiness_limits_and_what_runs_are_metrics() {
    for (site, kind) in Site::on_each_store().into_iter().zip(["sqlite", "postgres"]) {
        let platform = site.start();
        for check in ["accepting", "store", "audit", "tasks"] {
            let series = format!("pcd_ready{{check=\"{check}\"}}");
            eventually(&series, || platform.metric(&series) == 1.0);
        }
        let (_, text) = platform.get("/metrics");
        let info = text.lines().find(|line| line.starts_with("pcd_info{")).unwrap();
        assert!(info.contains(&format!("store=\"{kind}\"")) && info.contains("node=\""), "{info}");
        for what in
            ["connections", "handshakes", "store-queue", "open-files", "frame-memory", "feeds", "audit-rows"]
        {
            let limit = platform.metric(&format!("pcd_limit{{what=\"{what}\"}}"));
            let used = platform.metric(&format!("pcd_in_use{{what=\"{what}\"}}"));
            assert!(limit > 0.0 && used < limit, "{what}: {used} of {limit}");
        }
        assert!(platform.metric("pcd_in_use{what=\"open-files\"}") > 5.0);
        eventually("sizes", || platform.metric("pcd_store_size_bytes") > 0.0);
        eventually("signature", || platform.metric("pcd_audit_signed_timestamp_seconds") > 1.7e9);
        let (_, text) = platform.get("/metrics");
        // A server does not say how much room it has, and is not backed up by this program.
        for name in
            ["pcd_store_free_bytes ", "pcd_store_disk_bytes ", "pcd_store_last_backup_timestamp_seconds "]
        {
            let there = text.lines().any(|line| line.starts_with(name));
            assert_eq!(there, kind == "sqlite", "{name}");
        }
        let status: Value = serde_json::from_str(&platform.get("/api/status").1).unwrap();
        let room = &status["store"];
        assert!(room["size-bytes"].as_u64().unwrap() > 0, "{status}");
        assert_eq!(room["free-bytes"].is_u64(), kind == "sqlite", "{status}");
        let at = platform.socket.as_ref().unwrap().display().to_string();
        let printed = platform.cli().try_run(&["status", "--at", &at]).1;
        assert!(printed.contains("\nstore: "), "{printed}");
    }
}

#[test]
fn the_last_backup_and_the_last_verification_are_known_after_a_restart() {
    let site = Site::new();
    let platform = site.start();
    let copy = site.path().join("copy.db");
    platform.cli().run(&["store", "backup", copy.to_str().unwrap()]);
    platform.cli().run(&["audit", "verify"]);
    assert_eq!(platform.stop().status.code(), Some(0));

    let platform = site.start();
    let now = Clock::system().now().as_second() as f64;
    for series in ["pcd_store_last_backup_timestamp_seconds", "pcd_audit_verified_timestamp_seconds"] {
        eventually(series, || (now - platform.metric(series)).abs() < 60.0);
    }
    assert_eq!(platform.metric("pcd_audit_verified{state=\"intact\"}"), 1.0);
    assert_eq!(platform.metric("pcd_audit_verified{state=\"broken\"}"), 0.0);
    assert!(findings(&platform, "backup-old").is_empty());
    assert_eq!(platform.stop().status.code(), Some(0));

    let site = site.with("store", "max-backup-age = \"10ms\"");
    let platform = site.start();
    let finding = found(&platform, "backup-old");
    assert!(finding["what"].as_str().unwrap().starts_with("the last backup of the store was made at "));
    assert_eq!(platform.stop().status.code(), Some(0));
    let site = site.with("store", "max-backup-age = \"any\"");
    let platform = site.start();
    eventually("it is examined", || platform.metric("pcd_store_size_bytes") > 0.0);
    assert!(findings(&platform, "backup-old").is_empty());
}

// The nightly copy, by the line of its unit.
#[test]
fn a_damaged_message_is_a_finding_and_old_copies_are_removed_all_the_same() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    platform.stop();
    site.damage("1");

    let copies = site.path().join("backup");
    fs::create_dir(&copies).unwrap();
    let old = fs::File::create(copies.join("old.db")).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_hours(20 * 24)).unwrap();
    let unit = include_str!("../../deploy/systemd/pcd-platform-backup.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '")).unwrap();
    let script = line.strip_suffix('\'').unwrap().replace("%%", "%").replace("$$", "$");
    let script = script.replace("/usr/bin/pcd-platform", program());
    let script = script.replace("/var/lib/pcd-platform/backup", copies.to_str().unwrap());
    let config = site.write_configuration();
    let mut backup = command_at(Path::new("/bin/sh"));
    backup.args(["-c", &script]).env("PCD_CONFIG", config);
    let made = finish(backup, b"", None);
    assert!(!made.success, "the store has a damaged message");
    let left: Vec<_> = fs::read_dir(&copies).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() == 1 && left[0] != "old.db", "{left:?} {}", made.text());

    let platform = site.start();
    let finding = found(&platform, "message-damaged");
    assert!(finding["what"].as_str().unwrap().contains("in the store and in its copy"), "{finding}");
}

#[test]
fn a_verification_that_found_a_fault_is_a_finding_for_the_platform() {
    let site = Site::new().with_changed_triggers();
    let platform = site.start();
    assert_eq!(platform.stop().status.code(), Some(0));
    let runtime = crate::harness::runtime();
    runtime.block_on(async {
        use sqlx::Connection as _;
        let url = format!("sqlite:{}", site.path().join("platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let change = "DROP TRIGGER audit_no_update; UPDATE audit SET details = '{}' WHERE number = 1";
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    let (status, printed, _) = crate::harness::Cli::of(&site).try_run(&["audit", "verify"]);
    assert_eq!(status.code(), Some(1), "{printed}");
    let platform = site.start();
    let finding = found(&platform, "audit-chain-broken");
    assert_eq!(finding["severity"], "urgent", "{finding}");
    assert_eq!(platform.metric("pcd_audit_verified{state=\"broken\"}"), 1.0);
    assert_eq!(platform.metric("pcd_audit_verified{state=\"intact\"}"), 0.0);
}

#[test]
fn a_disk_that_is_nearly_full_is_a_finding_before_it_is_full() {
    let name = "upkeep::a_disk_that_is_nearly_full_is_a_finding_before_it_is_full";
    where_one_may_mount(name, || {
        let site = Site::new()
            .with("store", "url = \"sqlite:disk/platform.db\"")
            .without("store", "min-free-percent");
        let folder = site.path().join("disk");
        let _disk = Disk::mount(&folder, "40m");
        let platform = site.start();
        eventually("it is examined", || platform.metric("pcd_store_free_bytes") > 2e6);
        assert!(findings(&platform, "disk-filling").is_empty());
        assert_eq!(platform.stop().status.code(), Some(0));
        fs::write(folder.join("other"), vec![0; 38 << 20]).unwrap();
        let platform = site.start();
        let finding = found(&platform, "disk-filling");
        assert_eq!(finding["severity"], "urgent");
        let what = finding["what"].as_str().unwrap();
        assert!(what.contains(" of 40 MiB free"), "{what}");
    });
}

#[test]
fn a_key_that_waits_for_a_restart_and_a_refused_reload_are_findings() {
    let site = Site::new();
    let platform = site.start();
    assert_eq!(platform.metric("pcd_config_last_reload_successful"), 1.0);
    let file = site.path().join("platform.toml");
    let text = fs::read_to_string(&file).unwrap();

    fs::write(&file, text.replace("level = \"debug\"", "level = \"loud\"")).unwrap();
    platform.signal(Signal::HUP);
    let finding = found(&platform, "reload-refused");
    let what = finding["what"].as_str().unwrap();
    assert_eq!(what, "the last reload was refused (values of log.level); the log has the reason");
    assert_eq!(platform.metric("pcd_config_last_reload_successful"), 0.0);

    fs::write(&file, text.replace("level = \"debug\"", "level = \"info\"")).unwrap();
    platform.signal(Signal::HUP);
    let finding = found(&platform, "restart-pending");
    assert_eq!(finding["what"], "changed keys take effect at the next start: log.level");
    eventually("the former is over", || findings(&platform, "reload-refused").is_empty());
    assert_eq!(platform.metric("pcd_config_restart_pending"), 1.0);
    assert_eq!(platform.metric("pcd_config_last_reload_successful"), 1.0);

    fs::write(&file, text).unwrap();
    platform.signal(Signal::HUP);
    eventually("nothing is pending", || findings(&platform, "restart-pending").is_empty());
}

#[test]
fn an_order_that_expired_is_a_finding_that_names_the_device_and_no_content() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let file = site.path().join("order.hl7");
    fs::write(&file, message(NAME, "order-1")).unwrap();
    let words = ["order", "send", NAME, file.to_str().unwrap(), "--no-wait", "--within", "8s"];
    platform.cli().run(&words);
    eventually("it waits", || platform.metric("pcd_southbound_oldest_seconds") >= 1.0);
    let finding = found(&platform, "order-failed");
    assert_eq!((&finding["severity"], &finding["subject"]), (&"urgent".into(), &"order".into()));
    let what = format!("the order for {NAME} expired unsent: the device does not have it");
    assert_eq!(finding["what"], what);
    eventually("none waits", || platform.metric("pcd_southbound_oldest_seconds") == 0.0);
}
