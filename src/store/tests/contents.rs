//! Tests of the comparison of the stored messages with their digests and with the audit trail.

use super::*;
use crate::audit::RemovedMessages;
use crate::audit::fixtures::Repeating;

battery! {
    a_message_whose_bytes_were_changed_is_named,
    a_message_that_was_removed_from_the_table_is_named,
    what_retention_removes_is_explained_and_nothing_else_is,
    a_message_that_the_platform_did_not_store_is_counted,
    passes_of_an_earlier_version_explain_what_is_older,
    many_messages_are_compared_page_by_page,
    a_message_that_the_index_of_identities_lacks_is_named,
}

/// Stores a message with this control id, and returns its identifier.
async fn store_one(place: &TestStore, store: &Store, control_id: &str, raw: Bytes) -> MessageId {
    let record = MessageRecord { raw, ..place.record(control_id, b"") };
    let id = record.id;
    store.record(record).await.unwrap();
    id
}

/// Stores messages with the control ids 0 to `count`, each a second later.
async fn fill(place: &TestStore, store: &Store, count: usize) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        place.clock.advance(Duration::from_secs(1));
        let now = place.clock.now();
        let milliseconds = u128::try_from(now.as_millisecond()).unwrap();
        let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
        let record = MessageRecord { id, ..place.record(&number.to_string(), b"MSH|Doe^John") };
        store.record(record).await.unwrap();
        ids.push(id);
    }
    ids
}

async fn a_message_whose_bytes_were_changed_is_named(place: TestStore) {
    let store = place.open().await;
    store_one(&place, &store, "1", Bytes::from_static(b"MSH|Doe^John")).await;
    let small = store_one(&place, &store, "2", Bytes::from_static(b"MSH|Doe^John")).await;
    let large = store_one(&place, &store, "3", "OBX|1|NA|||1^2^3\r".repeat(5_000).into()).await;
    store_one(&place, &store, "4", "OBX|1|NA|||1^2^4\r".repeat(5_000).into()).await;
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // One bit of the name, and one of the compressed bytes.
    let change = if place.is_postgres() {
        "UPDATE message SET raw = set_bit(raw, 35, 1 - get_bit(raw, 35)) WHERE control_id IN ('2', '3')"
    } else {
        "UPDATE message SET raw = CAST(replace(CAST(raw AS TEXT), 'Doe', 'Foe') AS BLOB) WHERE control_id = '2';
         UPDATE message SET raw = CAST(substr(raw, 1, length(raw) - 3) || x'00' || substr(raw, -2) AS BLOB)
         WHERE control_id = '3'"
    };
    place.execute(change).await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.compared, contents.altered.count), (4, 2));
    assert_eq!(contents.altered.first, [small, large]);
    assert!(!contents.are_whole() && contents.missing.count == 0 && contents.unrecorded == 0);
    assert!(!store.message(small).await.unwrap().unwrap().is_intact);
}

/// With a column of another type; the same for bytes that the server has lost.
#[tokio::test]
async fn messages_that_the_server_cannot_read_are_named_and_compared_with_the_trail() {
    let place = TestStore::on_postgres();
    let store = place.open().await;
    let ids = fill(&place, &store, 3).await;
    place.execute("DELETE FROM message WHERE control_id = '0'").await.unwrap();
    place.execute("ALTER TABLE message ALTER raw TYPE text USING ''").await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.compared, contents.unreadable.count), (2, 2), "{contents:?}");
    assert_eq!((contents.unreadable.first, contents.missing.first), (ids[1..].to_vec(), vec![ids[0]]));
    assert_eq!((contents.altered.count, contents.unrecorded), (0, 0));
}

async fn a_message_that_the_index_of_identities_lacks_is_named(place: TestStore) {
    let store = place.open().await;
    let ids = fill(&place, &store, 3).await;
    let long = "\u{fc}".repeat(80) + "^name";
    let mut record = place.record("named", b"MSH|");
    record.identities =
        vec![long, "A\0B".to_owned(), "C\\u0000^x".to_owned(), String::new(), "C\\u0000".to_owned()];
    store.record(record).await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(contents.are_whole(), "{contents:?}");
    let id: String = ids[1].as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let id = if place.is_postgres() { format!("'\\x{id}'") } else { format!("x'{id}'") };
    place.execute(&format!("DELETE FROM message_identity WHERE message = {id}")).await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.unindexed.count, &contents.unindexed.first), (1, &vec![ids[1]]));
    assert!(!contents.are_whole());
}

async fn a_message_that_was_removed_from_the_table_is_named(place: TestStore) {
    let store = place.open().await;
    let ids = fill(&place, &store, 4).await;
    place.execute("DELETE FROM message WHERE control_id IN ('1', '3')").await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.missing.count, &contents.missing.first), (2, &vec![ids[1], ids[3]]));
    assert!(!contents.are_whole());
    place.execute("DELETE FROM message").await.unwrap();
    assert_eq!(store.check_contents(&Repeating).await.unwrap().missing.count, 4, "also when nothing is left");
}

async fn what_retention_removes_is_explained_and_nothing_else_is(place: TestStore) {
    let store = place.open().await;
    let ids = fill(&place, &store, 6).await;
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(store.prune_messages(ids[2].time(), &Repeating).await.unwrap(), 2);
    let row = store.audit_rows(&AuditFilter { event: Some("messages-pruned".to_owned()), ..TRAIL }).await;
    let details = row.unwrap().remove(0).details;
    let removed = RemovedMessages::parse(&serde_json::from_str(&details).unwrap()).unwrap();
    assert_eq!((removed.count, removed.range), (2, Some((ids[0], ids[1]))));
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // Removed before retention comes to it.
    place.execute("DELETE FROM message WHERE control_id = '3'").await.unwrap();
    assert_eq!(store.prune_messages(ids[5].time(), &Repeating).await.unwrap(), 2);
    let contents = store.check_contents(&Repeating).await.unwrap();
    let found = &contents.unexplained[0];
    assert_eq!((found.first, found.last), (ids[2], ids[4]));
    assert_eq!((found.missing, found.removed), (3, 2));
    assert!(!contents.are_whole());
}

async fn a_message_that_the_platform_did_not_store_is_counted(place: TestStore) {
    let store = place.open().await;
    fill(&place, &store, 3).await;
    let id =
        if place.is_postgres() { "decode(repeat('01', 16), 'hex')" } else { "CAST(zeroblob(16) AS BLOB)" };
    let columns = "received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, \
                   control_id, sending_application, digest, rejection, warnings, identities, raw_size, acknowledgement, raw";
    let correlation = if place.is_postgres() { ", correlation" } else { "" };
    let copied = columns.replace("control_id", "'forged'");
    let sql = format!(
        "INSERT INTO message (id, {columns}{correlation})
         SELECT {id}, {copied}{} FROM message WHERE control_id = '1'",
        correlation.replace("correlation", "decode(repeat('02', 32), 'hex')")
    );
    place.execute(&sql).await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.unrecorded, contents.altered.count, contents.missing.count), (1, 0, 0));
    assert!(!contents.are_whole());
}

async fn passes_of_an_earlier_version_explain_what_is_older(place: TestStore) {
    let store = place.open().await;
    let ids = fill(&place, &store, 4).await;
    place.execute("DELETE FROM message WHERE control_id IN ('0', '3')").await.unwrap();
    assert_eq!(store.check_contents(&Repeating).await.unwrap().missing.count, 2);
    let allow = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit"
    } else {
        "DROP TRIGGER audit_no_update"
    };
    place.execute(allow).await.unwrap();
    store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    let before = ids[2].time();
    let row = format!(
        "UPDATE audit SET event = 'messages-pruned', details = '{{\"before\":\"{before}\",\"messages\":1}}'
         WHERE event = 'platform-stopped'"
    );
    place.execute(&row).await.unwrap();
    // The row proves nothing.
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.missing.count, contents.unknown_before), (2, None));
    // The platform permits what is older, once.
    for _ in 0..2 {
        store.permit_former_removals(ids[2].time(), &Repeating).await.unwrap();
        let rows =
            store.audit_rows(&AuditFilter { event: Some("messages-pruned".to_owned()), ..TRAIL }).await;
        assert_eq!(rows.unwrap().len(), 2);
    }
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.missing.first, contents.unknown_before), (vec![ids[3]], Some(before)));
}

/// `PCD_TEST_CHECKED_ROWS=200000 cargo test --lib many_messages_are_compared -- --nocapture` prints how long
/// it takes.
async fn many_messages_are_compared_page_by_page(place: TestStore) {
    let wanted = std::env::var("PCD_TEST_CHECKED_ROWS").map_or(1_200, |rows| rows.parse().unwrap());
    let store = place.open().await;
    let raw = Bytes::from("OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC||98\r".repeat(32));
    let mut stored = 0;
    while stored < wanted {
        let batch = (stored..wanted).take(2_000);
        let records = batch.map(|n| MessageRecord { raw: raw.clone(), ..place.record(&n.to_string(), b"") });
        for outcome in join_all(records.map(|record| store.record(record))).await {
            outcome.unwrap();
        }
        stored = wanted.min(stored + 2_000);
    }
    let clock = Clock::system();
    let begin = clock.instant();
    let contents = store.check_contents(&Repeating).await.unwrap();
    println!("{wanted} messages were compared in {:.1} s", (clock.instant() - begin).as_secs_f64());
    assert_eq!(contents.compared, wanted);
    assert!(contents.are_whole(), "{contents:?}");
}
