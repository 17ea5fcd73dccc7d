//! What only a store on a server does.

use super::*;
use crate::store::fixtures::cluster;

fn message_of(opened: Result<Store, StoreError>) -> String {
    crate::model::explained(&opened.unwrap_err())
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_told_by_what_to_do() {
    let place = Place::on_postgres();
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
    for (url, said) in [
        (server.url("postgres", "nowhere"), "database \"nowhere\" does not exist"),
        (server.url("nobody_at_all", "postgres"), "nobody_at_all"),
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
        assert!(text.contains(said) && !text.contains("s3cret"), "{url}: {text}");
    }
    server.sql("postgres", "CREATE DATABASE other ENCODING 'LATIN1' TEMPLATE template0");
    let opened = open(&server.url("postgres", "other")).await;
    assert!(matches!(opened, Err(StoreError::Server(_))), "{opened:?}");
}

#[tokio::test]
async fn a_server_whose_promises_are_worth_nothing_is_refused() {
    let own = cluster::Cluster::start();
    let url = own.database();
    own.set("fsync = off");
    own.stop();
    own.restart();
    let opened = Store::open(&url, Place::new().clock).await;
    assert!(message_of(opened).contains("fsync"));
    own.set("fsync = on");
    own.set("synchronous_commit = off");
    own.stop();
    own.restart();
    let location = postgres::Location::parse(&url.as_str().into()).unwrap();
    let mut connection = location.connect_to_write().await.unwrap();
    let setting: String =
        sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut connection).await.unwrap();
    assert_eq!(setting, "on");
}

#[tokio::test]
async fn the_password_may_be_in_a_file_that_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::on_postgres();
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
