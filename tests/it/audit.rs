//! The audit trail, as an auditor sees it.

use pcd_platform::pki::KeyType;
use sqlx::Connection as _;

use crate::harness::{Cli, Device, Site, message};

const NAME: &str = "00A037FFFE000001";

fn tamper(site: &Site, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", site.path().join("platform.db").display());
        let mut outside = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("DROP TRIGGER audit_no_update").execute(&mut outside).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut outside).await.unwrap();
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

    tamper(
        &site,
        "UPDATE audit SET details = replace(details, 'PUMP', 'LAMP'), at = at + 1 WHERE number = 3",
    );
    let (status, stdout, _) = cli.try_run(&["audit", "verify"]);
    assert_eq!(status.code(), Some(1));
    assert!(stdout.starts_with("broken") && stdout.contains("row 3 "), "{stdout}");
}
