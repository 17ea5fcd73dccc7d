//! Tests of a store that does not contain the end of the chain that its node remembers.

use super::*;
use crate::audit::ChainFinding;
use crate::audit::fixtures::Repeating;

battery! {
    a_store_without_the_remembered_row_is_not_opened,
    a_chain_that_loses_rows_while_it_is_served_is_neither_continued_nor_signed,
    an_accepted_end_is_continued_without_a_restart,
    a_store_that_went_back_is_continued_where_that_is_configured,
    rows_of_commands_follow_the_remembered_row,
    retention_keeps_the_remembered_row,
    a_lost_file_is_a_finding_and_no_obstacle,
    a_shorter_chain_with_another_signed_row_was_rewritten,
    rows_that_do_not_continue_the_chain_are_neither_continued_nor_signed,
    rows_that_only_the_platform_writes_are_noticed_by_it,
    a_platform_does_not_start_behind_rows_that_do_not_continue_its_chain,
    foreign_rows_that_an_operator_accepts_are_continued,
    what_a_failed_commit_has_written_is_no_foreign_row,
}

async fn serve(place: &TestStore, folder: &tempfile::TempDir, when: WhenBehind) -> Result<Store, StoreError> {
    let chain = OwnChain::remembered("ward-7".parse().unwrap(), folder.path(), when);
    Store::serve_chain(chain, place.tampered_url(), MigrationPolicy::Always, place.clock.clone()).await
}

async fn refusing(place: &TestStore, folder: &tempfile::TempDir) -> Store {
    serve(place, folder, WhenBehind::Refuse).await.unwrap()
}

fn file(folder: &tempfile::TempDir) -> EndFile {
    EndFile::new(folder.path(), &"ward-7".parse().unwrap())
}

/// Closes the store and gives its lock back.
async fn finish(store: Store) {
    store.close().await;
}

async fn grow(store: &Store, rows: usize) {
    for _ in 0..rows {
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    }
}

/// What a failover to a standby that lagged behind does, or a restored backup: the last rows are gone, with
/// all that the database knows of them.
async fn lose_rows_after(place: &TestStore, number: u64) {
    let free = if place.is_postgres() {
        "DROP TRIGGER IF EXISTS audit_only_pruned ON audit"
    } else {
        "DROP TRIGGER IF EXISTS audit_no_delete"
    };
    place.execute(free).await.unwrap();
    place.execute(&format!("DELETE FROM audit WHERE number > {number}")).await.unwrap();
    place.execute("DELETE FROM audit_end WHERE number > 5").await.unwrap();
}

fn behind<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> (u64, u64) {
    match outcome {
        Err(StoreError::Diverged(divergence)) => {
            assert_eq!(divergence.finding(), ChainFinding::StoreBehind);
            (divergence.remembered.number, divergence.found.number)
        }
        other => panic!("{other:?}"),
    }
}

async fn a_store_without_the_remembered_row_is_not_opened(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 8).await;
    store.own_chain().store_end().unwrap();
    finish(store).await;
    finish(refusing(&place, &folder).await).await;
    lose_rows_after(&place, 5).await;
    for _ in 0..2 {
        assert_eq!(behind(serve(&place, &folder, WhenBehind::Refuse).await), (8, 5));
    }
    // Another row in its place.
    let command = place.open_as("ward-7").await;
    grow(&command, 3).await;
    place.clock.advance(Duration::from_secs(1));
    let outcome = serve(&place, &folder, WhenBehind::Refuse).await;
    // The times of the rows are the same here, so that the rows are the same.
    finish(outcome.unwrap()).await;
    lose_rows_after(&place, 5).await;
    let command = place.open_as("ward-7").await;
    grow(&command, 4).await;
    let outcome = serve(&place, &folder, WhenBehind::Refuse).await;
    let Err(StoreError::Diverged(divergence)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(divergence.finding(), ChainFinding::ChainRewritten);
    let text = crate::model::explained(&StoreError::Diverged(divergence));
    assert!(text.contains("was rewritten") && text.contains("audit accept-end"), "{text}");
}

async fn a_chain_that_loses_rows_while_it_is_served_is_neither_continued_nor_signed(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 8).await;
    // Nothing is in the file yet: the process knows the end by itself.
    lose_rows_after(&place, 5).await;
    assert_eq!(behind(store.sign_audit(&Repeating, &Repeating).await), (8, 5));
    assert_eq!(behind(store.record(place.record("1", b"message")).await), (8, 5));
    assert_eq!(behind(store.check().await), (8, 5));
    assert!(store.own_chain().refused().is_some());
    assert_eq!(store.messages(&ANY).await.unwrap(), []);
    let remembered = file(&folder).read().unwrap().unwrap();
    assert_eq!(remembered.end.number, 8, "the operator's command finds there what the process knows");
    let notes = store.own_chain().take_notes();
    assert_eq!(notes.len(), 1, "one finding, however often it is met: {notes:?}");
    // The store that has the rows is back: no decision is necessary.
    let command = place.open_as("ward-7").await;
    grow(&command, 3).await;
    store.record(place.record("1", b"message")).await.unwrap();
    assert!(store.own_chain().refused().is_none());
}

async fn an_accepted_end_is_continued_without_a_restart(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 8).await;
    store.own_chain().store_end().unwrap();
    lose_rows_after(&place, 5).await;
    assert_eq!(behind(store.check().await), (8, 5));
    let end = store.own_audit_end().await.unwrap();
    file(&folder).write(&RememberedEnd { end, signed: None }).unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
    assert!(store.own_chain().refused().is_none());
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    store.own_chain().store_end().unwrap();
    let signed = file(&folder).read().unwrap().unwrap();
    assert_eq!((signed.end.number, signed.signed.unwrap().number), (7, 6));
    finish(store).await;
    refusing(&place, &folder).await.check().await.unwrap();
}

async fn a_store_that_went_back_is_continued_where_that_is_configured(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = serve(&place, &folder, WhenBehind::Continue).await.unwrap();
    grow(&store, 8).await;
    lose_rows_after(&place, 5).await;
    store.record(place.record("1", b"message")).await.unwrap();
    let note = store.own_chain().take_notes().remove(0);
    assert_eq!(
        (note.finding, note.remembered.unwrap().number, note.found.number),
        (ChainFinding::StoreBehind, 8, 5)
    );
    assert!(store.own_chain().warning().unwrap().contains("store-behind"));
    assert!(store.own_chain().refused().is_none());
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

async fn rows_of_commands_follow_the_remembered_row(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 2).await;
    let command = place.open_as("ward-7").await;
    for _ in 0..3 {
        grow(&command, 2).await;
        grow(&store, 1).await;
    }
    store.own_chain().store_end().unwrap();
    finish(store).await;
    grow(&command, 2).await;
    let store = refusing(&place, &folder).await;
    grow(&store, 1).await;
    assert_eq!(store.own_audit_end().await.unwrap().number, 14);
    assert_eq!(store.own_chain().take_notes(), []);
}

async fn retention_keeps_the_remembered_row(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 5).await;
    store.own_chain().store_end().unwrap();
    grow(&store, 5).await;
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(store.prune_audit(place.clock.now(), u64::MAX, &Repeating).await.unwrap(), 4);
    finish(store).await;
    refusing(&place, &folder).await.check().await.unwrap();
}

async fn a_lost_file_is_a_finding_and_no_obstacle(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    assert_eq!(store.own_chain().take_notes(), [], "the first start finds nothing");
    grow(&store, 3).await;
    store.own_chain().store_end().unwrap();
    finish(store).await;
    std::fs::remove_file(file(&folder).path()).unwrap();
    let store = refusing(&place, &folder).await;
    assert_eq!(store.own_chain().take_notes(), [], "commands have written before the first start");
    store.sign_audit(&Repeating, &Repeating).await.unwrap();
    store.own_chain().store_end().unwrap();
    finish(store).await;
    for content in [None, Some("damaged")] {
        std::fs::remove_file(file(&folder).path()).unwrap();
        if let Some(content) = content {
            std::fs::write(file(&folder).path(), content).unwrap();
        }
        let store = refusing(&place, &folder).await;
        let note = store.own_chain().take_notes().remove(0);
        assert_eq!((note.finding, note.remembered), (ChainFinding::EndUnknown, None));
        grow(&store, 1).await;
        store.own_chain().store_end().unwrap();
        assert!(file(&folder).read().unwrap().is_some());
        finish(store).await;
    }
}

/// The chain is shorter than the remembered one, and its signed row is another one: it did not go back.
async fn a_shorter_chain_with_another_signed_row_was_rewritten(place: TestStore) {
    let store = place.open().await;
    let stopped = || Event::PlatformStopped { reason: StopReason::Requested };
    for _ in 0..4 {
        store.audit(stopped()).await.unwrap();
    }
    let other = ChainHead { number: 2, hash: [7; 32].into() };
    let own = store.own_audit_rows(1, 1).await.unwrap().remove(0);
    let own = ChainHead { number: own.number, hash: own.hash };
    for (signed, finding) in [(own, ChainFinding::StoreBehind), (other, ChainFinding::ChainRewritten)] {
        let end = ChainHead { number: 9, hash: [9; 32].into() };
        let remembered = RememberedEnd { end, signed: Some(signed) };
        let chain = OwnChain::containing(store.node().clone(), Some(remembered));
        let command = Store::open_to_read(chain, &*place.url(), place.clock.clone()).await.unwrap();
        match command.audit(stopped()).await {
            Err(StoreError::Diverged(divergence)) => assert_eq!(divergence.finding(), finding),
            other => panic!("{other:?}"),
        }
        assert_eq!(event_names(&store).await.len(), 4, "no row was written");
    }
}

/// Inserts a row behind the last one of the chain, as who writes to the database can. `hash` replaces the
/// right one, and `gap` rows are left out.
async fn insert(place: &TestStore, store: &Store, event: &str, at: i64, gap: u64, hash: Option<&str>) {
    let end = store.own_audit_end().await.unwrap();
    let time = Timestamp::from_microsecond(at).unwrap_or_default();
    let link = end.next(store.node(), time, event, "{}");
    let (number, hash) = (link.number + gap, hash.map_or_else(|| link.hash.to_string(), str::to_owned));
    let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
    let sql = format!(
        "INSERT INTO audit (node, number, at, event, details, hash)
         VALUES ('ward-7', {number}, {at}, '{event}', '{{}}', {hash})"
    );
    place.execute(&sql).await.unwrap();
}

fn rewritten<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> u64 {
    match outcome {
        Err(StoreError::Diverged(divergence)) => {
            assert_eq!(divergence.finding(), ChainFinding::ChainRewritten);
            assert!(divergence.to_string().contains("neither by this node nor by a command"), "{divergence}");
            divergence.foreign.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

async fn rows_that_do_not_continue_the_chain_are_neither_continued_nor_signed(place: TestStore) {
    let garbage = "7f".repeat(32);
    for (at, gap, hash) in [(0, 0, Some(garbage.as_str())), (0, 5, None), (i64::MAX, 0, None)] {
        let (place, folder) = (place.another(), tempfile::tempdir().unwrap());
        let store = refusing(&place, &folder).await;
        grow(&store, 3).await;
        // Rows of a command are followed.
        grow(&place.open_as("ward-7").await, 2).await;
        insert(&place, &store, "device-changed", at, gap, hash).await;
        assert_eq!(rewritten(store.record(place.record("1", b"message")).await), 6, "{at} {gap}");
        assert_eq!(rewritten(store.sign_audit(&Repeating, &Repeating).await), 6);
        assert_eq!(rewritten(store.check().await), 6);
        assert_eq!(store.messages(&ANY).await.unwrap(), []);
        // Nor does a command write behind it.
        store.own_chain().store_end().unwrap();
        let chain = OwnChain::containing("ward-7".parse().unwrap(), file(&folder).read().unwrap());
        let command = Store::open_to_read(chain, &place.tampered_url(), place.clock.clone()).await.unwrap();
        let written = command.audit(Event::PlatformStopped { reason: StopReason::Requested }).await;
        assert_eq!(rewritten(written), 6);
        lose_rows_after(&place, 5).await;
        store.record(place.record("1", b"message")).await.unwrap();
        assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
    }
}

async fn rows_that_only_the_platform_writes_are_noticed_by_it(place: TestStore) {
    for event in ["message-accepted", "message-resent", "messages-pruned", "audit-pruned", "platform-started"]
    {
        let (place, folder) = (place.another(), tempfile::tempdir().unwrap());
        let store = refusing(&place, &folder).await;
        store.record(place.record("1", b"message")).await.unwrap();
        insert(&place, &store, "device-changed", 7, 0, None).await;
        store.record(place.record("2", b"message")).await.unwrap();
        insert(&place, &store, event, 7, 0, None).await;
        assert_eq!(rewritten(store.record(place.record("3", b"message")).await), 4, "{event}");
        store.sign_audit(&Repeating, &Repeating).await.unwrap_err();
        // One that it has not written since its start may be that of the process before it.
        store.own_chain().store_end().unwrap();
        finish(store).await;
        refusing(&place, &folder).await.record(place.record("3", b"message")).await.unwrap();
    }
}

async fn a_platform_does_not_start_behind_rows_that_do_not_continue_its_chain(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 3).await;
    store.own_chain().store_end().unwrap();
    insert(&place, &store, "device-changed", 0, 0, Some(&"7f".repeat(32))).await;
    finish(store).await;
    assert_eq!(rewritten(serve(&place, &folder, WhenBehind::Refuse).await), 4);
}

async fn foreign_rows_that_an_operator_accepts_are_continued(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    grow(&store, 3).await;
    insert(&place, &store, "message-accepted", 0, 0, None).await;
    assert_eq!(rewritten(store.record(place.record("1", b"message")).await), 4);
    let end = store.own_audit_end().await.unwrap();
    file(&folder).write(&RememberedEnd { end, signed: None }).unwrap();
    store.record(place.record("1", b"message")).await.unwrap();
    assert!(store.own_chain().refused().is_none());
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
}

/// The platform learns nothing of a commit that the database completes all the same.
async fn what_a_failed_commit_has_written_is_no_foreign_row(place: TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = refusing(&place, &folder).await;
    store.record(place.record("1", b"message")).await.unwrap();
    let chain = store.own_chain();
    // As the next batch would: a message whose row is committed, and the process does not know.
    let end = store.own_audit_end().await.unwrap();
    let link = end.next(store.node(), Timestamp::UNIX_EPOCH, "message-accepted", "{}");
    chain.attempt([link.hash].into_iter());
    insert(&place, &store, "message-accepted", 0, 0, None).await;
    store.record(place.record("2", b"message")).await.unwrap();
    assert!(chain.refused().is_none());
}
