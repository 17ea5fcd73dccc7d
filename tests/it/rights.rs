//! The platform with the role that `docs/howto/postgresql.md` documents: what it does without one of its
//! rights.

use std::time::Duration;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::cluster::Cluster;
use crate::harness::{Cli, Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

/// The grants of the page, without those that only retention of the audit trail needs.
fn grants() -> &'static str {
    let text = include_str!("../../docs/howto/postgresql.md");
    let block = text.split("```sql\n-- as the owner, in the database\n").nth(1).unwrap();
    block.split("```").next().unwrap()
}

fn as_owner(server: &Cluster, sql: &str) {
    server.sql("pcd", &format!("SET ROLE pcd_owner; {sql}"));
}

/// Whether the platform is ready, and the reason of the store if it is not.
fn readiness(platform: &Platform) -> (u16, String) {
    let (status, body) = platform.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["checks"]["store"]["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_right_that_is_revoked_while_the_platform_runs_is_named_and_costs_no_message() {
    let server = Cluster::start();
    server.sql("postgres", "CREATE ROLE pcd_owner LOGIN; CREATE ROLE pcd LOGIN");
    server.sql("postgres", "CREATE DATABASE pcd OWNER pcd_owner");
    Cli::of(&Site::of_database(&server.url("pcd_owner", "pcd")));
    as_owner(&server, grants());
    as_owner(&server, "REVOKE DELETE ON message FROM pcd");
    let site = Site::of_database(&server.url("pcd", "pcd")).with("store", "retain-messages = \"1s\"");
    let check = || Cli::without_store(&site).try_run(&["check"]);
    let (status, found, _) = check();
    assert!(status.code() == Some(1) && found.contains("DELETE on message"), "{found}");

    let platform = site.start();
    platform.admit(NAME, &[]);
    let lacks = |right: &str| {
        eventually("readiness names the right", || {
            let (status, reason) = readiness(&platform);
            status == 503 && reason.contains(right)
        });
    };
    lacks("DELETE on message;");
    // The writer's connection is the one that has set this.
    let writer = "SELECT pid FROM pg_stat_activity WHERE usename = 'pcd' AND backend_type = 'client backend'
        AND query NOT LIKE 'LISTEN%' ORDER BY backend_start";
    let writers = server.sql("pcd", writer);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let failed = || platform.log().matches("retention pass failed").count();
    let mut sent = 0;
    // Some passes of retention among the messages: each fails by itself.
    while failed() < 5 {
        sent += 1;
        assert!(sent < 10_000, "no retention pass has failed");
        wire.write(&framed(&message(NAME, &sent.to_string())));
        assert_eq!(wire.verdict(), ("CA".to_owned(), sent.to_string()));
        std::thread::sleep(Duration::from_millis(2));
    }
    let now = server.sql("pcd", writer);
    assert!(now.contains(&writers), "a connection was dropped: {writers:?}, {now:?}");

    as_owner(&server, "GRANT DELETE ON message TO pcd");
    let is_ready = || eventually("it is ready", || readiness(&platform) == (200, String::new()));
    is_ready();
    assert!(check().0.success());
    eventually("retention goes on", || {
        platform.metric("pcd_retention_pruned_total{what=\"messages\"}") > 0.0
    });
    for (privilege, table) in [("UPDATE", "alert_report"), ("SELECT", "outbox"), ("INSERT", "node_lease")] {
        as_owner(&server, &format!("REVOKE {privilege} ON {table} FROM pcd"));
        lacks(&format!("{privilege} on {table};"));
        as_owner(&server, &format!("GRANT {privilege} ON {table} TO pcd"));
        is_ready();
    }
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
}
