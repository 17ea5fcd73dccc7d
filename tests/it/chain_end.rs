//! A store that does not contain the end of the audit chain that the platform remembers: it was rewritten, or
//! went back.

use std::fs;
use std::path::Path;

use pcd_platform::audit::ChainHead;
use pcd_platform::model::NodeName;
use pcd_platform::pki::KeyType;
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::harness::{Cli, Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

fn send(wire: &mut Wire, id: &str) -> String {
    wire.write(&framed(&message(NAME, id)));
    wire.verdict().0
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What an attacker with the file does: removes a row about a message and every signature, and
/// recomputes all hashes, also what the database knows of the end.
fn rewrite(file: &Path) {
    block_on(async {
        let url = format!("sqlite://{}", file.display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        // Before the rows are read: none is written meanwhile.
        let begin = "PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE";
        sqlx::raw_sql(begin).execute(&mut database).await.unwrap();
        let select = "SELECT node, at, event, details FROM audit ORDER BY number";
        let mut rows: Vec<(String, i64, String, String)> = sqlx::query(select)
            .fetch_all(&mut database)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
            .collect();
        let message = rows.iter().position(|row| row.2 == "message-accepted").unwrap();
        rows.remove(message);
        rows.retain(|row| row.2 != "audit-signed");
        let prepare = "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete;
            DROP TRIGGER IF EXISTS audit_no_replace; DELETE FROM audit";
        sqlx::raw_sql(prepare).execute(&mut database).await.unwrap();
        let mut head = ChainHead::START;
        for (node, at, event, details) in &rows {
            let name: NodeName = node.parse().unwrap();
            head = head.next(&name, jiff::Timestamp::from_microsecond(*at).unwrap(), event, details);
            let insert =
                "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, ?, ?, ?)";
            let insert = sqlx::query(insert).bind(node).bind(i64::try_from(head.number).unwrap()).bind(at);
            let insert = insert.bind(event).bind(details).bind(head.hash.as_bytes().to_vec());
            insert.execute(&mut database).await.unwrap();
        }
        let end = sqlx::query("UPDATE audit_end SET number = ?, hash = ?");
        let end = end.bind(i64::try_from(head.number).unwrap()).bind(head.hash.as_bytes().to_vec());
        end.execute(&mut database).await.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
}

fn signatures(cli: &Cli) -> usize {
    cli.json(&["audit", "list", "--event", "audit-signed"]).len()
}

/// Whether the last row is a signature, after which no further one comes, and the platform's file remembers
/// what it covers. The file follows the store.
fn last_signature_is_remembered(site: &Site, cli: &Cli) -> bool {
    let newest = cli.json(&["audit", "list", "--limit", "1"]).remove(0);
    if newest["event"] != "audit-signed" {
        return false;
    }
    let last = newest["number"].as_u64().unwrap();
    let folder = site.path().join("data/audit");
    let is_end = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with("chain-");
    let file = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| is_end(path));
    let content: Value = serde_json::from_slice(&fs::read(file.unwrap()).unwrap()).unwrap();
    let signed = content["signed"].as_str().and_then(|head| head.split_once(':'));
    signed.is_some_and(|(number, _)| number.parse::<u64>().unwrap() + 1 >= last)
}

fn readiness(platform: &Platform) -> (u16, Value) {
    let (status, body) = platform.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["checks"]["audit"].clone())
}

#[test]
fn a_trail_that_is_rewritten_while_the_platform_runs_is_neither_signed_nor_continued() {
    let site = Site::new().with("audit", "sign-every = \"100ms\"").with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    for id in ["1", "2", "3"] {
        assert_eq!(send(&mut wire, id), "CA");
    }
    eventually("the trail is signed", || signatures(platform.cli()) >= 2);
    // Otherwise the older one may be in the forged chain's range, and the operator is asked about the store.
    eventually("the signature is remembered", || last_signature_is_remembered(&site, platform.cli()));
    rewrite(&site.path().join("platform.db"));
    let (status, stdout, _) = platform.cli().try_run(&["audit", "verify"]);
    assert_eq!(status.code(), Some(1), "{stdout}");
    // A device keeps its message.
    assert_eq!(send(&mut wire, "4"), "CE");
    let (status, check) = readiness(&platform);
    let reason = check["reason"].as_str().unwrap();
    assert_eq!((status, &check["ok"]), (503, &false.into()), "{check}");
    assert!(reason.contains("incidents.md") && reason.contains("audit accept-end"), "{reason}");
    eventually("it is a metric", || platform.metric("pcd_audit_chain_refused") == 1.0);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(signatures(platform.cli()), 0, "the forgery is not signed");
    let (status, _, stderr) = platform.cli().try_run(&["audit", "accept-end"]);
    assert_eq!(status.code(), Some(0), "a chain of seconds needs no signature: {stderr}");
    assert_eq!(send(&mut wire, "4"), "CA", "the operator has decided");
    let accepted = platform.cli().json(&["audit", "list", "--event", "audit-end-accepted"]).remove(0);
    assert!(accepted["details"]["remembered"].is_string() && accepted["details"]["actor"].is_string());
    eventually("the finding is recorded", || {
        platform.cli().json(&["audit", "list", "--event", "audit-diverged"]).len() == 1
    });
    eventually("it is over", || platform.metric("pcd_audit_chain_refused") == 0.0);
    assert_eq!(readiness(&platform).0, 200);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn a_trail_that_is_rewritten_while_no_platform_runs_is_not_continued() {
    let site = Site::new().with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    assert_eq!(send(&mut connect(&site, &platform), "1"), "CA");
    platform.stop();
    let cli = Cli::of(&site);
    rewrite(&site.path().join("platform.db"));
    let (status, stdout, _) = cli.try_run(&["audit", "verify"]);
    assert_eq!(status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("is not in the trail"), "{stdout}");
    let (status, stdout, _) = cli.try_run(&["store", "check"]);
    assert_eq!(status.code(), Some(1), "{stdout}");
    assert!(
        !stdout.contains("as it was written") && stdout.contains("which this node remembers"),
        "{stdout}"
    );
    let (status, stdout, _) = cli.try_run(&["check"]);
    assert!(status.code() == Some(1) && stdout.contains("audit trail: "), "{stdout}");
    let (status, _, stderr) = cli.try_run(&["serve"]);
    assert_eq!(status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("audit accept-end") && stderr.contains("incidents.md"), "{stderr}");
    assert_eq!(signatures(&cli), 0);
}

/// A store that is replaced by a copy from before its second message.
fn restored(site: &Site) -> Cli {
    let platform = site.start();
    platform.admit(NAME, &[]);
    assert_eq!(send(&mut connect(site, &platform), "1"), "CA");
    platform.stop();
    let file = site.path().join("platform.db");
    let copy = fs::read(&file).unwrap();
    let platform = site.start();
    assert_eq!(send(&mut connect(site, &platform), "2"), "CA");
    platform.stop();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(site.path().join(format!("platform.db{end}")));
    }
    fs::write(&file, copy).unwrap();
    Cli::of(site)
}

#[test]
fn a_restored_backup_is_served_once_its_end_is_accepted() {
    let site = Site::new();
    let cli = restored(&site);
    let (status, _, stderr) = cli.try_run(&["serve"]);
    assert_eq!(status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("the store went back"), "{stderr}");
    let accepted = cli.json(&["audit", "accept-end"]).remove(0);
    assert_eq!(accepted["accepted"], true, "{accepted}");
    let number =
        |head: &str| accepted[head].as_str().unwrap().split(':').next().unwrap().parse::<u64>().unwrap();
    let lost = serde_json::json!([number("found") + 1, number("remembered")]);
    assert_eq!(accepted["lost"], lost, "{accepted}");
    assert_eq!(cli.json(&["audit", "accept-end"]).remove(0)["accepted"], false);
    let platform = site.start();
    assert_eq!(send(&mut connect(&site, &platform), "2"), "CA");
    assert_eq!(readiness(&platform), (200, serde_json::json!({"ok": true})));
    platform.stop();
    assert!(cli.try_run(&["audit", "verify"]).0.success());
}

/// A move of the store, and a disk that is not mounted: an empty store would refuse every device.
#[test]
fn a_start_without_the_store_of_the_site_makes_no_empty_one() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    platform.stop();
    let cli = Cli::of(&site);
    let (store, away) = (site.path().join("platform.db"), site.path().join("away.db"));
    fs::rename(&store, &away).unwrap();
    let refused = |reason: &str| {
        let (status, _, stderr) = cli.try_run(&["serve"]);
        assert_eq!(status.code(), Some(78), "{stderr}");
        for text in ["this site has had one", reason, "pcd-platform help store-missing"] {
            assert!(stderr.contains(text), "{text}: {stderr}");
        }
        assert!(!store.exists(), "it was made");
        let (status, stdout, _) = cli.try_run(&["check"]);
        assert!(status.code() == Some(1) && stdout.contains("this site has had one"), "{stdout}");
    };
    refused("this node has written row ");
    fs::rename(&away, &store).unwrap();
    let platform = site.start();
    assert_eq!(send(&mut connect(&site, &platform), "1"), "CA");
    platform.stop();

    // What the node remembers is away as well: then only the configuration knows.
    let site = site.with("store", "when-missing = \"refuse\"");
    let cli = Cli::of(&site);
    fs::rename(&store, &away).unwrap();
    for file in fs::read_dir(site.path().join("data/audit")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let refused_by_configuration = cli.try_run(&["serve"]);
    assert_eq!(refused_by_configuration.0.code(), Some(78));
    assert!(refused_by_configuration.2.contains("store.when-missing"), "{}", refused_by_configuration.2);
    assert!(!store.exists(), "it was made");
    cli.run(&["store", "migrate"]);
    assert_eq!(site.start().stop().status.code(), Some(0));
}

#[test]
fn a_store_that_this_node_has_not_written_is_accepted_on_request_only() {
    let (site, other) = (Site::new(), Site::new().with("store", "node = \"ward-9\""));
    for site in [&site, &other] {
        let platform = site.start();
        platform.admit(NAME, &[]);
        assert_eq!(send(&mut connect(site, &platform), "1"), "CA");
        platform.stop();
    }
    let (right, wrong) = (site.path().join("platform.db"), other.path().join("platform.db"));
    let kept = fs::read(&right).unwrap();
    let put = |content: &[u8]| {
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(site.path().join(format!("platform.db{end}")));
        }
        fs::write(&right, content).unwrap();
    };
    put(&fs::read(wrong).unwrap());
    let cli = Cli::of(&site);
    assert_eq!(cli.try_run(&["serve"]).0.code(), Some(78));
    let (status, stdout, stderr) = cli.try_run(&["audit", "accept-end"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    for text in ["never written to this store", "ward-9 (", "--other-store"] {
        assert!(stderr.contains(text), "{stderr}");
    }
    put(&kept);
    assert_eq!(cli.json(&["audit", "accept-end"]).remove(0)["accepted"], false, "nothing was forgotten");
    // Accepted all the same, and then taken back.
    put(&fs::read(other.path().join("platform.db")).unwrap());
    let accepted = cli.json(&["audit", "accept-end", "--other-store"]).remove(0);
    assert_eq!(accepted["accepted"], true, "{accepted}");
    put(&kept);
    assert_eq!(cli.try_run(&["serve"]).0.code(), Some(78), "it remembers the wrong store");
    let copy = std::path::PathBuf::from(accepted["copy"].as_str().unwrap());
    let copy = if copy.is_absolute() { copy } else { site.path().join(copy) };
    let folder = copy.parent().unwrap().to_owned();
    let name = copy.file_name().unwrap().to_str().unwrap().split(".replaced-").next().unwrap().to_owned();
    fs::rename(&copy, folder.join(format!("{name}.json"))).unwrap();
    assert_eq!(cli.json(&["audit", "accept-end"]).remove(0)["accepted"], false);
    assert_eq!(site.start().stop().status.code(), Some(0));
}

#[test]
fn a_chain_with_a_fault_is_accepted_on_request_only() {
    let site = Site::new().with_changed_triggers();
    let cli = restored(&site);
    block_on(async {
        let url = format!("sqlite://{}", site.path().join("platform.db").display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let change = "DROP TRIGGER IF EXISTS audit_no_update;
            UPDATE audit SET details = details || ' ' WHERE event = 'message-accepted'";
        sqlx::raw_sql(change).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
    let (status, stdout, stderr) = cli.try_run(&["audit", "accept-end"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stderr.contains("--despite-faults"), "{stderr}");
    assert_eq!(cli.try_run(&["serve"]).0.code(), Some(78), "nothing was accepted");
    let accepted = cli.json(&["audit", "accept-end", "--despite-faults"]).remove(0);
    assert_eq!(accepted["accepted"], true, "{accepted}");
    assert_eq!(site.start().stop().status.code(), Some(0));
}

#[test]
fn a_restored_backup_is_served_at_once_and_loudly_where_that_is_configured() {
    let site = Site::new().with("store", "when-behind = \"continue\"");
    restored(&site);
    let platform = site.start();
    assert_eq!(send(&mut connect(&site, &platform), "2"), "CA");
    let (status, check) = readiness(&platform);
    assert_eq!((status, &check["ok"]), (200, &true.into()));
    assert!(check["reason"].as_str().unwrap().contains("store-behind"), "{check}");
    eventually("it is counted", || {
        platform.metric(r#"pcd_audit_chain_findings_total{finding="store-behind"}"#) == 1.0
    });
    eventually("it is recorded", || {
        platform.cli().json(&["audit", "list", "--event", "audit-diverged"]).len() == 1
    });
    let stopped = platform.stop();
    assert!(stopped.log.contains("docs/howto/incidents.md#when-the-store-went-back"), "{}", stopped.log);
}

// What an asynchronous failover does to nodes that stay connected.
#[test]
fn a_server_that_lost_acknowledged_messages_gets_no_more_of_them() {
    let site = Site::on_postgres().with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    for id in ["1", "2", "3"] {
        assert_eq!(send(&mut wire, id), "CA");
    }
    let lose = "DROP TRIGGER audit_only_pruned ON audit;
        DELETE FROM message WHERE control_id = '3';
        DELETE FROM audit WHERE number >= (SELECT max(number) FROM audit WHERE event = 'message-accepted')";
    block_on(async {
        let mut database = sqlx::PgConnection::connect(&site.database().unwrap()).await.unwrap();
        sqlx::raw_sql(lose).execute(&mut database).await.unwrap();
    });
    assert_eq!(send(&mut wire, "4"), "CE");
    let (status, check) = readiness(&platform);
    assert_eq!(status, 503);
    assert!(check["reason"].as_str().unwrap().contains("the store went back"), "{check}");
    let accepted = platform.cli().json(&["audit", "accept-end"]).remove(0);
    assert_eq!(accepted["accepted"], true, "{accepted}");
    assert_eq!(send(&mut wire, "4"), "CA", "without a restart");
    assert_eq!(readiness(&platform).0, 200);
    assert_eq!(platform.stop().status.code(), Some(0));
    assert!(Cli::of(&site).try_run(&["audit", "verify"]).0.success());
}

#[test]
fn a_node_that_lost_its_memory_serves_and_says_so() {
    let site = Site::new();
    site.start().stop();
    fs::remove_dir_all(site.path().join("data/audit")).unwrap();
    let platform = site.start();
    assert_eq!(readiness(&platform).0, 200);
    eventually("it is recorded", || {
        let found = platform.cli().json(&["audit", "list", "--event", "audit-diverged"]);
        found.len() == 1 && found[0]["details"]["finding"] == "end-unknown"
    });
    eventually("it remembers again", || fs::read_dir(site.path().join("data/audit")).is_ok());
}

#[test]
fn a_row_of_an_invented_node_is_a_finding_and_accepted_by_a_signed_decision() {
    let site = Site::new();
    site.start().stop();
    let execute = |sql: &'static str| {
        block_on(async {
            let url = format!("sqlite://{}", site.path().join("platform.db").display());
            let mut database = SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
        });
    };
    execute(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('n2', 1, 7, 'message-accepted', '{}', randomblob(32))",
    );
    let platform = site.start();
    eventually("it is counted, and a finding", || {
        platform.metric(r#"pcd_audit_chain_findings_total{finding="other-chain-broken"}"#) == 1.0
            && platform.metric(r#"pcd_findings{code="other-chain-broken"}"#) == 1.0
    });
    eventually("it is recorded", || {
        let found = platform.cli().json(&["audit", "list", "--event", "audit-diverged"]);
        found.len() == 1 && found[0]["details"]["node"] == "n2"
    });
    let signed = platform.cli().json(&["audit", "list", "--event", "audit-signed"]);
    assert!(signed.iter().all(|row| row["details"]["chains"].is_null()), "{signed:?}");
    let cli = platform.cli();
    assert_eq!(cli.try_run(&["audit", "verify"]).0.code(), Some(1));
    let (status, shown, error) = cli.try_run(&["audit", "accept-end", "--node", "n2"]);
    assert_eq!(status.code(), Some(1), "{shown}{error}");
    assert!(shown.contains("n2: row 1") && error.contains("--despite-faults"), "{shown}{error}");
    assert_eq!(cli.try_run(&["audit", "verify"]).0.code(), Some(1), "nothing was accepted");
    let (status, _, error) = cli.try_run(&["audit", "accept-end", "--node", "nosuch"]);
    assert!(!status.success() && error.contains("no chain of node nosuch"), "{error}");
    cli.run(&["audit", "accept-end", "--node", "n2", "--despite-faults"]);
    let (status, shown, error) = cli.try_run(&["audit", "verify"]);
    assert!(status.success() && shown.contains("accepted n2: row 1"), "{shown}{error}");
    let accepted = cli.json(&["audit", "list", "--event", "audit-fault-accepted"]).remove(0);
    assert!(accepted["details"]["actor"].is_string(), "{accepted}");
    platform.stop();
    // The next process knows that it is accepted.
    let platform = site.start();
    assert_eq!(platform.metric(r#"pcd_audit_chain_findings_total{finding="other-chain-broken"}"#), 0.0);
    platform.stop();
    let found = Cli::of(&site).json(&["audit", "list", "--event", "audit-diverged"]);
    assert_eq!(found.len(), 1, "only that of the first process: {found:?}");
    // Another row is a fault like any other.
    execute(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('n2', 2, 7, 'message-accepted', '{}', randomblob(32))",
    );
    let (status, shown, _) = Cli::of(&site).try_run(&["audit", "verify"]);
    assert!(status.code() == Some(1) && shown.contains("broken  n2: row 2"), "{shown}");
}
