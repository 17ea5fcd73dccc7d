//! A server whose settings change under a platform that is connected: what was acknowledged is there after an
//! immediate stop, and nothing is acknowledged while the server may lose it.

use pcd_platform::model::StoreRisk;
use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::cluster::Cluster;
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const NAME: &str = "00A037FFFE000001";

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

/// The store's reason in `/readyz`; empty when it is ready.
fn reason(platform: &Platform) -> String {
    let (_, body) = platform.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    body["checks"]["store"]["reason"].as_str().unwrap_or_default().to_owned()
}

fn stored(platform: &Platform) -> Vec<String> {
    let listed = platform.cli().json(&["message", "list", "--limit", "100000"]);
    listed.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect()
}

/// Sends messages, stops the server at once after the last acknowledgement, and starts it again.
fn send_and_stop(server: &Cluster, wire: &mut Wire, prefix: &str) -> Vec<String> {
    let ids: Vec<_> = (0..30).map(|n| format!("{prefix}-{n}")).collect();
    for id in &ids {
        wire.write(&framed(&message(NAME, id)));
        assert_eq!(&wire.verdict(), &("CA".to_owned(), id.clone()));
    }
    server.quit();
    server.restart();
    ids
}

#[test]
fn what_is_acknowledged_survives_an_immediate_stop_whatever_synchronous_commit_is() {
    let server = Cluster::start();
    // Without a wait for the disk, a commit is written after up to three times this, or this many bytes.
    server.set("wal_writer_delay = '10s'");
    server.set("wal_writer_flush_after = '1GB'");
    server.stop();
    server.restart();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    let site = Site::of_database(&url).with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "first")));
    assert_eq!(wire.verdict().0, "CA");
    let mut acknowledged = vec!["first".to_owned()];

    server.alter("SET synchronous_commit = off");
    acknowledged.extend(send_and_stop(&server, &mut wire, "system"));
    eventually("it is ready again", || platform.get("/readyz").0 == 200);

    // The settings of a role and of a database come before those of the system.
    server.sql("postgres", &format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    server.sql("postgres", "ALTER ROLE postgres SET synchronous_commit = off");
    server.stop();
    server.restart();
    eventually("it is ready again", || platform.get("/readyz").0 == 200);
    acknowledged.extend(send_and_stop(&server, &mut wire, "role"));
    eventually("it is ready again", || platform.get("/readyz").0 == 200);

    // A function that runs in the platform's session changes the session.
    server.sql(
        database,
        "CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM set_config('synchronous_commit', 'off', false); RETURN NULL; END $$;
         CREATE TRIGGER hurry AFTER UPDATE ON probe EXECUTE FUNCTION hurry()",
    );
    assert_eq!(platform.get("/readyz").0, 200, "the probe has run the function");
    acknowledged.extend(send_and_stop(&server, &mut wire, "session"));
    eventually("it is ready again", || platform.get("/readyz").0 == 200);

    let stored = stored(&platform);
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(stored.len(), acknowledged.len());
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
}

/// What brings each risk about while the platform is connected, and what ends it.
const CHANGES: [(StoreRisk, &str, &str); 11] = [
    (StoreRisk::FsyncOff, "SYSTEM SET fsync = off", "SYSTEM RESET fsync"),
    (StoreRisk::FullPageWritesOff, "SYSTEM SET full_page_writes = off", "SYSTEM RESET full_page_writes"),
    (StoreRisk::ZeroDamagedPagesOn, "SYSTEM SET zero_damaged_pages = on", "SYSTEM RESET zero_damaged_pages"),
    (
        StoreRisk::ZeroDamagedPagesOn,
        "SYSTEM SET ignore_checksum_failure = on",
        "SYSTEM RESET ignore_checksum_failure",
    ),
    (
        StoreRisk::TriggersOff,
        "SYSTEM SET session_replication_role = replica",
        "SYSTEM RESET session_replication_role",
    ),
    (StoreRisk::UnloggedTable, "TABLE message_identity SET UNLOGGED", "TABLE message_identity SET LOGGED"),
    (StoreRisk::TriggersOff, "TABLE message DISABLE TRIGGER USER", "TABLE message ENABLE TRIGGER USER"),
    (
        StoreRisk::NotATable,
        "TABLE message RENAME TO kept; CREATE VIEW message AS SELECT * FROM kept; ALTER TABLE kept SET UNLOGGED",
        "TABLE kept SET LOGGED; DROP VIEW message; ALTER TABLE kept RENAME TO message",
    ),
    (
        StoreRisk::ForeignCode,
        "TABLE audit ADD COLUMN note TEXT; CREATE RULE mine AS ON INSERT TO message DO INSTEAD NOTHING",
        "TABLE audit DROP COLUMN note; DROP RULE mine ON message",
    ),
    (
        StoreRisk::HiddenRows,
        "TABLE message ENABLE ROW LEVEL SECURITY",
        "TABLE message DISABLE ROW LEVEL SECURITY",
    ),
    (
        StoreRisk::ChangedIndex,
        "TABLE audit DROP CONSTRAINT audit_node_number_key",
        "TABLE audit ADD CONSTRAINT audit_node_number_key UNIQUE (node, number)",
    ),
];

fn change(server: &Cluster, database: &str, change: &str) {
    match change.strip_prefix("SYSTEM ") {
        Some(setting) => server.alter(setting),
        None => drop(server.sql(database, &format!("ALTER {change}"))),
    }
}

#[test]
fn nothing_is_acknowledged_while_the_server_may_lose_it() {
    let server = Cluster::start();
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    let site = Site::of_database(&url);
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    let mut accepted = Vec::new();
    for (n, (risk, cause, cure)) in CHANGES.into_iter().enumerate() {
        let code = risk.code();
        let id = format!("{n} {code}");
        let metric = || platform.metric(&format!("pcd_store_risks{{risk=\"{code}\"}}"));
        assert_eq!(metric(), 0.0, "{code}");
        change(&server, database, cause);
        if cause.contains("TABLE") {
            // What the tables are is not seen by each transaction.
            eventually("the risk is observed", || metric() == 1.0);
        }
        wire.write(&framed(&message(NAME, &id)));
        let answer = wire.answer().unwrap();
        assert_eq!(field(&answer, "MSA", 1), "CE", "{code}: {answer:?}");
        assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("store-unavailable"), "{answer:?}");
        eventually("the risk is counted", || metric() == 1.0);
        // A check that began before is answered with what it found.
        eventually("readiness names it", || reason(&platform).contains(code));
        assert!(reason(&platform).contains("docs/reference/store.md"), "{code}");
        let (status, checked, _) = platform.cli().try_run(&["check"]);
        assert!(status.code() == Some(1) && checked.contains(code), "{checked}");
        let (status, _, stderr) = platform.cli().try_run(&["device", "add", "ANOTHER"]);
        assert!(status.code() == Some(69) && stderr.contains(code), "{stderr}");
        let (status, listed, stderr) = platform.cli().try_run(&["message", "list"]);
        assert!(
            status.success() && stderr.starts_with("warning:") && stderr.contains(code),
            "{listed} {stderr}"
        );
        let (status, checked, _) = platform.cli().try_run(&["store", "check"]);
        assert!(status.code() == Some(1) && checked.contains(code), "{checked}");
        change(&server, database, cure);
        eventually("it is ready again", || platform.get("/readyz").0 == 200);
        eventually("the risk is over", || metric() == 0.0);
        wire.write(&framed(&message(NAME, &id)));
        assert_eq!(wire.verdict(), ("CA".to_owned(), id.clone()), "the same connection goes on");
        accepted.push(id);
    }
    accepted.reverse();
    assert_eq!(stored(&platform), accepted, "newest first");
    let log = platform.log();
    for (risk, ..) in CHANGES {
        // Its object follows, where it has one.
        let line = format!("the store can lose or hide acknowledged messages: {risk}");
        let times = CHANGES.iter().filter(|(other, ..)| *other == risk).count();
        // A view in the place of a table has none of its triggers either.
        let is_line = |logged: &&str| logged.contains(&line) && logged.contains("; nothing is acknowledged");
        assert!(
            (times..=times + 1).contains(&log.lines().filter(is_line).count()),
            "one line each time for {risk}"
        );
    }
}

#[test]
fn an_accepted_risk_is_shown_and_does_not_stop_the_platform() {
    let server = Cluster::start();
    let site = Site::of_database(&server.database())
        .with("store", "accepted-risks = [\"full-page-writes-off\", \"data-sync-retry-on\"]");
    server.set("data_sync_retry = on");
    server.stop();
    server.restart();
    let platform = site.start();
    platform.admit(NAME, &[]);
    server.alter("SET full_page_writes = off");
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    assert_eq!(reason(&platform), "");
    for code in ["full-page-writes-off", "data-sync-retry-on"] {
        eventually("the risk is counted", || {
            platform.metric(&format!("pcd_store_risks{{risk=\"{code}\"}}")) == 1.0
        });
        let checked = platform.cli().run(&["check"]);
        let shown = checked.lines().find(|line| line.contains(code)).unwrap_or_default();
        assert!(shown.starts_with("warning"), "{checked}");
    }
    // One that is not accepted still counts.
    server.alter("SET fsync = off");
    wire.write(&framed(&message(NAME, "2")));
    assert_eq!(wire.verdict().0, "CE");
    drop(wire);
    drop(platform);
    let (status, _, stderr) = crate::harness::Cli::without_store(&site).try_run(&["serve"]);
    assert_eq!(status.code(), Some(69), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains("fsync-off") && !error.contains("full-page-writes-off"), "{stderr}");
}

#[test]
fn the_risks_of_a_file_are_shown_and_reading_commands_go_on() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    let shown = || {
        let shown: serde_json::Value = serde_json::from_str(&platform.get("/api/store").1).unwrap();
        shown["risks"].clone()
    };
    assert_eq!(shown(), serde_json::json!([]));
    let file = site.path().join("platform.db");
    let outside = rusqlite::Connection::open(&file).unwrap();
    outside.execute_batch("DROP INDEX message_resend").unwrap();
    wire.write(&framed(&message(NAME, "2")));
    let answer = wire.answer().unwrap();
    assert_eq!(field(&answer, "MSA", 1), "CE", "{answer:?}");
    assert_eq!(
        shown(),
        serde_json::json!([{
            "code": "changed-index", "accepted": false, "objects": ["index message_resend"]
        }])
    );
    for words in [&["message", "list"][..], &["audit", "list"], &["device", "list"], &["store", "retention"]]
    {
        let (status, _, stderr) = platform.cli().try_run(words);
        assert!(status.success() && stderr.contains("changed-index"), "{words:?}: {stderr}");
    }
    for words in [&["store", "check"][..], &["audit", "verify"]] {
        let (status, stdout, stderr) = platform.cli().try_run(words);
        assert!(status.code() == Some(1) && stderr.contains("changed-index"), "{words:?}: {stdout}{stderr}");
    }
    for words in [&["message", "export"][..], &["audit", "export"], &["device", "suspend", NAME]] {
        let (status, stdout, stderr) = platform.cli().try_run(words);
        assert!(status.code() == Some(69) && stdout.is_empty(), "{words:?}: {stdout}{stderr}");
    }
}
