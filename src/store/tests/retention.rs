//! Tests of retention: old rows are deleted, and the deletion is audited and signed.

use std::cell::Cell;
use std::collections::HashMap;

use super::*;
use crate::audit::fixtures::Repeating;
use crate::audit::{Distrust, Fault, MessageKind};
use crate::model::SearchKey;

battery! {
    old_messages_are_deleted_in_small_audited_batches,
    senders_are_served_between_the_batches_of_retention,
    a_pruned_audit_chain_begins_at_its_signed_beginning,
    audit_rows_cannot_be_deleted_outside_of_retention,
    large_messages_are_compressed_and_read_unchanged,
    messages_that_are_expensive_to_delete_are_deleted_in_smaller_batches,
    the_lines_of_a_batch_go_with_their_message,
    a_message_is_deleted_only_when_identifier_and_receipt_are_both_old,
    rejected_messages_are_deleted_by_an_age_of_their_own,
    large_messages_are_deleted_by_an_age_of_their_own,
    the_bytes_of_each_hour_are_measured_once_and_forgotten_with_its_messages,
}

/// Gives the record an identifier from the test's clock. Generated identifiers never go back behind those of
/// another test.
fn with_id(record: MessageRecord, n: u64) -> MessageRecord {
    let milliseconds = u128::try_from(record.received_at.as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(n)).to_be_bytes());
    MessageRecord { id, ..record }
}

async fn old_messages_are_deleted_in_small_audited_batches(place: TestStore) {
    let store = place.open().await;
    let old = u64::from(Store::PRUNED_AT_ONCE) + 3;
    for outcome in
        join_all((0..old).map(|n| store.record(with_id(place.record(&n.to_string(), b"old"), n)))).await
    {
        outcome.unwrap();
    }
    place.clock.advance(Duration::from_secs(60));
    let before = place.clock.now();
    store.record(with_id(place.rejected("new", b"rejected"), 1)).await.unwrap();
    store.record(with_id(place.record("new", b"accepted"), 2)).await.unwrap();
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(store.prune_messages(before, &Repeating).await.unwrap());
    }
    assert_eq!(removed, [200, 3, 0]);
    let left = store.messages(&ANY).await.unwrap();
    assert!(left.iter().all(|message| message.control_id == "new") && left.len() == 2, "{left:?}");
    let named = place.connect_directly().await.texts("SELECT identity FROM message_identity").await;
    assert_eq!(named, ["00A037EB2175780F"; 2], "the index follows");
    let filter = AuditFilter { event: Some("messages-pruned".to_owned()), ..TRAIL };
    let rows = store.audit_rows(&filter).await.unwrap();
    assert_eq!(rows.len(), 2, "a pass that deletes nothing is not audited");
    let details: serde_json::Value = serde_json::from_str(&rows[0].details).unwrap();
    assert_eq!(
        (&details["before"], &details["messages"], &details["orders"]),
        (&before.to_string().into(), &200.into(), &0.into())
    );
    // Rejected messages are deleted as well.
    assert_eq!(store.prune_messages(before + Duration::from_secs(1), &Repeating).await.unwrap(), 2);
    // A resend of a deleted message is a new message.
    assert!(matches!(store.record(place.record("0", b"old")).await.unwrap(), RecordOutcome::Stored(_)));
}

async fn the_lines_of_a_batch_go_with_their_message(place: TestStore) {
    let store = place.open().await;
    let enclosed = |id, n| {
        let envelope = Bytes::from_static(b"BHS|^~\\&\rBTS|1\r");
        MessageRecord { envelope, ..with_id(place.record(id, b"enclosed"), n) }
    };
    // The first message opens the chain; what follows it is the common case of each database.
    store.record(with_id(place.record("0", b"alone"), 0)).await.unwrap();
    let old = enclosed("1", 1);
    store.record(old.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let new = enclosed("2", 2);
    store.record(new.clone()).await.unwrap();
    assert_eq!(store.message(old.id).await.unwrap().unwrap().envelope, old.envelope);
    assert_eq!(store.prune_messages(place.clock.now(), &Repeating).await.unwrap(), 2);
    let mut connection = place.connect_directly().await;
    assert_eq!(connection.texts("SELECT CAST(count(*) AS TEXT) FROM envelope").await, ["1"]);
    assert_eq!(store.message(new.id).await.unwrap().unwrap().envelope, new.envelope);
}

async fn rejected_messages_are_deleted_by_an_age_of_their_own(place: TestStore) {
    let store = place.open().await;
    for n in 0..6 {
        let (accepted, rejected) =
            (place.record(&n.to_string(), b"MSH|"), place.rejected(&n.to_string(), b"MSH|"));
        store.record(with_id(accepted, 2 * n)).await.unwrap();
        store.record(with_id(rejected, 2 * n + 1)).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let (end, start) = (place.clock.now(), place.clock.now() - Duration::from_secs(180));
    let left = async || {
        let messages = store.messages(&ANY).await.unwrap();
        let rejected = messages.iter().filter(|message| message.verdict.rejection().is_some()).count();
        (messages.len() - rejected, rejected)
    };
    assert_eq!(store.prune_messages_of(MessageKind::Rejected, None, start, &Repeating).await.unwrap(), 3);
    assert_eq!(left().await, (6, 3), "no accepted one goes with them");
    let from = |time| store.prune_messages_of(MessageKind::Accepted, Some(time), end, &Repeating);
    assert_eq!(from(start).await.unwrap(), 3, "what is there from then on");
    assert_eq!(from(Timestamp::UNIX_EPOCH).await.unwrap(), 3);
    assert_eq!(left().await, (0, 3), "and rejected ones may stay for longer");
    assert_eq!(store.oldest_message_of(MessageKind::Accepted, end).await.unwrap(), None);
    assert!(store.oldest_message_of(MessageKind::Rejected, end).await.unwrap().is_some());
    let filter = AuditFilter { event: Some("messages-pruned".to_owned()), ..TRAIL };
    assert_eq!(store.audit_rows(&filter).await.unwrap().len(), 3, "each pass has its row");
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(contents.are_whole(), "{contents:?}");
    assert_eq!(store.prune_messages_of(MessageKind::Rejected, None, end, &Repeating).await.unwrap(), 3);
    assert_eq!(store.prune_messages_of(MessageKind::Rejected, None, end, &Repeating).await.unwrap(), 0);
}

async fn large_messages_are_deleted_by_an_age_of_their_own(place: TestStore) {
    let store = place.open().await;
    let large = |record| MessageRecord { keys: vec![SearchKey::LARGE], ..record };
    for n in 0..4 {
        let control_id = n.to_string();
        store.record(with_id(place.record(&control_id, b"small"), 3 * n)).await.unwrap();
        store.record(with_id(large(place.record(&control_id, b"large")), 3 * n + 1)).await.unwrap();
        store.record(with_id(place.rejected(&control_id, b"rejected"), 3 * n + 2)).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    let (end, start) = (place.clock.now(), place.clock.now() - Duration::from_secs(120));
    let outlook = async |kind| {
        let age = jiff::SignedDuration::from_hours(1);
        store
            .next_removal(kind, age, end)
            .await
            .unwrap()
            .map(|next| (next.oldest, next.at, next.within_a_day))
    };
    let first = start - Duration::from_secs(120);
    let at = first + Duration::from_secs(3600);
    assert_eq!(outlook(MessageKind::Large).await, Some((first, at, 4)));
    assert_eq!(outlook(MessageKind::Rejected).await, Some((first, at, 4)));
    assert_eq!(outlook(MessageKind::Accepted).await, Some((first, at, 8)));
    // It comes again before it goes: what was acknowledged then has had its time as well.
    let again = large(place.record("0", b"large"));
    assert!(matches!(store.record(again).await.unwrap(), RecordOutcome::Resend { .. }));
    let pass = async |kind, before| store.prune_messages_of(kind, None, before, &Repeating).await.unwrap();
    assert_eq!(pass(MessageKind::Large, start).await, 2);
    let left = async || {
        let messages = store.messages(&ANY).await.unwrap();
        let of = |size| messages.iter().filter(|message| message.size == size).count();
        assert_eq!(of(8), 4, "no rejected one goes with them");
        messages.len() - 4
    };
    assert_eq!(left().await, 6, "nor a small one");
    assert_eq!(store.oldest_message_of(MessageKind::Large, start).await.unwrap(), None);
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(contents.are_whole(), "{contents:?}");
    // Large ones go with the others at the latest.
    assert_eq!(pass(MessageKind::Accepted, start + Duration::from_secs(60)).await, 4);
    assert_eq!((left().await, outlook(MessageKind::Large).await.unwrap().2), (2, 1));
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(contents.are_whole(), "{contents:?}");
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());
}

/// The number of old messages; `PCD_TEST_OLD_ROWS=200000 cargo test --lib senders_are_served --
/// --nocapture --test-threads 1` prints how long senders wait.
fn old_messages() -> u64 {
    let rows = std::env::var("PCD_TEST_OLD_ROWS").map_or(4_000, |rows| rows.parse().unwrap());
    rows.max(400) / 400 * 400
}

/// A stored message: how many batches of deletions had been requested before, and how long storing it took.
struct Sent {
    id: MessageId,
    ordered: usize,
    spent: Duration,
}

async fn senders_are_served_between_the_batches_of_retention(place: TestStore) {
    let store = place.open().await;
    let old = old_messages();
    place.execute(&rows::sql(place.is_postgres(), 0, old, old)).await.unwrap();
    place.clock.advance(Duration::from_secs(86_400));
    let (before, ordered, done, clock) = (place.clock.now(), Cell::new(0), Cell::new(false), Clock::system());
    let sender = async |name: String, goes_on: &dyn Fn(usize) -> bool| {
        let mut sent = Vec::new();
        while goes_on(sent.len()) {
            let control_id = format!("{name}-{}", sent.len());
            let record = MessageRecord { raw: control_id.clone().into(), ..place.record(&control_id, b"") };
            let (id, ordered, begin) = (record.id, ordered.get(), clock.instant());
            assert_eq!(store.record(record).await.unwrap(), RecordOutcome::Stored(id));
            sent.push(Sent { id, ordered, spent: clock.instant() - begin });
        }
        sent
    };
    let pruner = async {
        let mut removed = Vec::new();
        while removed.last() != Some(&0) {
            ordered.set(ordered.get() + 1);
            removed.push(store.prune_messages(before, &Repeating).await.unwrap());
        }
        done.set(true);
        removed
    };
    let goes_on = |_| !done.get();
    let senders = join_all((0..8).map(|n| sender(format!("busy-{n}"), &goes_on)));
    let (mut removed, busy) = tokio::join!(pruner, senders);
    removed.pop();
    assert_eq!(removed, vec![u64::from(Store::PRUNED_AT_ONCE); removed.len()], "never more in one batch");
    assert_eq!(removed.iter().sum::<u64>(), old);
    let busy: Vec<Sent> = busy.into_iter().flatten().collect();

    // The trail has the order of the operations.
    let (mut batches, mut done_before) = (0, HashMap::new());
    for row in store.own_audit_rows(0, u32::MAX).await.unwrap() {
        match &*row.event {
            "messages-pruned" => batches += 1,
            _ => {
                let details: serde_json::Value = serde_json::from_str(&row.details).unwrap();
                done_before.insert(details["message"].as_str().unwrap().to_owned(), batches);
            }
        }
    }
    assert_eq!((batches, done_before.len()), (removed.len(), busy.len()));
    for sent in &busy {
        let done = done_before[&sent.id.to_string()];
        assert!(done <= sent.ordered, "{done} batches went before, {} when it was sent", sent.ordered);
    }
    let between = done_before.values().filter(|done| (1..batches).contains(*done)).count();
    assert!(between >= batches / 2, "{between} messages between {batches} batches");
    assert!(store.verify_audit(&Repeating).await.unwrap()[0].verdict.is_ok());

    if std::env::var_os("PCD_TEST_OLD_ROWS").is_some() {
        let as_many = busy.len() / 8;
        let goes_on = |sent| sent < as_many;
        let quiet = join_all((0..8).map(|n| sender(format!("quiet-{n}"), &goes_on))).await;
        show("while old messages are removed", busy);
        show("afterwards", quiet.into_iter().flatten().collect());
    }
}

fn show(when: &str, mut sent: Vec<Sent>) {
    sent.sort_by_key(|sent| sent.spent);
    let of = |hundredth: usize| sent[(sent.len() - 1) * hundredth / 100].spent.as_secs_f64() * 1000.0;
    println!(
        "{when}: {} messages, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        sent.len(),
        of(50),
        of(99),
        of(100)
    );
}

/// Writes five rows a minute for three minutes.
async fn three_minutes(place: &TestStore) -> Store {
    let store = place.open().await;
    for _ in 0..3 {
        for _ in 0..5 {
            store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        }
        store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
        place.clock.advance(Duration::from_secs(60));
    }
    store
}

async fn verdict(store: &Store) -> Result<u64, (u64, Fault)> {
    let report = store.verify_audit(&Repeating).await.unwrap().remove(0);
    report.verdict.map(|intact| intact.end.number).map_err(|broken| (broken.number, broken.fault))
}

async fn a_pruned_audit_chain_begins_at_its_signed_beginning(place: TestStore) {
    let store = three_minutes(&place).await;
    assert_eq!(verdict(&store).await, Ok(18));
    let first_minute = place.clock.now() - Duration::from_secs(120);
    // Rows after the fourth have not been forwarded.
    assert_eq!(store.prune_audit(first_minute, 4, &Repeating).await.unwrap(), 4);
    assert_eq!(store.prune_audit(first_minute, 4, &Repeating).await.unwrap(), 0);
    assert_eq!(store.prune_audit(first_minute, u64::MAX, &Repeating).await.unwrap(), 2);
    assert_eq!(store.prune_audit(first_minute, u64::MAX, &Repeating).await.unwrap(), 0);
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    assert_eq!((rows[0].number, rows.len()), (7, 14));
    assert_eq!(rows.last().unwrap().event, "audit-pruned");
    assert_eq!(verdict(&store).await, Ok(20));
    // All rows but the last, which is the head of the chain.
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(store.prune_audit(place.clock.now(), u64::MAX, &Repeating).await.unwrap(), 13);
    assert_eq!(verdict(&store).await, Ok(21));
    store.sign_audit(&Repeating, &Repeating).await.unwrap().unwrap();
    // The same after a restart.
    store.close().await;
    assert_eq!(verdict(&place.open().await).await, Ok(22));
}

async fn audit_rows_cannot_be_deleted_outside_of_retention(place: TestStore) {
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
    // The owner of the database can move the beginning, but cannot sign it.
    place
        .execute("UPDATE audit_begin SET number = 8, hash = (SELECT hash FROM audit WHERE number = 8)")
        .await
        .unwrap();
    place.execute("DELETE FROM audit WHERE number <= 8").await.unwrap();
    assert_eq!(verdict(&store).await, Err((9, Fault::Beginning(Distrust::Forged))));
}

async fn large_messages_are_compressed_and_read_unchanged(place: TestStore) {
    let store = place.open().await;
    let raw: &'static [u8] = "OBX|1|NA|||1^2^3^4\r".repeat(10_000).leak().as_bytes();
    let record = place.record("1", raw);
    store.record(record.clone()).await.unwrap();
    let stored = store.message(record.id).await.unwrap().unwrap();
    assert!(stored.raw == record.raw);
    assert_eq!(stored.summary.size, raw.len() as u64);
    assert_eq!(store.messages(&ANY).await.unwrap()[0].size, raw.len() as u64, "as it was received");
    // A resend is recognised by the received bytes.
    assert!(matches!(store.record(place.record("1", raw)).await.unwrap(), RecordOutcome::Resend { .. }));
    let stored_bytes =
        store.reader().fetch(statement::Statement::new("SELECT raw FROM message")).await.unwrap();
    assert!(stored_bytes[0].get::<Vec<u8>>("raw").unwrap().len() < raw.len() / 10);
    place.execute("UPDATE message SET raw_size = raw_size - 1").await.unwrap();
    let damaged = store.message(record.id).await.unwrap().unwrap();
    assert!(!damaged.is_intact, "its frame is shown as it is stored");
}

/// Old messages with a thousand identities each; `PCD_TEST_OLD_IDENTITIES=400000` is the size of the
/// requirement, and prints how long a sender waits.
async fn messages_that_are_expensive_to_delete_are_deleted_in_smaller_batches(place: TestStore) {
    let requested = std::env::var("PCD_TEST_OLD_IDENTITIES").map(|rows| rows.parse().unwrap());
    let messages = requested.as_ref().map_or(20, |rows: &u64| rows / 1000);
    let store = place.open().await;
    for n in 0..messages {
        let identities = (0..1000).map(|i| format!("{i:04}{n:08}^^{i:016X}^EUI-64")).collect();
        let record = MessageRecord { identities, ..place.record(&n.to_string(), b"many") };
        store.record(with_id(record, n)).await.unwrap();
    }
    place.clock.advance(Duration::from_secs(60));
    let (before, clock, done) = (place.clock.now(), Clock::system(), Cell::new(false));
    let pruner = async {
        let mut removed = Vec::new();
        let begin = clock.instant();
        while removed.last() != Some(&0) {
            removed.push(store.prune_messages(before, &Repeating).await.unwrap());
            // As a retention pass does.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        done.set(true);
        (removed, clock.instant() - begin)
    };
    let sender = async {
        let mut spent = Vec::new();
        while !done.get() {
            let raw = Bytes::from(format!("new {}", spent.len()));
            let record = MessageRecord { raw, ..place.record(&format!("new {}", spent.len()), b"") };
            let begin = clock.instant();
            store.record(record).await.unwrap();
            spent.push(clock.instant() - begin);
        }
        spent
    };
    let ((removed, took), mut spent) = tokio::join!(pruner, sender);
    assert_eq!(removed.iter().sum::<u64>(), messages);
    assert!(removed.iter().all(|number| *number <= 8), "{removed:?}");
    if requested.is_ok() {
        spent.sort_unstable();
        let (median, longest) = (spent[spent.len() / 2], spent[spent.len() - 1]);
        let batches = removed.len();
        println!(
            "postgres {}: {messages} messages in {batches} batches, {took:?}; a sender waited {median:?}, at most {longest:?}",
            place.is_postgres()
        );
    }
}

/// They differ where the clock was not believed, or was wrong when the message arrived.
async fn a_message_is_deleted_only_when_identifier_and_receipt_are_both_old(place: TestStore) {
    let store = place.open().await;
    let record = |control_id: &str, n| {
        let raw = Bytes::copy_from_slice(control_id.as_bytes());
        with_id(MessageRecord { raw, ..place.record(control_id, b"") }, n)
    };
    let old = record("old", 1);
    let later = old.received_at + Duration::from_secs(3600);
    let received_later = MessageRecord { received_at: later, ..record("received later", 2) };
    let identified_later = MessageRecord { received_at: later, ..record("identified later", 3) };
    let identified_later = MessageRecord { received_at: old.received_at, ..with_id(identified_later, 3) };
    let also_old = record("also old", 4);
    let before = old.received_at + Duration::from_secs(60);
    for record in [old, received_later, identified_later, also_old] {
        store.record(record).await.unwrap();
    }
    assert!(store.oldest_message_of(MessageKind::Any, before).await.unwrap().unwrap() < before);
    assert_eq!(store.prune_messages(before, &Repeating).await.unwrap(), 2, "the others do not block the way");
    assert_eq!(store.oldest_message_of(MessageKind::Any, before).await.unwrap(), None);
    let left = store.messages(&ANY).await.unwrap();
    let left: Vec<_> = left.iter().map(|message| &*message.control_id).collect();
    assert_eq!(left, ["identified later", "received later"]);
    assert_eq!(store.prune_messages(later + Duration::from_secs(1), &Repeating).await.unwrap(), 2);
}

async fn the_bytes_of_each_hour_are_measured_once_and_forgotten_with_its_messages(place: TestStore) {
    let store = place.open().await;
    let hour = |hours: u64| place.clock.advance(Duration::from_secs(3600 * hours));
    let bytes = |record: &MessageRecord| {
        let identities = serde_json::to_string(&record.identities).unwrap().len();
        (record.raw.len() + record.acknowledgement.len() + identities) as u64 + 512
    };
    let mut expected = Vec::new();
    for n in 0..3_u64 {
        let small = with_id(place.record(&n.to_string(), b"small"), 3 * n);
        let large = with_id(place.record(&format!("L{n}"), b"large one"), 3 * n + 1);
        let large = MessageRecord { keys: vec![SearchKey::LARGE], ..large };
        let rejected = with_id(place.rejected(&n.to_string(), b"no"), 3 * n + 2);
        expected.push([bytes(&small) + bytes(&large), bytes(&rejected), bytes(&large)]);
        for record in [small, large, rejected] {
            store.record(record).await.unwrap();
        }
        hour(if n == 1 { 30 } else { 1 });
    }
    let now = place.clock.now();
    assert_eq!(store.volumes(now).await.unwrap().hours, []);
    // A few at a time, the newest first.
    store.measure_volumes(now, 2).await.unwrap();
    assert!(store.volumes(now).await.unwrap().unmeasured > 20);
    store.measure_volumes(now, 1000).await.unwrap();
    let known = store.volumes(now).await.unwrap();
    assert_eq!(known.unmeasured, 0);
    let full: Vec<_> = known.hours.iter().filter(|volume| volume.accepted > 0).collect();
    let found: Vec<_> = full.iter().map(|volume| [volume.accepted, volume.rejected, volume.large]).collect();
    // The last hour may not have ended.
    assert_eq!(found, expected[..found.len()]);
    assert!(found.len() >= 2, "{found:?}");

    // What is measured is not read again: a message that comes later into such an hour does not count.
    let oldest = store.oldest_message_of(MessageKind::Rejected, now).await.unwrap();
    let volume = |limit| Volume::new(&known.hours, MessageKind::Accepted, [oldest; 2], limit, now);
    let all: u64 = found.iter().map(|[accepted, ..]| accepted).sum();
    assert_eq!((volume(all).bytes, volume(all).cutoff), (all, None));
    let cutoff = volume(all - 1).cutoff.unwrap();
    let pruned = store.prune_messages_of(MessageKind::Accepted, None, cutoff, &Repeating).await.unwrap();
    assert_eq!(pruned, 2, "those of the first hour");
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // Its rejected message is there: the hour is known as long as that.
    assert_eq!(store.volumes(now).await.unwrap().hours.len(), known.hours.len());
    store.prune_messages_of(MessageKind::Rejected, None, cutoff, &Repeating).await.unwrap();
    hour(1);
    store.measure_volumes(place.clock.now(), 1000).await.unwrap();
    assert!(store.volumes(now).await.unwrap().hours[0].hour > known.hours[0].hour);
}
