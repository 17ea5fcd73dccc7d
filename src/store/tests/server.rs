//! Tests of the store on PostgreSQL.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::model::StoreRisk;
use crate::store::fixtures::cluster;

fn message_of(opened: Result<Store, StoreError>) -> String {
    crate::model::explained(&opened.unwrap_err())
}

#[tokio::test]
async fn errors_of_an_unusable_server_say_what_to_do() {
    let place = TestStore::on_postgres();
    let server = cluster::shared();
    let open = async |url: &str| Store::open(url, place.clock.clone()).await;
    for url in [
        "postgres://host",
        "postgres://host/",
        "postgres://pcd@host/pcd?sslmode=sometimes",
        "postgres://pcd@host/pcd?pasword=s3cret",
        "postgres://pcd@host:port/pcd",
    ] {
        assert!(matches!(open(url).await, Err(StoreError::Url)), "{url}");
    }
    for (url, expected) in [
        (server.url("postgres", "nowhere"), "database \"nowhere\" does not exist"),
        (server.url("unknown_role", "postgres"), "unknown_role"),
        (
            format!("postgres://postgres:s3cret@127.0.0.1:{}/postgres", server.port()),
            "password authentication failed",
        ),
        ("postgres://pcd:s3cret@127.0.0.1:9/pcd".to_owned(), "refused"),
        (
            format!("postgres://postgres:s3cret@127.0.0.1:{}/postgres?sslmode=require", server.port()),
            "server does not support TLS",
        ),
    ] {
        let opened = open(&url).await;
        assert!(matches!(opened, Err(StoreError::Connect { .. })), "{url}: {opened:?}");
        let shown = format!("{opened:?}");
        let text = format!("{shown} {}", message_of(opened));
        assert!(text.contains(expected) && !text.contains("s3cret"), "{url}: {text}");
    }
    server.sql("postgres", "CREATE DATABASE other ENCODING 'LATIN1' TEMPLATE template0");
    let opened = open(&server.url("postgres", "other")).await;
    assert!(matches!(opened, Err(StoreError::Server(_))), "{opened:?}");
}

#[tokio::test]
async fn a_server_without_durable_commits_is_refused() {
    let own = cluster::Cluster::start();
    let url = own.database();
    own.set("fsync = off");
    own.stop();
    own.restart();
    let opened = Store::open(&url, TestStore::new().clock).await;
    assert!(message_of(opened).contains("fsync-off"));
    let accepting = StoreUrl::new(&url).with_accepted_risks([StoreRisk::FsyncOff].into_iter().collect());
    Store::open(accepting, TestStore::new().clock).await.unwrap();
}

#[tokio::test]
async fn each_connection_that_writes_waits_for_the_disk() {
    let own = cluster::Cluster::start();
    let url = own.database();
    let location = postgres::location::Location::parse(&url.as_str().into(), &Clock::system()).unwrap();
    for (configured, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        own.alter(&format!("SET synchronous_commit = {configured}"));
        let mut connection = location.connect_to_write().await.unwrap();
        own.alter("SET synchronous_commit = off");
        let setting: String =
            sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut connection).await.unwrap();
        assert_eq!(setting, expected, "{configured}");
    }
}

#[tokio::test]
async fn the_password_file_must_be_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = TestStore::on_postgres();
    let server = cluster::shared();
    server.sql("postgres", "CREATE ROLE with_password LOGIN SUPERUSER PASSWORD 's3cret'");
    let database = place.url();
    let database = database.rsplit('/').next().unwrap();
    let url = format!("postgres://with_password@127.0.0.1:{}/{database}", server.port());
    let file = place.path().with_file_name("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let open =
        async || Store::open(StoreUrl::new(&url).with_password_file(file.clone()), place.clock.clone()).await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open().await, Err(StoreError::Password { .. })));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    let store = open().await.unwrap();
    store.check().await.unwrap();
    assert!(!format!("{store:?}").contains("s3cret"));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(open().await, Err(StoreError::Password { .. })));
}

#[tokio::test]
async fn remote_servers_are_authenticated_unless_the_url_says_otherwise() {
    use sqlx::postgres::PgSslMode;
    for (url, mode) in [
        ("postgres://pcd@db.example/pcd", PgSslMode::VerifyFull),
        ("postgres://pcd@192.0.2.1/pcd", PgSslMode::VerifyFull),
        ("postgres://pcd@db.example/pcd?sslmode=require", PgSslMode::Require),
        ("postgres://pcd@localhost/pcd", PgSslMode::Prefer),
        ("postgres://pcd@[::1]/pcd", PgSslMode::Prefer),
        ("postgres://pcd@%2Frun%2Fpostgresql/pcd", PgSslMode::Prefer),
        ("postgres://pcd@localhost/pcd?sslmode=verify-full", PgSslMode::VerifyFull),
    ] {
        let chosen = postgres::location::Location::parse(&url.into(), &Clock::system()).unwrap().ssl_mode();
        assert_eq!(format!("{chosen:?}"), format!("{mode:?}"), "{url}");
    }
}

#[tokio::test]
async fn the_server_certificate_must_match_its_name_and_authority() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (own, other) = (authority("one"), authority("other"));
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &own).unwrap();

    let server = cluster::Cluster::start();
    server.serve_tls(&certificate.pem(), &key.serialize_pem());
    server.sql("postgres", "CREATE ROLE over_tls LOGIN SUPERUSER PASSWORD 's3cret'");
    let place = TestStore::new();
    for (name, authority) in [("own.pem", &own), ("other.pem", &other)] {
        std::fs::write(place.path().with_file_name(name), authority.pem()).unwrap();
    }
    let root = |name: &str| format!("&sslrootcert={}", place.path().with_file_name(name).display());
    let open = async |host: &str, mode: &str, root: &str| {
        let port = server.port();
        let url = format!("postgres://over_tls:s3cret@{host}:{port}/postgres?sslmode={mode}{root}");
        Store::open(&url, place.clock.clone()).await
    };
    let store = open("localhost", "verify-full", &root("own.pem")).await.unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
    let encrypted = server.sql(
        "postgres",
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pcd-platform'",
    );
    assert_eq!(encrypted, "t\n");
    for (host, mode, root) in [
        ("localhost", "verify-full", String::new()),
        ("localhost", "verify-full", root("other.pem")),
        ("localhost", "verify-ca", root("other.pem")),
        ("127.0.0.1", "verify-full", root("own.pem")),
    ] {
        let opened = open(host, mode, &root).await;
        assert!(matches!(opened, Err(StoreError::Connect { .. })), "{host} {mode} {root}: {opened:?}");
    }
    open("127.0.0.1", "verify-ca", &root("own.pem")).await.unwrap();
}

/// What administrators set for their own tools, or for the queries of people.
#[tokio::test]
async fn what_a_database_sets_for_its_sessions_changes_nothing() {
    let place = TestStore::on_postgres();
    let server = cluster::shared();
    let database = place.url().rsplit('/').next().unwrap().to_owned();
    place.open().await.close().await;
    for (number, setting) in [
        "bytea_output = 'escape'",
        "quote_all_identifiers = on",
        "standard_conforming_strings = off",
        "array_nulls = off",
        "transform_null_equals = on",
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "exit_on_error = on",
        "extra_float_digits = 0",
        "datestyle = 'German'",
        "timezone = 'Asia/Kolkata'",
        "client_encoding = 'LATIN1'",
        "plan_cache_mode = 'force_generic_plan'",
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
    ]
    .into_iter()
    .enumerate()
    {
        server.sql("postgres", &format!("ALTER DATABASE {database} SET {setting}"));
        let store = Store::open(&place.url(), place.clock.clone()).await;
        let store = store.unwrap_or_else(|error| panic!("{setting}: {}", crate::model::explained(&error)));
        // Statement by statement, at once, and again.
        for id in [format!("{number} slow"), format!("{number} fast"), format!("{number} fast")] {
            let stored = store.record(place.record(&id, b"\\x00\x01")).await;
            stored.unwrap_or_else(|error| panic!("{setting}: {}", crate::model::explained(&error)));
        }
        store.check().await.unwrap_or_else(|error| panic!("{setting}: {}", crate::model::explained(&error)));
        assert!(store.found_risks().is_empty(), "{setting}: {}", store.found_risks());
        assert_eq!(store.messages(&ANY).await.unwrap().len(), (number * 2 + 2).min(50), "{setting}");
        assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok(), "{setting}");
        store.close().await;
        server.sql("postgres", &format!("ALTER DATABASE {database} RESET ALL"));
    }
}

/// The platform's own statements are right, and the role has every privilege.
#[tokio::test]
async fn code_of_others_that_fails_is_no_missing_privilege() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    for failing in
        ["PERFORM max(NEW.raw)", "PERFORM NEW.nothing::unknown_type", "EXECUTE ''SELECT FROM WHERE''"]
    {
        let create = format!(
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {failing}; RETURN NEW; END';
             CREATE TRIGGER mine BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION mine()"
        );
        place.execute(&create).await.unwrap();
        let refused = store.record(place.record("1", b"1")).await.unwrap_err();
        let text = crate::model::explained(&refused);
        assert!(text.contains("look for triggers, functions"), "{failing}: {text}");
        place.execute("DROP TRIGGER mine ON message; DROP FUNCTION mine").await.unwrap();
        store.record(place.record(failing, b"2")).await.unwrap();
    }
}
