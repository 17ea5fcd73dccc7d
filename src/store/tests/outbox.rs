//! Tests of the outbox.

use std::time::Duration;

use super::fixtures::DirectConnection;
use super::*;
use crate::audit::Settlement;
use crate::audit::fixtures::Repeating;

battery! {
    an_order_is_not_queued_whose_answer_could_be_that_to_an_earlier_one,
    a_queued_message_waits_until_the_device_has_answered,
    a_control_id_can_wait_for_a_device_only_once,
    one_node_at_a_time_sends_a_message,
    an_accepted_message_is_never_sent_again,
    a_repeated_acceptance_does_not_prolong_the_wait_for_the_result,
    what_is_over_by_its_time_reads_so_at_once,
    a_message_that_is_sent_or_accepted_can_be_withdrawn,
    a_later_answer_changes_the_outcome,
    an_order_that_was_accepted_before_the_migration_is_awaited_for_a_limited_time,
    expired_and_withdrawn_messages_are_not_sent,
    the_orders_of_a_gateways_platform_are_known_until_they_are_answered_there,
    an_order_that_a_platform_may_repeat_is_withdrawn_also_when_it_has_expired,
    what_was_queued_before_is_found_by_its_bytes,
    retention_deletes_settled_messages,
    attempts_pause_ever_longer_up_to_a_minute,
    the_orders_of_a_removed_device_are_withdrawn_with_it,
    an_order_for_a_device_outside_the_directory_is_not_queued,
    what_an_earlier_version_left_for_a_removed_device_is_withdrawn_before_another_is_added,
}

async fn the_orders_of_a_gateways_platform_are_known_until_they_are_answered_there(place: TestStore) {
    let (store, other) = (with_pumps(&place, place.open().await).await, place.open_as("other-node").await);
    let relayed = QueuedMessage { is_relayed: true, ..order(&place, "1") };
    let id = relayed.id;
    store.queue(relayed.clone()).await.unwrap();
    let again = QueuedMessage { id: order(&place, "1").id, ..relayed };
    assert!(matches!(store.queue(again).await, Err(StoreError::AlreadyWaiting(_))));
    store.queue(order(&place, "2")).await.unwrap();
    let known = async |store: &Store, all| {
        let orders = store.relayed_orders(all).await.unwrap();
        let known = orders.into_iter().map(|order| (order.id, order.entry.unwrap().id, order.arrived));
        known.collect::<Vec<_>>()
    };
    assert_eq!(known(&store, true).await, [(id, id, None)], "of an operator is none");
    assert!(known(&other, true).await.is_empty(), "each node has its own connections");
    // Its device may say something else later.
    let answer = MessageId::at(store.now());
    store.note_arrived(id, answer).await.unwrap();
    assert!(known(&store, false).await.is_empty());
    assert_eq!(known(&store, true).await, [(id, id, Some(answer))]);
    store.finish_relayed(id).await.unwrap();
    assert!(known(&store, true).await.is_empty());
    store.note_arrived(id, answer).await.unwrap();
    assert!(known(&store, true).await.is_empty(), "it is over");
    assert_eq!(waiting(&store).await.len(), 2, "the order itself stays");
}

// The entry of a gateway lives for half a minute, and the order at its platform for hours.
async fn an_order_that_a_platform_may_repeat_is_withdrawn_also_when_it_has_expired(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let relayed = |id| QueuedMessage { is_relayed: true, ..order(&place, id) };
    let [by_hand, with_device, finished] = ["1", "2", "3"].map(relayed);
    let own = order(&place, "4");
    let all = [&by_hand, &with_device, &finished, &own];
    for message in all {
        store.queue(message.clone()).await.unwrap();
    }
    place.clock.advance(Duration::from_secs(61));
    for message in [&with_device, &finished, &own] {
        assert!(store.lapse(message.id, &message.device, Settlement::Expired).await.unwrap());
    }
    store.finish_relayed(finished.id).await.unwrap();
    let device = &by_hand.device;
    assert!(store.withdraw(by_hand.id, device, "bob").await.unwrap());
    store.remove_device(device, "bob").await.unwrap();
    for (message, is_withdrawn) in all.into_iter().zip([true, true, false, false]) {
        let (entry, _) = store.outbox_entry(message.id).await.unwrap().unwrap();
        assert_eq!(entry.is_withdrawn(), is_withdrawn, "{}", message.control_id);
        assert_eq!(entry.device_removed, message.id == with_device.id);
    }
}

async fn what_was_queued_before_is_found_by_its_bytes(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let first = order(&place, "1");
    let device = first.device.clone();
    store.queue(first.clone()).await.unwrap();
    assert!(store.claim(first.id, &device, until(&place, 30)).await.unwrap());
    let answer = MessageId::at(place.clock.now());
    store.settle(first.id, &device, true, "AA", answer).await.unwrap();
    let other = QueuedMessage { raw: Bytes::from_static(b"MSH|OTHER\r"), ..order(&place, "1") };
    store.queue(other.clone()).await.unwrap();
    let before = async |raw: &Bytes| {
        let found = store.queued_before(&device, "1", raw).await.unwrap();
        (found.latest.map(|entry| entry.id), found.sent.map(|entry| entry.id))
    };
    assert_eq!(before(&first.raw).await, (Some(first.id), Some(first.id)));
    assert_eq!(before(&other.raw).await, (Some(other.id), None));
    assert_eq!(before(&Bytes::from_static(b"MSH|")).await, (None, None));
}

fn order(place: &TestStore, control_id: &str) -> QueuedMessage {
    let now = place.clock.now();
    QueuedMessage {
        id: MessageId::at(now),
        device: "PUMP-1".parse().unwrap(),
        message_type: "RGV^O15^RGV_O15".to_owned(),
        control_id: control_id.to_owned(),
        expires_at: now + jiff::SignedDuration::from_secs(60),
        actor: "alice".to_owned(),
        raw: Bytes::from_static(b"MSH|SECRET\r"),
        is_relayed: false,
    }
}

async fn waiting(store: &Store) -> Vec<WaitingMessage> {
    store.waiting_messages(None, 100).await.unwrap()
}

fn until(place: &TestStore, seconds: i64) -> Timestamp {
    place.clock.now() + jiff::SignedDuration::from_secs(seconds)
}

async fn a_queued_message_waits_until_the_device_has_answered(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    store.queue(message.clone()).await.unwrap();
    let found = waiting(&store).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id, &found[0].device, found[0].result), (id, &device, None));
    assert!(store.waiting_messages(Some(id), 100).await.unwrap().is_empty());
    let (entry, raw) = store.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!((raw, entry.attempts, entry.sent_at, entry.settled), (message.raw, 0, None, None));

    assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
    let answer = MessageId::at(place.clock.now());
    assert!(store.settle(id, &device, true, "AA", answer).await.unwrap());
    assert!(!store.settle(id, &device, false, "AR", answer).await.unwrap(), "settled once");
    assert!(!store.claim(id, &device, until(&place, 30)).await.unwrap());
    assert!(waiting(&store).await.is_empty());

    let all = OutboxFilter { limit: 10, ..OutboxFilter::default() };
    let listed = store.outbox(&all).await.unwrap();
    let now = place.clock.now();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].attempts, listed[0].sent_at), (1, Some(now)));
    assert_eq!(listed[0].settled, Some((Settlement::Acknowledged, now)));
    assert_eq!((listed[0].acknowledgement.as_deref(), listed[0].answer), (Some("AA"), Some(answer)));
    assert_eq!((&*listed[0].control_id, &*listed[0].actor), ("1", "alice"));
    let others = [
        OutboxFilter { waiting: true, ..all.clone() },
        OutboxFilter { before: Some(id), ..all.clone() },
        OutboxFilter { device: Some("PUMP-2".parse().unwrap()), ..all },
    ];
    for filter in others {
        assert!(store.outbox(&filter).await.unwrap().is_empty(), "{filter:?}");
    }

    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|row| (row.event, row.details)).collect();
    let audited = |event: &str, details: String| (event.to_owned(), details);
    assert_eq!(
        rows,
        [
            audited(
                "southbound-queued",
                format!(
                    r#"{{"actor":"alice","device":"PUMP-1","expires":"{}","message":"{id}"}}"#,
                    entry.expires_at
                )
            ),
            audited("southbound-sent", format!(r#"{{"device":"PUMP-1","message":"{id}"}}"#)),
            audited(
                "southbound-settled",
                format!(r#"{{"code":"AA","device":"PUMP-1","message":"{id}","outcome":"acknowledged"}}"#)
            ),
        ]
    );
}

async fn a_control_id_can_wait_for_a_device_only_once(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let first = order(&place, "1");
    store.queue(first.clone()).await.unwrap();
    let again = store.queue(order(&place, "1")).await;
    assert!(matches!(again, Err(StoreError::AlreadyWaiting(device)) if device == first.device));
    let elsewhere = QueuedMessage { device: "PUMP-2".parse().unwrap(), ..order(&place, "1") };
    store.queue(elsewhere).await.unwrap();
    assert!(store.withdraw(first.id, &first.device, "bob").await.unwrap());
    store.queue(order(&place, "1")).await.unwrap();
    let names = event_names(&store).await;
    assert_eq!(
        names,
        ["southbound-queued", "southbound-queued", "southbound-settled", "southbound-queued"],
        "what was refused has left nothing behind"
    );
}

async fn one_node_at_a_time_sends_a_message(place: TestStore) {
    let here = with_pumps(&place, place.open_as("here").await).await;
    let there = place.open_as("there").await;
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    here.queue(message).await.unwrap();
    let end = until(&place, 30);
    assert!(here.claim(id, &device, end).await.unwrap());
    assert_eq!(waiting(&there).await[0].claimed_until, Some(end));
    assert!(!there.claim(id, &device, end).await.unwrap());
    // The node restarts after a crash: its own claim does not stop it, but the pause does.
    assert!(!here.claim(id, &device, end).await.unwrap());
    place.clock.advance(Duration::from_millis(250));
    assert!(here.claim(id, &device, end).await.unwrap());
    // The session ends without an acknowledgement.
    here.release(id).await.unwrap();
    assert!(waiting(&there).await[0].is_too_soon(place.clock.now()));
    place.clock.advance(Duration::from_millis(499));
    assert!(!there.claim(id, &device, end).await.unwrap(), "also on another node");
    place.clock.advance(Duration::from_millis(1));
    assert!(!waiting(&there).await[0].is_too_soon(place.clock.now()));
    assert!(there.claim(id, &device, end).await.unwrap());
    // A second release, after another node has claimed the message.
    here.release(id).await.unwrap();
    assert_eq!(waiting(&here).await[0].claimed_until, Some(end));
    // The claim of a dead node ends.
    place.clock.advance(Duration::from_secs(30));
    assert!(here.claim(id, &device, until(&place, 30)).await.unwrap());
    let (entry, _) = here.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!(entry.attempts, 4);
}

// HL7 2.6 ch. 2, 2.9.3: enhanced mode
async fn an_accepted_message_is_never_sent_again(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let message = order(&place, "1");
    let (id, device) = (message.id, message.device.clone());
    store.queue(message).await.unwrap();
    assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
    let result = awaited(&place, 90, Settlement::Unconfirmed);
    assert!(store.note_accepted(id, "CA", id, result).await.unwrap());
    assert_eq!(waiting(&store).await[0].result, Some(result));
    assert!(!store.claim(id, &device, until(&place, 30)).await.unwrap());
    place.clock.advance(Duration::from_secs(60));
    assert!(!store.lapse(id, &device, Settlement::Expired).await.unwrap(), "the device has it");
    assert!(!store.lapse(id, &device, Settlement::Unconfirmed).await.unwrap(), "its time is not over");
    place.clock.advance(Duration::from_secs(40));
    assert!(!store.lapse(id, &device, Settlement::Acknowledged).await.unwrap(), "silence is no success here");
    assert!(store.lapse(id, &device, Settlement::Unconfirmed).await.unwrap());
    let (entry, _) = store.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!(entry.acknowledgement.as_deref(), Some("CA"));
    assert_eq!(entry.settled, Some((Settlement::Unconfirmed, result.until)), "at its time");
}

fn awaited(place: &TestStore, seconds: i64, otherwise: Settlement) -> AwaitedResult {
    AwaitedResult { until: until(place, seconds), otherwise }
}

async fn a_repeated_acceptance_does_not_prolong_the_wait_for_the_result(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let message = order(&place, "1");
    store.queue(message.clone()).await.unwrap();
    assert!(store.claim(message.id, &message.device, until(&place, 30)).await.unwrap());
    let first = awaited(&place, 90, Settlement::Unconfirmed);
    assert!(store.note_accepted(message.id, "CA", message.id, first).await.unwrap());
    place.clock.advance(Duration::from_secs(80));
    let second = awaited(&place, 90, Settlement::Unconfirmed);
    assert!(!store.note_accepted(message.id, "CA", message.id, second).await.unwrap());
    assert_eq!(waiting(&store).await[0].result, Some(first));
}

async fn what_is_over_by_its_time_reads_so_at_once(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (unsent, accepted) = (order(&place, "1"), order(&place, "2"));
    for message in [&unsent, &accepted] {
        store.queue(message.clone()).await.unwrap();
    }
    assert!(store.claim(accepted.id, &accepted.device, until(&place, 30)).await.unwrap());
    let result = awaited(&place, 90, Settlement::Acknowledged);
    assert!(store.note_accepted(accepted.id, "CA", accepted.id, result).await.unwrap());
    let filter = OutboxFilter { waiting: true, limit: 10, ..OutboxFilter::default() };
    let still_waiting = async || -> Vec<MessageId> {
        store.outbox(&filter).await.unwrap().into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(still_waiting().await, [accepted.id, unsent.id]);
    // No process settles them.
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(still_waiting().await, [accepted.id]);
    let (entry, _) = store.outbox_entry(unsent.id).await.unwrap().unwrap();
    assert_eq!(entry.settled, Some((Settlement::Expired, unsent.expires_at)));
    assert!(!store.withdraw(unsent.id, &unsent.device, "bob").await.unwrap(), "it is over");
    place.clock.advance(Duration::from_secs(30));
    assert!(still_waiting().await.is_empty());
    let (entry, _) = store.outbox_entry(accepted.id).await.unwrap().unwrap();
    assert_eq!(entry.settled, Some((Settlement::Acknowledged, result.until)));
    // A new message may have the control id of one that is over.
    store.queue(order(&place, "1")).await.unwrap();
    let settled = AuditFilter { event: Some("southbound-settled".to_owned()), ..TRAIL };
    assert_eq!(store.audit_rows(&settled).await.unwrap().len(), 1, "its outcome is written down first");
}

async fn a_message_that_is_sent_or_accepted_can_be_withdrawn(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (sent, accepted) = (order(&place, "1"), order(&place, "2"));
    let device = &sent.device;
    for message in [&sent, &accepted] {
        store.queue(message.clone()).await.unwrap();
        assert!(store.claim(message.id, device, until(&place, 30)).await.unwrap());
    }
    let result = awaited(&place, 90, Settlement::Unconfirmed);
    assert!(store.note_accepted(accepted.id, "CA", accepted.id, result).await.unwrap());
    for message in [&sent, &accepted] {
        assert!(store.withdraw(message.id, device, "bob").await.unwrap());
        assert!(!store.claim(message.id, device, until(&place, 30)).await.unwrap());
        assert!(!store.withdraw(message.id, device, "bob").await.unwrap());
    }
    let known = async |id| {
        let (entry, _) = store.outbox_entry(id).await.unwrap().unwrap();
        (entry.settled.map(|(settlement, _)| settlement), entry.attempts, entry.acknowledgement)
    };
    assert_eq!(known(sent.id).await, (Some(Settlement::Withdrawn), 1, None));
    assert_eq!(known(accepted.id).await, (Some(Settlement::Withdrawn), 1, Some("CA".to_owned())));
}

async fn a_later_answer_changes_the_outcome(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (earlier, message, unsent) = (order(&place, "1"), order(&place, "1"), order(&place, "1"));
    let (id, device) = (message.id, message.device.clone());
    store.queue(earlier.clone()).await.unwrap();
    assert!(store.claim(earlier.id, &device, until(&place, 30)).await.unwrap());
    assert!(store.settle(earlier.id, &device, true, "AA", earlier.id).await.unwrap());
    store.queue(message).await.unwrap();
    assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
    let result = awaited(&place, 90, Settlement::Acknowledged);
    assert!(store.note_accepted(id, "CA", id, result).await.unwrap());
    place.clock.advance(Duration::from_secs(90));
    assert!(store.lapse(id, &device, Settlement::Acknowledged).await.unwrap());
    store.queue(unsent).await.unwrap();

    let answer = MessageId::at(place.clock.now());
    let (entry, raw) = store.latest_sent(&device, "1").await.unwrap().unwrap();
    assert_eq!((entry.id, &raw[..]), (id, &b"MSH|SECRET\r"[..]), "the newest that was sent");
    assert!(store.latest_sent(&device, "2").await.unwrap().is_none());
    assert!(store.latest_sent(&"PUMP-2".parse().unwrap(), "1").await.unwrap().is_none());
    let change = (Settlement::Acknowledged, Settlement::Refused);
    assert!(store.correct(&entry, change, "AE", answer).await.unwrap());
    assert!(!store.correct(&entry, change, "AE", answer).await.unwrap(), "it is another one now");
    let (entry, _) = store.outbox_entry(id).await.unwrap().unwrap();
    assert_eq!(entry.settled, Some((Settlement::Refused, place.clock.now())));
    assert_eq!((entry.acknowledgement.as_deref(), entry.answer), (Some("AE"), Some(answer)));
    let settled = AuditFilter { event: Some("southbound-settled".to_owned()), ..TRAIL };
    let details: Vec<_> =
        store.audit_rows(&settled).await.unwrap().into_iter().map(|row| row.details).collect();
    assert_eq!(
        details[1..],
        [
            format!(r#"{{"device":"PUMP-1","message":"{id}","outcome":"acknowledged"}}"#),
            format!(
                r#"{{"code":"AE","device":"PUMP-1","message":"{id}","outcome":"refused","replaced":"acknowledged"}}"#
            ),
        ]
    );
}

async fn an_order_that_was_accepted_before_the_migration_is_awaited_for_a_limited_time(place: TestStore) {
    if !place.is_postgres() {
        std::fs::write(place.path(), b"").unwrap();
    }
    let mut direct = place.connect_directly().await;
    match &mut direct {
        DirectConnection::Sqlite(connection) => {
            sqlite::migrator::MIGRATOR.run_direct(Some(EARLIER), connection, false).await.unwrap()
        }
        DirectConnection::Postgres(connection) => {
            postgres::schema::MIGRATOR.run_direct(Some(EARLIER), connection, false).await.unwrap()
        }
    }
    let now = place.clock.now();
    let (sent, expires) = (now.as_microsecond(), until(&place, 7 * 86_400).as_microsecond());
    let ids = [MessageId::at(now), MessageId::at(now)];
    for (id, acknowledgement) in ids.iter().zip(["'CA'", "NULL"]) {
        let hex: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = |hex: &str| if place.is_postgres() { format!("'\\x{hex}'") } else { format!("x'{hex}'") };
        direct
            .execute(&format!(
                "INSERT INTO outbox (id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at,
                    acknowledgement, raw)
                 VALUES ({}, {sent}, {expires}, 'PUMP-1', 'RGV', '{hex}', 'alice', 1, {sent}, {acknowledgement}, {})",
                bytes(&hex),
                bytes("4d5348")
            ))
            .await
            .unwrap();
    }
    let store = place.open().await;
    let [accepted, unanswered] = ids;
    let lapse = async |id| store.outbox_entry(id).await.unwrap().unwrap().0.lapse();
    assert_eq!(lapse(accepted).await, (until(&place, 300), Settlement::Unconfirmed));
    assert_eq!(lapse(unanswered).await, (until(&place, 7 * 86_400), Settlement::Expired));
}

/// The last migration before orders had a time for their result.
const EARLIER: i64 = 80;

async fn expired_and_withdrawn_messages_are_not_sent(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (late, unwanted) = (order(&place, "1"), order(&place, "2"));
    let device = late.device.clone();
    for message in [&late, &unwanted] {
        store.queue(message.clone()).await.unwrap();
    }
    assert!(!store.lapse(late.id, &device, Settlement::Expired).await.unwrap(), "its time is not over");
    assert!(store.withdraw(unwanted.id, &device, "bob").await.unwrap());
    assert!(!store.claim(unwanted.id, &device, until(&place, 30)).await.unwrap());
    place.clock.advance(Duration::from_secs(60));
    assert!(!store.claim(late.id, &device, until(&place, 30)).await.unwrap(), "its time is over");
    assert!(store.lapse(late.id, &device, Settlement::Expired).await.unwrap());
    assert!(!store.lapse(late.id, &device, Settlement::Expired).await.unwrap());
    let settled = AuditFilter { event: Some("southbound-settled".to_owned()), ..TRAIL };
    let details: Vec<_> =
        store.audit_rows(&settled).await.unwrap().into_iter().map(|row| row.details).collect();
    let [late, unwanted] = [late.id, unwanted.id];
    assert_eq!(
        details,
        [
            format!(r#"{{"actor":"bob","device":"PUMP-1","message":"{unwanted}","outcome":"withdrawn"}}"#),
            format!(r#"{{"device":"PUMP-1","message":"{late}","outcome":"expired"}}"#),
        ]
    );
}

async fn retention_deletes_settled_messages(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let (settled, left) = (order(&place, "1"), order(&place, "2"));
    for message in [&settled, &left] {
        store.queue(message.clone()).await.unwrap();
    }
    assert!(store.withdraw(settled.id, &settled.device, "bob").await.unwrap());
    assert_eq!(store.prune_messages(place.clock.now(), &Repeating).await.unwrap(), 0, "not old yet");
    place.clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune_messages(place.clock.now(), &Repeating).await.unwrap(), 1);
    assert!(store.outbox_entry(settled.id).await.unwrap().is_none());
    assert!(store.outbox_entry(left.id).await.unwrap().is_some());
}

async fn attempts_pause_ever_longer_up_to_a_minute(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let mut message = order(&place, "1");
    message.expires_at = until(&place, 7 * 86_400);
    let (id, device) = (message.id, message.device.clone());
    store.queue(message).await.unwrap();
    let pauses = (0..8).map(|doublings| 250 << doublings).chain([60_000; 12]);
    for pause in pauses {
        assert!(store.claim(id, &device, until(&place, 30)).await.unwrap());
        store.release(id).await.unwrap();
        place.clock.advance(Duration::from_millis(pause - 1));
        assert!(!store.claim(id, &device, until(&place, 30)).await.unwrap(), "{pause}");
        assert!(waiting(&store).await[0].is_too_soon(place.clock.now()));
        place.clock.advance(Duration::from_millis(1));
        assert!(!waiting(&store).await[0].is_too_soon(place.clock.now()));
    }
}

// Another pump, and another patient, may be behind a name that is added again.
async fn the_orders_of_a_removed_device_are_withdrawn_with_it(place: TestStore) {
    let here = with_pumps(&place, place.open_as("here").await).await;
    let there = place.open_as("there").await;
    let [unsent, sent, accepted, over, other] = ["1", "2", "3", "4", "5"].map(|id| order(&place, id));
    let over = QueuedMessage { expires_at: until(&place, 1), ..over };
    let other = QueuedMessage { device: "PUMP-2".parse().unwrap(), ..other };
    let device = &unsent.device;
    for message in [&unsent, &sent, &accepted, &over, &other] {
        here.queue(message.clone()).await.unwrap();
    }
    for message in [&sent, &accepted] {
        assert!(here.claim(message.id, device, until(&place, 30)).await.unwrap());
    }
    let result = awaited(&place, 90, Settlement::Unconfirmed);
    assert!(here.note_accepted(accepted.id, "CA", accepted.id, result).await.unwrap());
    place.clock.advance(Duration::from_secs(1));
    there.remove_device(device, "bob").await.unwrap();
    let known = async |id| {
        let (entry, _) = here.outbox_entry(id).await.unwrap().unwrap();
        (entry.settled.map(|(settlement, _)| settlement), entry.device_removed)
    };
    for message in [&unsent, &sent, &accepted] {
        assert_eq!(known(message.id).await, (Some(Settlement::Withdrawn), true));
        assert!(!here.claim(message.id, device, until(&place, 30)).await.unwrap());
    }
    assert_eq!(known(over.id).await, (Some(Settlement::Expired), false), "it was over by its time");
    assert_eq!(known(other.id).await, (None, false));
    let settled = AuditFilter { event: Some("southbound-settled".to_owned()), ..TRAIL };
    let rows = there.audit_rows(&settled).await.unwrap();
    let details: Vec<_> = rows.into_iter().map(|row| row.details).collect();
    let expected = [&unsent, &sent, &accepted].map(|message| {
        let id = message.id;
        format!(
            r#"{{"actor":"bob","device":"PUMP-1","message":"{id}","outcome":"withdrawn","reason":"device-removed"}}"#
        )
    });
    assert_eq!(details, expected);
    assert!(here.withdraw(other.id, &other.device, "bob").await.unwrap());
    assert_eq!(known(other.id).await, (Some(Settlement::Withdrawn), false), "by an operator");
}

async fn an_order_for_a_device_outside_the_directory_is_not_queued(place: TestStore) {
    let store = place.open().await;
    let unknown = store.queue(order(&place, "1")).await;
    assert!(matches!(unknown, Err(StoreError::DeviceUnknown(device)) if device == order(&place, "1").device));
    assert!(waiting(&store).await.is_empty() && event_names(&store).await.is_empty());
}

async fn what_an_earlier_version_left_for_a_removed_device_is_withdrawn_before_another_is_added(
    place: TestStore,
) {
    let store = with_pumps(&place, place.open().await).await;
    let message = order(&place, "1");
    store.queue(message.clone()).await.unwrap();
    place.execute("DELETE FROM device WHERE id = 'PUMP-1'").await.unwrap();
    store.add_device(Device { id: message.device.clone(), ..gateway("PUMP-1") }, "bob").await.unwrap();
    let (entry, _) = store.outbox_entry(message.id).await.unwrap().unwrap();
    assert_eq!(entry.settled.map(|(settlement, _)| settlement), Some(Settlement::Withdrawn));
    let names = event_names(&store).await;
    assert_eq!(names, ["southbound-queued", "device-added", "southbound-settled"]);
}

/// As two orders with one MSH-10 to two devices behind a gateway.
async fn an_order_is_not_queued_whose_answer_could_be_that_to_an_earlier_one(place: TestStore) {
    let store = with_pumps(&place, place.open().await).await;
    let first = order(&place, "1");
    store.queue(first.clone()).await.unwrap();
    let other = || QueuedMessage { raw: "another order".into(), ..order(&place, "1") };
    for (sent, outcome, acknowledgement, is_refused) in [
        (0, "expired", "NULL", false),
        (1, "expired", "NULL", true),
        (1, "withdrawn", "NULL", true),
        (1, "unconfirmed", "'CA'", true),
        (1, "acknowledged", "'AA'", false),
    ] {
        let ended = format!(
            "UPDATE outbox SET attempts = {sent}, settled_at = queued_at, outcome = '{outcome}', acknowledgement = {acknowledgement}
             WHERE control_id = '1'"
        );
        place.execute(&ended).await.unwrap();
        let queued = store.queue(other()).await;
        let is_used = matches!(&queued, Err(StoreError::ControlIdUsed(device)) if *device == first.device);
        assert_eq!(is_used, is_refused, "{sent} {outcome} {acknowledgement}: {queued:?}");
        assert!(is_used || queued.is_ok(), "{queued:?}");
        place.execute("DELETE FROM outbox WHERE outcome IS NULL").await.unwrap();
    }
    // The same order again is for the same device.
    place.execute("UPDATE outbox SET outcome = 'expired', acknowledgement = NULL").await.unwrap();
    store.queue(QueuedMessage { id: order(&place, "1").id, ..first }).await.unwrap();
}
