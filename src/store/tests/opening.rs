//! Tests of opening a store, alone and concurrently.

use super::*;

battery! {
    many_processes_may_open_a_new_store_at_once,
    a_store_is_missing_until_it_is_made,
    a_store_of_a_later_version_is_not_modified,
    a_migration_that_is_not_recorded_is_not_applied_again,
    a_store_locked_by_another_process_fails_in_bounded_time_and_recovers,
}

async fn many_processes_may_open_a_new_store_at_once(place: TestStore) {
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let (url, clock) = (place.url(), place.clock.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let store = Store::open(&url, clock).await?;
                    store.check().await?;
                    store.close().await;
                    Ok::<_, StoreError>(())
                })
            })
        })
        .collect();
    for thread in opened {
        thread.join().unwrap().unwrap();
    }
}

async fn a_store_is_missing_until_it_is_made(place: TestStore) {
    let url = StoreUrl::from(&place.url());
    for _ in 0..2 {
        assert!(Store::is_missing(&url, &place.clock).await.unwrap(), "the question makes none");
    }
    place.open().await.close().await;
    assert!(!Store::is_missing(&url, &place.clock).await.unwrap());
}

async fn a_store_of_a_later_version_is_not_modified(place: TestStore) {
    place.open().await.close().await;
    let checksum = if place.is_postgres() { "'\\x00'" } else { "x'00'" };
    let later = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, {checksum}, 0)"
    );
    place.execute(&later).await.unwrap();
    let opened = Store::open(&place.url(), place.clock.clone()).await;
    assert!(matches!(opened, Err(StoreError::Newer { found: 9999, .. })), "{opened:?}");
}

async fn a_migration_that_is_not_recorded_is_not_applied_again(place: TestStore) {
    let store = place.open().await;
    store.record(place.record("1", b"message")).await.unwrap();
    store.close().await;
    place.execute("CREATE TABLE recorded AS SELECT * FROM _sqlx_migrations").await.unwrap();
    let tables = "SELECT name FROM sqlite_master ORDER BY name";
    let catalog = "SELECT relname::text FROM pg_class ORDER BY relname";
    let sql = if place.is_postgres() { catalog } else { tables };
    let made = place.connect_directly().await.texts(sql).await;
    for removed in ["version = 20", "version >= 60", "version > 199", "TRUE"] {
        place.execute(&format!("DELETE FROM _sqlx_migrations WHERE {removed}")).await.unwrap();
        let url = place.url();
        let node = "here".parse().unwrap();
        for refused in [
            Store::open(&url, place.clock.clone()).await.map(drop),
            Store::serve(node, &url, MigrationPolicy::Always, place.clock.clone()).await.map(drop),
            Store::migrate(&"here".parse().unwrap(), &url).await.map(drop),
            Store::plan_migration(&url).await.map(drop),
        ] {
            assert!(matches!(refused, Err(StoreError::Unrecorded { .. })), "{removed}: {refused:?}");
        }
        assert_eq!(place.connect_directly().await.texts(sql).await, made, "nothing was executed");
        let back = "INSERT INTO _sqlx_migrations SELECT * FROM recorded
                    WHERE version NOT IN (SELECT version FROM _sqlx_migrations)";
        place.execute(back).await.unwrap();
    }
    assert_eq!(place.open().await.messages(&ANY).await.unwrap().len(), 1);
}

async fn a_store_locked_by_another_process_fails_in_bounded_time_and_recovers(place: TestStore) {
    let store = place.open().await;
    let mut direct = place.connect_directly().await;
    let hold = if place.is_postgres() {
        "BEGIN; LOCK TABLE probe, message IN EXCLUSIVE MODE"
    } else {
        "BEGIN IMMEDIATE"
    };
    direct.execute(hold).await.unwrap();
    let (checked, recorded) = tokio::join!(store.check(), store.record(place.record("1", b"message")));
    let passes = |error: &StoreError| {
        matches!(error, StoreError::Unavailable(_) | StoreError::Unreachable(_) | StoreError::Timeout(_))
    };
    assert!(checked.as_ref().is_err_and(passes), "{checked:?}");
    assert!(recorded.as_ref().is_err_and(passes), "{recorded:?}");
    // Reads continue meanwhile.
    assert!(store.messages(&ANY).await.unwrap().is_empty());
    direct.execute("ROLLBACK").await.unwrap();
    store.check().await.unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
}
