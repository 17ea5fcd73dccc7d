//! Readiness by what becomes of messages, and what is logged while none can be stored.

use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::harness::cluster::Cluster;
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const NAME: &str = "00A037FFFE000001";

fn readiness(platform: &Platform) -> (u16, String) {
    let (status, body) = platform.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["checks"]["store"]["reason"].as_str().unwrap_or_default().to_owned())
}

/// Sends a message; the code and the reason of the answer.
fn send(wire: &mut Wire, id: &str) -> (String, String) {
    wire.write(&framed(&message(NAME, id)));
    let answer = wire.answer().unwrap();
    (field(&answer, "MSA", 1).to_owned(), field(&answer, "ERR", 3).split('^').next().unwrap().to_owned())
}

fn errors(platform: &Platform) -> usize {
    platform.log().lines().filter(|line| line.contains("ERROR")).count()
}

#[test]
fn a_platform_that_stores_no_message_is_not_ready_and_logs_few_lines() {
    let server = Cluster::start();
    let database = server.database();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let site = Site::of_database(&database).with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    assert_eq!(send(&mut wire, "first").0, "CA");

    // A lock on the table, as of CREATE INDEX or VACUUM FULL, and no message arrives.
    std::thread::scope(|scope| {
        // It is held until the answer has come, however long that takes.
        let lock = "DO $$ BEGIN LOCK TABLE message IN SHARE MODE;
            FOR n IN 1..2400 LOOP
                EXIT WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'lock_is_over');
                PERFORM pg_sleep(0.05);
            END LOOP; END $$";
        let locked = scope.spawn(|| server.sql(&name, lock));
        let granted = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted
            AND relation = 'message'::regclass";
        eventually("the table is locked", || server.sql(&name, granted) == "1\n");
        let (status, reason) = readiness(&platform);
        server.sql("postgres", "CREATE ROLE lock_is_over");
        drop(locked.join().unwrap());
        assert!(status == 503 && reason.contains("lock timeout"), "{status} {reason}");
    });
    eventually("it is ready again", || readiness(&platform).0 == 200);

    // Only a row makes it fail: a probe without one goes through.
    let never = "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER never BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION never()";
    let (before, began) = (errors(&platform), Instant::now());
    server.sql(&name, never);
    let mut refused = 0;
    while began.elapsed() < Duration::from_secs(7) || refused <= 5 {
        let answer = send(&mut wire, &format!("refused {refused}"));
        assert_eq!(answer, ("CE".to_owned(), "207".to_owned()));
        refused += 1;
    }
    let (status, reason) = readiness(&platform);
    let expected =
        reason.contains("no message was stored for") && reason.contains("although messages have arrived");
    assert!(status == 503 && expected && reason.contains("disk"), "{status} {reason}");
    // One when it begins, and one in ten seconds.
    let most = 2 + began.elapsed().as_secs() / 10;
    let lines = u64::try_from(errors(&platform) - before).unwrap();
    assert!(lines <= most, "{lines} errors for {refused} messages: {}", platform.log());

    server.sql(&name, "DROP TRIGGER never ON message");
    assert_eq!(send(&mut wire, "last").0, "CA");
    assert_eq!(readiness(&platform), (200, String::new()));
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
}

/// A balancer gives a check that takes seconds up, and then takes a platform out that serves its devices.
#[test]
fn while_the_store_stands_readiness_is_answered_with_what_was_known_before() {
    let site = Site::new();
    let platform = site.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    eventually("it is ready", || readiness(&platform).0 == 200);
    let lock = runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(site.path().join("platform.db"));
        let mut connection = options.busy_timeout(Duration::from_secs(60)).connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    });
    assert_eq!(readiness(&platform), (200, String::new()), "before the check has ended");
    eventually("the check has failed", || readiness(&platform).0 == 503);
    runtime.block_on(async { lock.close().await.unwrap() });
    eventually("it is ready again", || readiness(&platform).0 == 200);
}
