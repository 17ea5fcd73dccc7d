//! A copy of the store while the platform uses it, and whether a store is whole.

use std::os::unix::fs::PermissionsExt as _;

use pcd_platform::pki::KeyType;
use sqlx::Connection as _;

use crate::harness::{Cli, Site, Wire, framed, message};

const NAME: &str = "00A037FFFE000001";

#[test]
fn a_copy_made_under_load_is_a_store_of_its_own_with_everything_acknowledged_before() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(&site, platform.address, &own);
    let first = framed(&message(NAME, "1"));
    for sent in [first.clone(), framed(&message(NAME, "2")), framed(&message(NAME, "3"))] {
        wire.write(&sent);
        assert_eq!(wire.verdict().0, "CA");
    }
    let copy = Site::new();
    let file = copy.path().join("platform.db");
    let name = file.to_str().unwrap();
    // Others go on meanwhile.
    let address = platform.address;
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut other = Wire::connect(&site, address, &own);
            (0..40).all(|number| {
                other.write(&framed(&message(NAME, &format!("later-{number}"))));
                other.verdict().0 == "CA"
            })
        });
        let copied = platform.cli().json(&["store", "backup", name]).remove(0);
        assert_eq!(copied["bytes"], std::fs::metadata(&file).unwrap().len());
        assert!(sender.join().unwrap());
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (status, _, output) = platform.cli().try_run(&["store", "backup", name]);
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        output.contains("a file that does not exist") && file.exists(),
        "what is there is not written over: {output}"
    );
    assert_eq!(platform.cli().json(&["audit", "list", "--event", "store-copied"]).len(), 2);
    // SQLite would take a copy of that name for a part of the database beside it.
    for end in ["-journal", "-wal", "-shm", ".lock"] {
        let part = format!("{name}{end}");
        let (status, _, output) = platform.cli().try_run(&["store", "backup", &part]);
        assert_eq!(status.code(), Some(1), "{output}");
        assert!(output.contains("a name of its own") && !std::path::Path::new(&part).exists(), "{output}");
    }

    let cli = Cli::of(&copy);
    let checked = cli.json(&["store", "check"]).remove(0);
    assert_eq!((&checked["whole"], &checked["devices"]), (&true.into(), &1.into()), "{checked}");
    let ids = cli.run(&["message", "list"]);
    assert!(["1", "2", "3"].iter().all(|id| ids.contains(id)), "{ids}");
    // And a platform runs on it.
    let platform = copy.start();
    let mut wire = Wire::connect(&copy, platform.address, &own);
    let stored = platform.cli().json(&["message", "list"]).len();
    wire.write(&first);
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));
    assert_eq!(platform.cli().json(&["message", "list"]).len(), stored, "a resend is known");
    assert_eq!(platform.stop().status.code(), Some(0));
}

#[test]
fn a_store_that_is_damaged_or_tampered_with_is_named() {
    let site = Site::new().with_changed_triggers();
    site.start().stop();
    let cli = Cli::of(&site);
    assert_eq!(cli.try_run(&["store", "check"]).0.code(), Some(0));
    let database = site.path().join("platform.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut outside =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
        let tamper = "DROP TRIGGER audit_no_update; UPDATE audit SET at = at + 1 WHERE number = 1";
        sqlx::raw_sql(tamper).execute(&mut outside).await.unwrap();
        outside.close().await.unwrap();
    });
    let (status, output, _) = cli.try_run(&["store", "check"]);
    assert_eq!(status.code(), Some(1));
    assert!(output.contains("broken  audit trail: row 1 "), "{output}");
    // A file that is none of SQLite's.
    std::fs::write(&database, b"not a database, and long enough to be looked at").unwrap();
    let (status, _, output) = cli.try_run(&["store", "check"]);
    assert_eq!(status.code(), Some(69), "{output}");
    assert!(output.contains("file is not a database"), "{output}");
}

#[test]
fn a_message_that_was_changed_in_the_database_is_never_shown_without_a_warning() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2"] {
        wire.write(&framed(&message(NAME, id)));
        assert_eq!(wire.verdict().0, "CA");
    }
    let rows = platform.cli().json(&["message", "list"]);
    let id_of = |control_id: &str| {
        rows.iter().find(|row| row["control-id"] == control_id).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (changed, removed) = (id_of("1"), id_of("2"));
    platform.stop();
    let cli = Cli::of(&site);
    assert_eq!(cli.try_run(&["store", "check"]).0.code(), Some(0));
    site.damage("1");
    let database = site.path().join("platform.db");

    let words: [&[&str]; 4] = [
        &["message", "show", &changed],
        &["message", "show", &changed, "--raw"],
        &["message", "show", &changed, "--tree"],
        &["message", "export"],
    ];
    for words in words {
        let (status, output, error) = cli.try_run_raw(words);
        assert_eq!(status.code(), Some(1), "{words:?}: {error}");
        assert!(error.contains(&changed) && error.contains("SHA-256"), "{words:?}: {error}");
        // The bytes may be no message any more, which has a tree.
        assert!(!output.is_empty() || words.contains(&"--tree"), "{words:?}: what is there is shown");
    }
    let (_, output, _) = cli.try_run(&["--json", "message", "export"]);
    let intact = output.lines().filter(|line| line.contains("\"intact\":true")).count();
    assert_eq!((output.lines().count(), intact), (2, 1), "{output}");
    let (status, output, _) = cli.try_run(&["store", "check"]);
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains(&format!("altered messages: the bytes of 1 message ({changed})")), "{output}");
    let copy = site.path().join("copy.db");
    let (status, _, error) = cli.try_run(&["store", "backup", copy.to_str().unwrap()]);
    assert!(status.code() == Some(1) && error.contains(&changed) && copy.exists(), "{error}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", database.display());
        let mut outside = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let remove = "DELETE FROM message WHERE control_id = '2'";
        sqlx::raw_sql(remove).execute(&mut outside).await.unwrap();
        outside.close().await.unwrap();
    });
    let (_, output, _) = cli.try_run(&["store", "check"]);
    assert!(output.contains(&format!("missing messages: 1 message ({removed})")), "{output}");
}
