//! The audit trail, as an auditor sees it.

use std::fs;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;
use sqlx::Connection as _;

use crate::harness::{Cli, Device, Site, eventually, message, wait_for};

const NAME: &str = "00A037FFFE000001";

/// Runs `sql` on the file, as its owner can.
fn tamper(site: &Site, sql: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", site.path().join("platform.db").display());
        let mut outside = sqlx::SqliteConnection::connect(&url).await.unwrap();
        for trigger in ["audit_no_update", "audit_no_delete", "audit_no_replace"] {
            let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
            sqlx::raw_sql(drop).execute(&mut outside).await.unwrap();
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut outside).await.unwrap();
        outside.close().await.unwrap();
    });
}

#[test]
fn the_trail_is_signed_when_the_platform_stops_and_a_changed_row_is_named() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    device.close().unwrap();
    platform.stop();

    let cli = Cli::of(&site);
    let report = &cli.json(&["audit", "verify"])[0];
    let rows = cli.run(&["audit", "export", "--format", "jsonl"]);
    assert_eq!(report["intact"], true);
    // Since then only the verification and the export have been written down.
    let written = rows.lines().count() - 2;
    assert_eq!(report["rows"], written);
    // The last row is the signature, and covers everything before it.
    assert_eq!(report["signed-rows"], written - 1);
    let last: serde_json::Value = serde_json::from_str(rows.lines().nth(written - 1).unwrap()).unwrap();
    assert_eq!((last["event"].as_str(), &last["hash"]), (Some("audit-signed"), &report["hash"]));
}

#[test]
fn whatever_was_done_to_the_trail_is_found_and_the_first_row_is_named() {
    let site = Site::new().with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(device.code(message(NAME, id)), "CA");
    }
    device.close().unwrap();
    platform.stop();
    let cli = Cli::of(&site);
    let report = cli.json(&["audit", "verify"]).remove(0);
    let (end, hash) = (report["rows"].as_u64().unwrap(), report["hash"].as_str().unwrap().to_owned());
    let file = site.path().join("platform.db");
    let whole = fs::read(&file).unwrap();
    // The verification has written a row as well.
    let last = end + 1;
    let inserted = format!(
        "UPDATE audit SET number = -number WHERE number > 4; UPDATE audit SET number = 1 - number WHERE number < 0;
         INSERT INTO audit SELECT {}, node, 5, at, event, details, hash FROM audit WHERE number = 4",
        last + 50
    );
    let swapped =
        "UPDATE audit SET number = 0 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = 4;
                   UPDATE audit SET number = 4 WHERE number = 0";
    for (what, sql, row) in [
        ("changed", "UPDATE audit SET details = '{}' WHERE number = 3".to_owned(), 3),
        ("another time", "UPDATE audit SET at = at + 1 WHERE number = 3".to_owned(), 3),
        ("removed", "DELETE FROM audit WHERE number = 3".to_owned(), 3),
        ("inserted", inserted, 5),
        ("reordered", swapped.to_owned(), 3),
        ("moved", format!("UPDATE audit SET sequence = {} WHERE number = 3", last + 50), 4),
        ("cut", format!("DELETE FROM audit WHERE number >= {end}"), end),
    ] {
        tamper(&site, sql);
        let (status, stdout, stderr) = cli.try_run(&["audit", "verify"]);
        assert_eq!(status.code(), Some(1), "{what}: {stdout}{stderr}");
        assert!(stdout.starts_with("broken") && stdout.contains(&format!("row {row} ")), "{what}: {stdout}");
        for beside in ["platform.db-wal", "platform.db-shm"] {
            let _ = fs::remove_file(site.path().join(beside));
        }
        fs::write(&file, &whole).unwrap();
    }
    assert!(cli.try_run(&["audit", "verify"]).0.success(), "as it was");

    // A tail that was cut at a signature, with all that the store knew of it, looks whole; who noted the head
    // sees it.
    let at_first = "(SELECT min(number) FROM audit WHERE event = 'audit-signed')";
    tamper(
        &site,
        format!(
            "UPDATE audit_end SET number = {at_first}, hash = (SELECT hash FROM audit WHERE number = {at_first});
             DELETE FROM audit WHERE number > (SELECT number FROM audit_end)"
        ),
    );
    let (status, stdout, _) = cli.try_run(&["audit", "verify"]);
    assert_eq!(status.code(), Some(1), "this node remembers the end: {stdout}");
    fs::remove_dir_all(site.path().join("data/audit")).unwrap();
    assert!(cli.try_run(&["audit", "verify"]).0.success(), "without its file it does not");
    let head = format!("{end}:{hash}");
    let (status, stdout, _) = cli.try_run(&["audit", "verify", "--head", &head]);
    assert_eq!(status.code(), Some(1), "{stdout}");
    let verified = cli.json(&["audit", "list", "--event", "audit-verified", "--limit", "1"]).remove(0);
    assert_eq!(verified["details"]["intact"], false);
    assert_eq!(verified["details"]["missing-heads"][0], head);
}

#[test]
fn the_trail_is_signed_again_and_again_while_the_platform_runs() {
    let site = Site::new().with("audit", "sign-every = \"100ms\"");
    let platform = site.start();
    let cli = platform.cli().clone();
    let signed = || cli.json(&["audit", "list", "--event", "audit-signed"]).len();
    eventually("it is signed at once", || signed() >= 1);
    platform.admit(NAME, &[]);
    eventually("and again", || signed() >= 2);
    // The signature of the start may not cover the rows of the start; wait for the one that covers the last.
    let newest = || cli.json(&["audit", "list", "--limit", "1"]).remove(0);
    let last = wait_for("the last row is signed", newest, |row| row["event"] == "audit-signed");
    // Nothing new, no signature.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(newest(), last);
    platform.signal(Signal::KILL);
    platform.wait();
    let report = cli.json(&["audit", "verify"]).remove(0);
    assert_eq!(
        (&report["intact"], report["signed-rows"].as_u64() > Some(2)),
        (&Value::Bool(true), true),
        "{report}"
    );
}

#[test]
fn the_trail_is_read_page_by_page() {
    let site = Site::new();
    let platform = site.start();
    let cli = platform.cli();
    for number in 0..7 {
        cli.run(&["device", "add", &format!("PUMP-{number}")]);
    }
    let get = |query: &str| -> Vec<Value> {
        let (status, body) = platform.get(&format!("/api/audit?{query}"));
        assert_eq!(status, 200, "{query}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let mut rows = get("event=device-added&limit=3");
    while let Some(last) = rows.last() {
        let page = get(&format!("event=device-added&limit=3&before={}", last["sequence"]));
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    assert_eq!(rows.len(), 7);
    assert_eq!(rows, cli.json(&["audit", "list", "--event", "device-added"]));
    let before = rows[2]["sequence"].to_string();
    let rest = cli.json(&["audit", "list", "--event", "device-added", "--before", &before, "--limit", "2"]);
    assert_eq!(rest, rows[3..5]);
    assert_eq!(get("since=2999-01-01T00:00:00Z"), [] as [Value; 0]);
    for wrong in ["since=yesterday", "before=x", "limit=5000", "limit=0", "colour=red", "event=nope"] {
        assert_eq!(platform.get(&format!("/api/audit?{wrong}")).0, 400, "{wrong}");
    }
}
