//! Tests of resends whose stored copy was not stored by the platform, and of what the trail says of those
//! that are acknowledged.

use super::*;
use crate::audit::fixtures::Repeating;
use crate::model::{StoreRisk, StoreRisks};

battery! {
    a_copy_that_another_program_has_stored_is_replaced,
    a_copy_that_cannot_be_removed_is_not_acknowledged,
    a_copy_that_a_trigger_stores_is_not_acknowledged,
    a_copy_with_an_identifier_of_the_past_is_replaced,
    a_row_without_its_hash_founds_nothing_and_hides_nothing,
    an_acknowledged_resend_has_a_row_of_its_own,
    a_resend_whose_first_row_retention_has_removed_is_acknowledged,
    an_old_copy_whose_first_row_retention_has_removed_is_stored_again,
    a_message_that_comes_again_and_again_has_few_rows,
    a_resend_of_a_message_of_an_earlier_version_is_acknowledged,
    a_row_about_another_message_founds_nothing,
    a_resend_is_recognised_where_the_clock_was_set_back_meanwhile,
    bytes_that_were_replaced_together_with_their_digest_are_named,
}

const DAY: Duration = Duration::from_secs(86_400);

async fn open_at_any_risk(place: &TestStore) -> Store {
    let accepted: StoreRisks = StoreRisk::ALL.into_iter().filter(|risk| risk.is_acceptable()).collect();
    let url = StoreUrl::new(place.url()).with_accepted_risks(accepted);
    Store::open(url, place.clock.clone()).await.unwrap()
}

/// Without the triggers that refuse changes of the trail.
async fn unprotected(place: &TestStore) {
    let sql = if place.is_postgres() {
        "DROP TRIGGER audit_only_grows ON audit; DROP TRIGGER audit_only_pruned ON audit"
    } else {
        "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"
    };
    place.execute(sql).await.unwrap();
}

fn bytes(place: &TestStore, id: MessageId) -> String {
    let digits: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    if place.is_postgres() { format!("'\\x{digits}'") } else { format!("x'{digits}'") }
}

/// The message, with an identifier of the time of this store: those of other tests are ahead.
fn record(place: &TestStore, control_id: &str, raw: &'static [u8]) -> MessageRecord {
    MessageRecord { id: id_at(place.clock.now(), raw.len() as u8), ..place.record(control_id, raw) }
}

fn id_at(time: Timestamp, number: u8) -> MessageId {
    let milliseconds = u128::try_from(time.as_millisecond()).unwrap();
    MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(number)).to_be_bytes())
}

/// Makes a stored message one that the trail does not name, as if another program had inserted it: `age` old.
async fn plant(place: &TestStore, control_id: &str, age: Duration) {
    let at = place.clock.now() - jiff::SignedDuration::try_from(age).unwrap();
    let (id, at) = (bytes(place, id_at(at, 99)), at.as_microsecond());
    let sql = format!("UPDATE message SET id = {id}, received_at = {at} WHERE control_id = '{control_id}'");
    place.execute(&sql).await.unwrap();
}

fn is_unknown(outcome: &Result<RecordOutcome, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::UnknownCopy(_)))
}

/// A trigger keeps the platform from removing it.
async fn a_copy_that_cannot_be_removed_is_not_acknowledged(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    store.record(place.record("1", b"MSH|1")).await.unwrap();
    store.record(place.record("2", b"MSH|2")).await.unwrap();
    plant(&place, "2", Duration::ZERO).await;
    let keep = if place.is_postgres() {
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
         CREATE TRIGGER mine BEFORE DELETE ON message FOR EACH ROW EXECUTE FUNCTION mine()"
    } else {
        "CREATE TRIGGER mine BEFORE DELETE ON message BEGIN SELECT RAISE(IGNORE); END"
    };
    place.execute(keep).await.unwrap();
    let (planted, resent, new) = tokio::join!(
        store.record(place.record("2", b"MSH|2")),
        store.record(place.record("1", b"MSH|1")),
        store.record(place.record("3", b"MSH|3"))
    );
    assert!(is_unknown(&planted), "{planted:?}");
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "the others of its batch are: {resent:?}");
    assert!(matches!(new, Ok(RecordOutcome::Stored(_))), "{new:?}");
    let found = store.unaccepted_risks();
    assert_eq!(found.iter().collect::<Vec<_>>(), [StoreRisk::NotReadBack], "{found}");
    assert!(found.to_string().contains("no row about message "), "{found}");
    // Once it can be, the message is stored.
    place
        .execute(if place.is_postgres() { "DROP TRIGGER mine ON message" } else { "DROP TRIGGER mine" })
        .await
        .unwrap();
    let stored = store.record(place.record("2", b"MSH|2")).await;
    assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "{stored:?}");
}

async fn a_copy_that_another_program_has_stored_is_replaced(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    store.record(record(&place, "1", b"MSH|1")).await.unwrap();
    store.record(record(&place, "2", b"MSH|22")).await.unwrap();
    plant(&place, "2", Duration::ZERO).await;
    let (planted, id) = (id_at(place.clock.now(), 99), id_at(place.clock.now(), 77));
    let again = MessageRecord { id, ..record(&place, "2", b"MSH|22") };
    let (stored, twin, resent, new) = tokio::join!(
        store.record(again.clone()),
        store.record(MessageRecord { id: id_at(place.clock.now(), 78), ..again.clone() }),
        store.record(record(&place, "1", b"MSH|1")),
        store.record(record(&place, "3", b"MSH|333"))
    );
    assert!(matches!(stored, Ok(RecordOutcome::Stored(stored)) if stored == id), "{stored:?}");
    assert!(matches!(twin, Ok(RecordOutcome::Resend { original, .. }) if original == id), "{twin:?}");
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
    assert!(matches!(new, Ok(RecordOutcome::Stored(_))), "{new:?}");
    assert!(store.unaccepted_risks().is_empty());
    assert!(store.message(planted).await.unwrap().is_none());
    let stored = store.message(id).await.unwrap().unwrap();
    assert!(stored.is_intact && stored.raw == b"MSH|22".as_slice());
    let rows = store.audit_rows(&TRAIL).await.unwrap();
    let row = rows.iter().find(|row| row.event == "copy-replaced").unwrap();
    let digest = Fingerprint::sha256(b"MSH|22");
    let details = format!(r#"{{"copy":"{planted}","device":"PUMP-1","message":"{id}","sha256":"{digest}"}}"#);
    assert_eq!(row.details, details);
    assert!(rows.iter().any(|row| row.event == "message-accepted" && row.details.contains(&id.to_string())));
    // From then on it is a message like any other.
    let resent = store.record(MessageRecord { id: id_at(place.clock.now(), 79), ..again }).await;
    assert!(matches!(resent, Ok(RecordOutcome::Resend { original, .. }) if original == id), "{resent:?}");
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 3);
}

async fn a_message_that_comes_again_and_again_has_few_rows(place: TestStore) {
    let store = place.open().await;
    let first = record(&place, "1", b"MSH|1");
    let again = async || {
        place.clock.advance(Duration::from_secs(1));
        let message = MessageRecord { id: id_at(place.clock.now(), 9), ..first.clone() };
        let outcome = store.record(message).await;
        assert!(
            matches!(&outcome, Ok(RecordOutcome::Resend { .. } | RecordOutcome::Stored(_))),
            "{outcome:?}"
        );
    };
    let rows = async || {
        let rows = store.audit_rows(&TRAIL).await.unwrap().into_iter();
        let resent = rows.filter(|row| row.event == "message-resent");
        let times = resent.map(|row| serde_json::from_str::<serde_json::Value>(&row.details).unwrap());
        times.map(|details| details["times"].as_u64().unwrap_or(1)).collect::<Vec<_>>()
    };
    for _ in 0..20 {
        again().await;
    }
    assert_eq!(rows().await, [1], "the first at once");
    place.clock.advance(Duration::from_secs(600));
    for _ in 0..5 {
        again().await;
    }
    assert_eq!(rows().await, [1, 19], "then the number");
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // Another process knows nothing of them.
    let other = place.open().await;
    let message = MessageRecord { id: id_at(place.clock.now(), 10), ..first.clone() };
    assert!(matches!(other.record(message).await, Ok(RecordOutcome::Resend { .. })));
    assert_eq!(rows().await, [1, 19, 1]);
    // A row that is not there any more covers nothing.
    unprotected(&place).await;
    let last = other.own_audit_end().await.unwrap().number;
    other.record(record(&place, "2", b"MSH|22")).await.unwrap();
    place.execute(&format!("DELETE FROM audit WHERE number = {last}")).await.unwrap();
    let message = MessageRecord { id: id_at(place.clock.now(), 13), ..first.clone() };
    assert!(matches!(other.record(message).await, Ok(RecordOutcome::Resend { .. })));
    assert_eq!(rows().await, [1, 19, 1], "a further one");
    // Nor does one of another process.
    place.execute("DELETE FROM audit WHERE number > 2").await.unwrap();
    let fresh = place.open().await;
    for number in 11..13 {
        let message = MessageRecord { id: id_at(place.clock.now(), number), ..first.clone() };
        assert!(matches!(fresh.record(message).await, Ok(RecordOutcome::Resend { .. })));
    }
    assert_eq!(rows().await, [1, 1]);
}

/// The trigger stores the copy itself, and has the platform's own row dropped.
async fn a_copy_that_a_trigger_stores_is_not_acknowledged(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    for number in 0..3 {
        store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
    }
    let cause = if place.is_postgres() {
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             IF pg_trigger_depth() = 1 THEN INSERT INTO public.message SELECT (NEW).*; RETURN NULL; END IF;
             RETURN NEW;
         END$$;
         CREATE TRIGGER mine BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION mine()"
    } else {
        "CREATE TRIGGER mine BEFORE INSERT ON message BEGIN
             INSERT INTO message SELECT NEW.id, NEW.received_at, NEW.event_time, NEW.device, NEW.session,
                 NEW.fingerprint, NEW.peer, NEW.pcd_transaction, NEW.message_type, NEW.control_id,
                 NEW.sending_application, NEW.digest, NEW.rejection, NEW.warnings, NEW.identities,
                 NEW.acknowledgement, NEW.raw, NEW.raw_size;
             SELECT RAISE(IGNORE);
         END"
    };
    place.execute(cause).await.unwrap();
    let refused = store.record(place.record("planted", b"MSH|planted")).await;
    assert!(refused.is_err(), "{refused:?}");
    if place.is_postgres() {
        assert!(is_unknown(&refused), "{refused:?}");
    }
    place
        .execute(if place.is_postgres() { "DROP TRIGGER mine ON message" } else { "DROP TRIGGER mine" })
        .await
        .unwrap();
    let stored = store.record(place.record("planted", b"MSH|planted")).await;
    assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "nothing is left of it: {stored:?}");
}

/// Retention would remove it at once.
async fn a_copy_with_an_identifier_of_the_past_is_replaced(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    place.clock.advance(DAY * 40);
    for age in [Duration::from_secs(60), DAY, DAY * 31] {
        let control_id = format!("{age:?}");
        store.record(place.record(&control_id, b"MSH|")).await.unwrap();
        plant(&place, &control_id, age).await;
        let stored = store.record(place.record(&control_id, b"MSH|")).await;
        assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "{age:?}: {stored:?}");
    }
}

/// Rows that name the copy, of another node and with a hash of nothing.
async fn a_row_without_its_hash_founds_nothing_and_hides_nothing(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    let genuine = record(&place, "1", b"MSH|1");
    store.record(genuine.clone()).await.unwrap();
    store.record(record(&place, "2", b"MSH|22")).await.unwrap();
    plant(&place, "2", Duration::ZERO).await;
    let planted = id_at(place.clock.now(), 99);
    let hash = "ab".repeat(32);
    let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
    for (number, (id, raw)) in
        [(planted, b"MSH|22".as_slice()), (genuine.id, b"MSH|1")].into_iter().enumerate()
    {
        let digest = Fingerprint::sha256(raw);
        let details = format!(r#"{{"device":"PUMP-1","message":"{id}","sha256":"{digest}"}}"#);
        let (at, number) = (place.clock.now().as_microsecond(), number + 1);
        let sql = format!(
            "INSERT INTO audit (node, number, at, event, details, hash)
             VALUES ('n2', {number}, {at}, 'message-accepted', '{details}', {hash}),
                 ('n3', {number}, {at}, 'message-accepted', '{details}', {hash}),
                 ('n4', -9223372036854775807, {at}, 'message-accepted', '{details}', {hash})"
        );
        let sql = if number == 1 { sql } else { sql.replace("'n4'", "'n5'") };
        place.execute(&sql).await.unwrap();
    }
    let id = id_at(place.clock.now(), 77);
    let stored = store.record(MessageRecord { id, ..record(&place, "2", b"MSH|22") }).await;
    assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "{stored:?}");
    let resent = store.record(MessageRecord { id: id_at(place.clock.now(), 50), ..genuine }).await;
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
}

async fn an_acknowledged_resend_has_a_row_of_its_own(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    let first = record(&place, "1", b"MSH|1");
    store.record(first.clone()).await.unwrap();
    place.clock.advance(DAY / 2);
    let again = MessageRecord { id: id_at(place.clock.now(), 9), ..first.clone() };
    assert!(matches!(store.record(again).await, Ok(RecordOutcome::Resend { .. })));
    let row = store.audit_rows(&TRAIL).await.unwrap().remove(1);
    let digest = Fingerprint::sha256(b"MSH|1");
    let details = format!(
        r#"{{"device":"PUMP-1","message":"{}","session":"{}","sha256":"{digest}"}}"#,
        first.id, first.session
    );
    assert_eq!((row.event.as_str(), row.details), ("message-resent", details));
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // The first row is taken away after the acknowledgement: only the other one names the message.
    unprotected(&place).await;
    place.execute("DELETE FROM audit WHERE number = 1").await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.unfounded.first, contents.missing.count), (vec![first.id], 0));
    place.execute("DELETE FROM message").await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!(contents.missing.first, [first.id]);
    assert!(!contents.are_whole());
}

/// Removes the rows of the trail up to now, but the last.
async fn prune_trail(place: &TestStore, store: &Store) {
    store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
    place.clock.advance(Duration::from_secs(1));
    let pruned = store.prune_audit(place.clock.now(), 1_000, &Repeating).await.unwrap();
    assert!(pruned > 0);
}

async fn a_resend_whose_first_row_retention_has_removed_is_acknowledged(place: TestStore) {
    let store = place.open().await;
    store.record(record(&place, "1", b"MSH|1")).await.unwrap();
    place.clock.advance(DAY / 2);
    prune_trail(&place, &store).await;
    for _ in 0..2 {
        let resent = store.record(record(&place, "1", b"MSH|1")).await;
        assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
    }
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert!(contents.are_whole(), "{contents:?}");
    place.execute("DELETE FROM message").await.unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!(contents.missing.count, 1, "its new row names it: {contents:?}");
}

/// Its row is gone, and retention would remove it.
async fn an_old_copy_whose_first_row_retention_has_removed_is_stored_again(place: TestStore) {
    let store = place.open().await;
    store.record(record(&place, "1", b"MSH|1")).await.unwrap();
    place.clock.advance(DAY * 3);
    prune_trail(&place, &store).await;
    let stored = store.record(record(&place, "1", b"MSH|1")).await;
    assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "{stored:?}");
    assert!(event_names(&store).await.contains(&"copy-renewed".to_owned()), "no program is suspected");
    let resent = store.record(record(&place, "1", b"MSH|1")).await;
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
}

async fn a_resend_of_a_message_of_an_earlier_version_is_acknowledged(place: TestStore) {
    let store = open_at_any_risk(&place).await;
    let first = record(&place, "1", b"MSH|1");
    store.record(first.clone()).await.unwrap();
    unprotected(&place).await;
    let details = format!(r#"{{"device":"PUMP-1","message":"{}","session":"{}"}}"#, first.id, first.session);
    let store = with_first_row(&place, &store, &details).await;
    let resent = store.record(record(&place, "1", b"MSH|1")).await;
    assert!(matches!(resent, Ok(RecordOutcome::Resend { .. })), "{resent:?}");
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
}

/// Of another device, or with another digest, the row says nothing about the message.
async fn a_row_about_another_message_founds_nothing(place: TestStore) {
    for (one, other) in [("PUMP-1", "PUMP-2"), ("\"sha256\":\"", "\"sha256\":\"00")] {
        let place = place.another();
        let store = open_at_any_risk(&place).await;
        store.record(record(&place, "1", b"MSH|1")).await.unwrap();
        unprotected(&place).await;
        let details = store.audit_rows(&TRAIL).await.unwrap().remove(0).details;
        let store = with_first_row(&place, &store, &details.replace(one, other)).await;
        let id = id_at(place.clock.now(), 77);
        let stored = store.record(MessageRecord { id, ..record(&place, "1", b"MSH|1") }).await;
        assert!(matches!(stored, Ok(RecordOutcome::Stored(_))), "{other}: {stored:?}");
    }
}

/// Writes other details into the first row, with their hash, before another process opens the store.
async fn with_first_row(place: &TestStore, store: &Store, details: &str) -> Store {
    let row = store.audit_rows(&TRAIL).await.unwrap().remove(0);
    let hash = ChainHead::START.next(store.node(), row.at, &row.event, details).hash;
    let hash = if place.is_postgres() { format!("'\\x{hash}'") } else { format!("x'{hash}'") };
    let sql = format!("UPDATE audit SET details = '{details}', hash = {hash} WHERE number = 1");
    place.execute(&sql).await.unwrap();
    open_at_any_risk(place).await
}

async fn a_resend_is_recognised_where_the_clock_was_set_back_meanwhile(place: TestStore) {
    let store = place.open().await;
    let now = place.clock.now();
    let received_at = now + jiff::SignedDuration::from_secs(300);
    let message = || MessageRecord { received_at, ..record(&place, "1", b"MSH|1") };
    store.record(message()).await.unwrap();
    assert!(matches!(store.record(message()).await, Ok(RecordOutcome::Resend { .. })));
}

async fn bytes_that_were_replaced_together_with_their_digest_are_named(place: TestStore) {
    let store = place.open().await;
    for number in ["1", "2"] {
        place.clock.advance(Duration::from_secs(1));
        store
            .record(MessageRecord { raw: number.to_owned().into(), ..place.record(number, b"") })
            .await
            .unwrap();
    }
    assert!(store.check_contents(&Repeating).await.unwrap().are_whole());
    // What the other message is.
    place
        .execute(
            "UPDATE message SET (raw, digest) =
             (SELECT other.raw, other.digest FROM message AS other WHERE other.control_id = '2')
             WHERE control_id = '1'",
        )
        .await
        .unwrap();
    let contents = store.check_contents(&Repeating).await.unwrap();
    assert_eq!((contents.altered.count, contents.replaced.count), (0, 1), "{contents:?}");
    assert!(!contents.are_whole());
}
