//! What is old is taken out, and that is said and signed.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{Distrust, Fault};

battery! {
    old_messages_are_removed_in_small_batches_and_that_is_accounted_for,
    the_audit_chain_begins_where_it_was_signed_to_begin,
    nobody_else_removes_rows_of_the_audit_trail,
    large_messages_are_kept_compressed_and_read_as_they_came,
}

/// Named by the clock of the test alone: made identifiers never go back behind those of another test.
fn named(record: MessageRecord, n: u64) -> MessageRecord {
    let milliseconds = u128::try_from(record.received_at.as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(n)).to_be_bytes());
    MessageRecord { id, ..record }
}

async fn old_messages_are_removed_in_small_batches_and_that_is_accounted_for(place: Place) {
    let store = place.open().await;
    let old = u64::from(Store::PRUNED_AT_ONCE) + 3;
    for outcome in
        join_all((0..old).map(|n| store.record(named(place.record(&n.to_string(), b"old"), n)))).await
    {
        outcome.unwrap();
    }
    place.clock.advance(Duration::from_secs(60));
    let before = place.clock.now();
    store.record(named(place.rejected("new", b"rejected"), 1)).await.unwrap();
    store.record(named(place.record("new", b"accepted"), 2)).await.unwrap();
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(store.prune_messages(before).await.unwrap());
    }
    assert_eq!(removed, [200, 3, 0]);
    let left = store.messages(&ANY).await.unwrap();
    assert!(left.iter().all(|message| message.control_id == "new") && left.len() == 2, "{left:?}");
    let named = place.outside().await.texts("SELECT identity FROM message_identity").await;
    assert_eq!(named, ["00A037EB2175780F"; 2], "the index follows");
    let filter = AuditFilter { event: Some("messages-pruned".to_owned()), ..TRAIL };
    let rows = store.audit_rows(&filter).await.unwrap();
    assert_eq!(rows.len(), 2, "nothing is said of nothing");
    assert_eq!(rows[0].details, format!(r#"{{"before":"{before}","messages":200}}"#));
    // Rejected ones go as well, when it is their turn.
    assert_eq!(store.prune_messages(before + Duration::from_secs(1)).await.unwrap(), 2);
    // A resend of what is gone is new.
    assert!(matches!(store.record(place.record("0", b"old")).await.unwrap(), Recorded::Stored(_)));
}

/// Five rows a minute, for three minutes; the clock stands at the end.
async fn three_minutes(place: &Place) -> Store {
    let store = place.open().await;
    for _ in 0..3 {
        for _ in 0..5 {
            store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        }
        store.sign_audit(&Repeating).await.unwrap().unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    store
}

async fn verdict(store: &Store) -> Result<u64, (u64, Fault)> {
    let report = store.verify_audit(&Repeating).await.unwrap().remove(0);
    report.verdict.map(|intact| intact.end.number).map_err(|broken| (broken.number, broken.fault))
}

async fn the_audit_chain_begins_where_it_was_signed_to_begin(place: Place) {
    let store = three_minutes(&place).await;
    assert_eq!(verdict(&store).await, Ok(18));
    let first_minute = place.clock.now() - Duration::from_secs(120);
    // Somebody else is still to have what comes behind the fourth.
    assert_eq!(store.prune_audit(first_minute, 4, &Repeating).await.unwrap(), 4);
    assert_eq!(store.prune_audit(first_minute, 4, &Repeating).await.unwrap(), 0);
    assert_eq!(store.prune_audit(first_minute, u64::MAX, &Repeating).await.unwrap(), 2);
    assert_eq!(store.prune_audit(first_minute, u64::MAX, &Repeating).await.unwrap(), 0);
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    assert_eq!((rows[0].number, rows.len()), (7, 14));
    assert_eq!(rows.last().unwrap().event, "audit-pruned");
    assert_eq!(verdict(&store).await, Ok(20));
    // Everything but the last row, which holds the chain.
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(store.prune_audit(place.clock.now(), u64::MAX, &Repeating).await.unwrap(), 13);
    assert_eq!(verdict(&store).await, Ok(21));
    store.sign_audit(&Repeating).await.unwrap().unwrap();
    // And after a restart.
    store.close().await;
    assert_eq!(verdict(&place.open().await).await, Ok(22));
}

async fn nobody_else_removes_rows_of_the_audit_trail(place: Place) {
    let store = three_minutes(&place).await;
    let first_minute = place.clock.now() - Duration::from_secs(120);
    store.prune_audit(first_minute, u64::MAX, &Repeating).await.unwrap();
    for sql in [
        "DELETE FROM audit WHERE number = 7",
        "DELETE FROM audit WHERE number <= 8",
        "DELETE FROM audit_begin",
        "UPDATE audit_begin SET number = 1",
    ] {
        let error = place.execute(sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(verdict(&store).await, Ok(19));
    // Who owns the database can say that it begins later, but cannot sign it.
    place
        .execute("UPDATE audit_begin SET number = 8, hash = (SELECT hash FROM audit WHERE number = 8)")
        .await
        .unwrap();
    place.execute("DELETE FROM audit WHERE number <= 8").await.unwrap();
    assert_eq!(verdict(&store).await, Err((9, Fault::Beginning(Distrust::Forged))));
}

async fn large_messages_are_kept_compressed_and_read_as_they_came(place: Place) {
    let store = place.open().await;
    let raw: &'static [u8] = "OBX|1|NA|||1^2^3^4\r".repeat(10_000).leak().as_bytes();
    let record = place.record("1", raw);
    store.record(record.clone()).await.unwrap();
    let stored = store.message(record.id).await.unwrap().unwrap();
    assert!(stored.raw == record.raw);
    assert_eq!(stored.summary.size, raw.len() as u64);
    assert_eq!(store.messages(&ANY).await.unwrap()[0].size, raw.len() as u64, "as it was received");
    // A resend is known by what was received.
    assert!(matches!(store.record(place.record("1", raw)).await.unwrap(), Recorded::Resend { .. }));
    let kept = store.0.reader.fetch(statement::Statement::new("SELECT raw FROM message")).await.unwrap();
    assert!(kept[0].get::<Vec<u8>>("raw").unwrap().len() < raw.len() / 10);
    place.execute("UPDATE message SET raw_size = raw_size - 1").await.unwrap();
    let damaged = store.message(record.id).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
}
