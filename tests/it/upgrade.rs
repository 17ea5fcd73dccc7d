//! From the version with schema 60 to this one: what it acknowledged is there afterwards, and nothing that
//! this version writes is lost to it unsaid. With the older program itself: `tests/deploy/package`.

use std::collections::BTreeSet;
use std::path::Path;

use pcd_platform::pki::KeyType;
use sqlx::Connection as _;

use crate::harness::{Cli, Site, Wire, command_at, finish, framed, message};

const NAME: &str = "00A037FFFE000001";
const COUNT: usize = 100_000;

/// A store of schema 60 in the site, written without code of ours.
fn older_store(site: &Site, count: usize) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = project.join("target/peers/python/bin/python");
    assert!(python.is_file(), "the Python peer is not installed: tests/run does it");
    std::fs::create_dir(site.path().join("data")).unwrap();
    let mut writer = command_at(&python);
    writer.arg(project.join("tests/peers/older_store.py")).arg(site.path().join("data/platform.db"));
    writer.arg(project.join("migrations/sqlite")).args(["ward-7", NAME, &count.to_string()]);
    let written = finish(writer, b"", None);
    assert!(written.success, "{}", written.text());
}

fn site() -> Site {
    let site = Site::new()
        .with("store", "url = \"sqlite:data/platform.db\"")
        .with("store", "node = \"ward-7\"")
        .with("revocation", "directory = \"data/revocation\"");
    site.write_configuration();
    site
}

/// The control ids of the accepted messages, from outside: an export takes a minute in this profile.
fn control_ids(site: &Site) -> Vec<String> {
    let url = format!("sqlite:{}", site.path().join("data/platform.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let sql = "SELECT control_id FROM message WHERE rejection IS NULL";
        let found = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found
    })
}

#[test]
fn every_message_that_schema_60_acknowledged_is_there_after_the_upgrade() {
    let site = site();
    older_store(&site, COUNT);
    let cli = Cli::without_store(&site);
    let planned = &cli.json(&["store", "migrate", "--dry-run"])[0];
    assert_eq!(planned["from"], 60, "{planned}");
    assert!(planned["rows"].as_u64().unwrap() >= 2 * COUNT as u64, "{planned}");
    let copy = site.path().join("before.db");
    cli.run(&["store", "backup", copy.to_str().unwrap()]);

    let platform = site.start();
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    wire.write(&framed(&message(NAME, "after")));
    assert_eq!(wire.verdict().0, "CA");
    drop(wire);
    assert!(platform.stop().status.success(), "graceful shutdown");

    let mut expected: BTreeSet<_> = (1..=COUNT).map(|number| format!("U{number}")).collect();
    expected.insert("after".to_owned());
    let stored = control_ids(&site);
    assert_eq!(stored.len(), expected.len(), "each once, and the one of the new version");
    let stored: BTreeSet<_> = stored.into_iter().collect();
    let lost: Vec<_> = expected.difference(&stored).take(3).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    cli.run(&["audit", "verify"]);

    // The way back is the copy: it has what was acknowledged until then.
    let data = site.path().join("data");
    for file in ["platform.db", "platform.db-wal", "platform.db-shm"] {
        let _ = std::fs::rename(data.join(file), site.path().join(file));
    }
    std::fs::copy(&copy, data.join("platform.db")).unwrap();
    assert_eq!(cli.json(&["store", "migrate", "--dry-run"])[0]["from"], 60);
    let (status, _, stderr) = cli.try_run(&["message", "list"]);
    assert_eq!(status.code(), Some(78), "{stderr}");
}
