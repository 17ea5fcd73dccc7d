//! Tests of alert origins: the first message of an alert is known, however often it is reported.

use super::fixtures::DirectConnection;
use super::*;
use crate::audit::fixtures::Repeating;
use crate::pcd::{AlertKey, AlertReport, Filler};

battery! {
    a_resent_report_keeps_the_control_id_of_its_first_message,
    every_phase_of_an_alert_refers_to_its_first_message,
    a_reused_number_is_another_alert,
    an_alert_with_a_number_of_another_device_behind_the_gateway_is_another_one,
    the_same_alert_of_another_device_is_another_alert,
    the_first_report_of_a_batch_is_the_origin,
    a_rejected_message_is_not_the_origin_of_an_alert,
    an_alert_is_known_as_long_as_one_of_its_messages_is_stored,
    alerts_are_recorded_in_a_store_of_an_earlier_version,
    reports_of_an_alert_whose_onset_was_not_received_are_one_alert,
    an_alert_with_other_numbers_is_known_as_long_as_it_is_reported,
    alerts_of_an_earlier_version_continue,
}

fn filler(number: &str) -> Filler {
    Filler { number: number.into(), namespace: b"GW".to_vec(), assigner: b"00A037EB2175780F".to_vec() }
}

fn start(number: &str, time: &str) -> AlertReport {
    let (event, phase) = (b"196670".to_vec(), b"start".to_vec());
    let key = AlertKey { filler: filler(number), event, phase, time: time.into(), equipment: Vec::new() };
    AlertReport { key, continues: None, device: Vec::new() }
}

/// A report with the number `number`, which continues the alert with the number `of`.
fn later(phase: &str, number: &str, of: &str, time: &str) -> AlertReport {
    let key = AlertKey { phase: phase.into(), ..start(number, time).key };
    AlertReport { key, continues: Some(filler(of)), device: Vec::new() }
}

/// A message with this report, whose bytes differ from those of any other message.
fn reporting(place: &TestStore, control_id: &str, report: &AlertReport) -> MessageRecord {
    let raw: &'static str = format!("MSH|{control_id}").leak();
    let transaction = Some("PCD-04".to_owned());
    MessageRecord { transaction, alerts: vec![report.clone()], ..place.record(control_id, raw.as_bytes()) }
}

async fn report(store: &Store, place: &TestStore, control_id: &str, report: &AlertReport) -> MessageId {
    let record = reporting(place, control_id, report);
    assert_eq!(store.record(record.clone()).await.unwrap(), RecordOutcome::Stored(record.id));
    record.id
}

async fn first(store: &Store, report: &AlertReport) -> Option<String> {
    let origin = store.alert_origin(&"PUMP-1".parse().unwrap(), &report.key).await.unwrap();
    origin.map(|origin| origin.control_id)
}

async fn a_resent_report_keeps_the_control_id_of_its_first_message(place: TestStore) {
    let store = place.open().await;
    let alert = start("E1", "t1");
    assert_eq!(first(&store, &alert).await, None);
    let id = report(&store, &place, "A-1", &alert).await;
    report(&store, &place, "A-2", &alert).await;
    // The same bytes are a resend: nothing is written.
    let resend = MessageRecord { id: place.record("", b"").id, ..reporting(&place, "A-2", &alert) };
    assert!(matches!(store.record(resend).await.unwrap(), RecordOutcome::Resend { .. }));
    let expected = AlertOrigin { message: id, control_id: "A-1".to_owned() };
    let device = DeviceId::parse("PUMP-1").unwrap();
    assert_eq!(store.alert_origin(&device, &alert.key).await.unwrap(), Some(expected.clone()));
    // The same after a restart.
    store.close().await;
    assert_eq!(place.open().await.alert_origin(&device, &alert.key).await.unwrap(), Some(expected));
}

async fn every_phase_of_an_alert_refers_to_its_first_message(place: TestStore) {
    let store = place.open().await;
    let chain = [
        start("E1", "t1"),
        // With the same number, with another number, and with the previous report as its parent.
        later("continue", "E1", "E1", "t2"),
        later("update", "E2", "E1", "t3"),
        later("end", "E3", "E2", "t4"),
    ];
    for (n, alert) in chain.iter().enumerate() {
        report(&store, &place, &format!("A-{n}"), alert).await;
    }
    for alert in &chain {
        assert_eq!(first(&store, alert).await.as_deref(), Some("A-0"), "{alert:?}");
    }
    // If the beginning of an alert was not received, its first received report is the origin.
    let unheard = later("end", "E9", "E8", "t5");
    report(&store, &place, "A-9", &unheard).await;
    assert_eq!(first(&store, &unheard).await.as_deref(), Some("A-9"));
}

async fn a_reused_number_is_another_alert(place: TestStore) {
    let store = place.open().await;
    let (old, new) = (start("1", "t1"), start("1", "t3"));
    report(&store, &place, "OLD", &old).await;
    report(&store, &place, "NEW", &new).await;
    // A resent report of the old alert does not make it the last one.
    report(&store, &place, "OLD-AGAIN", &old).await;
    let end = later("end", "1", "1", "t4");
    report(&store, &place, "END", &end).await;
    assert_eq!(first(&store, &old).await.as_deref(), Some("OLD"));
    assert_eq!(first(&store, &new).await.as_deref(), Some("NEW"));
    assert_eq!(first(&store, &end).await.as_deref(), Some("NEW"));
}

async fn an_alert_with_a_number_of_another_device_behind_the_gateway_is_another_one(place: TestStore) {
    let store = place.open().await;
    let of = |bed: &str, report: AlertReport| AlertReport {
        key: AlertKey { equipment: bed.into(), ..report.key },
        device: bed.into(),
        ..report
    };
    let [one, two] = ["BED-1", "BED-2"].map(|bed| of(bed, start("1", "t1")));
    report(&store, &place, "ONE", &one).await;
    report(&store, &place, "TWO", &two).await;
    for (bed, first_of) in [("BED-1", "ONE"), ("BED-2", "TWO")] {
        let end = of(bed, later("end", "1", "1", "t2"));
        report(&store, &place, &format!("END-{bed}"), &end).await;
        assert_eq!(first(&store, &end).await.as_deref(), Some(first_of), "{bed}");
    }
    // A later phase that names no device is one of the latest alert.
    let update = later("update", "1", "1", "t3");
    report(&store, &place, "UPDATE", &update).await;
    assert_eq!(first(&store, &update).await.as_deref(), Some("TWO"));
    report(&store, &place, "ONE-AGAIN", &one).await;
    let end = later("end", "1", "1", "t4");
    report(&store, &place, "END-UNNAMED", &end).await;
    assert_eq!(first(&store, &end).await.as_deref(), Some("TWO"), "sent again");
    // A beginning that names no device may be that of any.
    report(&store, &place, "UNNAMED", &start("7", "t1")).await;
    let end = of("BED-1", later("end", "7", "7", "t2"));
    report(&store, &place, "END-7", &end).await;
    assert_eq!(first(&store, &end).await.as_deref(), Some("UNNAMED"));
    // One of another device is none.
    report(&store, &place, "FIVE", &of("BED-1", start("5", "t1"))).await;
    let end = of("BED-3", later("end", "5", "5", "t2"));
    report(&store, &place, "END-5", &end).await;
    assert_eq!(first(&store, &end).await.as_deref(), Some("END-5"));
}

async fn the_same_alert_of_another_device_is_another_alert(place: TestStore) {
    let store = place.open().await;
    let alert = start("1", "t1");
    report(&store, &place, "ONE", &alert).await;
    let device: DeviceId = "PUMP-2".parse().unwrap();
    let other = MessageRecord { device: device.clone(), ..reporting(&place, "OTHER", &alert) };
    store.record(other).await.unwrap();
    assert_eq!(first(&store, &alert).await.as_deref(), Some("ONE"));
    let origin = store.alert_origin(&device, &alert.key).await.unwrap().unwrap();
    assert_eq!(origin.control_id, "OTHER");
}

async fn the_first_report_of_a_batch_is_the_origin(place: TestStore) {
    let store = place.open().await;
    let (begin, end) = (start("1", "t1"), later("end", "1", "1", "t2"));
    let records: Vec<_> =
        (0..40).map(|n| reporting(&place, &format!("B-{n}"), if n < 20 { &begin } else { &end })).collect();
    for outcome in join_all(records.into_iter().map(|record| store.record(record))).await {
        assert!(matches!(outcome.unwrap(), RecordOutcome::Stored(_)));
    }
    assert_eq!(first(&store, &begin).await.as_deref(), Some("B-0"));
    assert_eq!(first(&store, &end).await.as_deref(), Some("B-0"));
}

async fn a_rejected_message_is_not_the_origin_of_an_alert(place: TestStore) {
    let store = place.open().await;
    let alert = start("1", "t1");
    let verdict = Verdict::Rejected { code: "identity-mismatch".to_owned() };
    store.record(MessageRecord { verdict, ..reporting(&place, "R-1", &alert) }).await.unwrap();
    assert_eq!(first(&store, &alert).await, None);
    report(&store, &place, "R-2", &alert).await;
    assert_eq!(first(&store, &alert).await.as_deref(), Some("R-2"));
}

async fn an_alert_is_known_as_long_as_one_of_its_messages_is_stored(place: TestStore) {
    let store = place.open().await;
    // Identifiers from the test's clock, in the order of the messages.
    let record = |n: u64, control_id: &str, report: &AlertReport| MessageRecord {
        id: {
            let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
            MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(n)).to_be_bytes())
        },
        ..reporting(&place, control_id, report)
    };
    let (begin, end, over) = (start("1", "t1"), later("end", "1", "1", "t2"), start("2", "t1"));
    store.record(record(1, "A-1", &begin)).await.unwrap();
    store.record(record(2, "A-2", &over)).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    let first_minute = place.clock.now();
    store.record(record(3, "A-3", &end)).await.unwrap();
    assert_eq!(store.prune_messages(first_minute, &Repeating).await.unwrap(), 2);
    // The first message is deleted; a PCD-05 must still refer to its control id.
    assert_eq!(first(&store, &end).await.as_deref(), Some("A-1"));
    assert_eq!((first(&store, &begin).await, first(&store, &over).await), (None, None));
    // A resent report is retained as long as the message that resent it.
    place.clock.advance(Duration::from_secs(60));
    let second_minute = place.clock.now();
    store.record(record(4, "A-4", &end)).await.unwrap();
    assert_eq!(store.prune_messages(second_minute, &Repeating).await.unwrap(), 1);
    assert_eq!(first(&store, &end).await.as_deref(), Some("A-1"));
    assert_eq!(store.prune_messages(second_minute + Duration::from_secs(1), &Repeating).await.unwrap(), 1);
    assert_eq!(first(&store, &end).await, None);
}

async fn alerts_are_recorded_in_a_store_of_an_earlier_version(place: TestStore) {
    const EARLIER: Option<i64> = Some(22);
    if !place.is_postgres() {
        std::fs::write(place.path(), b"").unwrap();
    }
    match &mut place.connect_directly().await {
        DirectConnection::Sqlite(connection) => {
            sqlite::migrator::MIGRATOR.run_direct(EARLIER, connection, false).await.unwrap()
        }
        DirectConnection::Postgres(connection) => {
            postgres::schema::MIGRATOR.run_direct(EARLIER, connection, false).await.unwrap()
        }
    }
    let store = place.open().await;
    let alert = start("1", "t1");
    report(&store, &place, "AFTER", &alert).await;
    assert_eq!(first(&store, &alert).await.as_deref(), Some("AFTER"));
    assert_eq!(store.messages(&ANY).await.unwrap().len(), 1);
}

/// IHE PCD TF vol. 2, B.7, OBR-29: the number of an alert that is not known becomes the alert's.
async fn reports_of_an_alert_whose_onset_was_not_received_are_one_alert(place: TestStore) {
    let store = place.open().await;
    let reports = [
        later("continue", "E2", "E1", "t2"),
        later("update", "E3", "E1", "t3"),
        // By the number of the previous report.
        later("end", "E4", "E3", "t4"),
    ];
    for (n, alert) in reports.iter().enumerate() {
        report(&store, &place, &format!("A-{n}"), alert).await;
    }
    for alert in &reports {
        assert_eq!(first(&store, alert).await.as_deref(), Some("A-0"), "{alert:?}");
    }
    // The onset comes late, or the number is used again: another alert, which later reports continue.
    let onset = start("E1", "t5");
    report(&store, &place, "B-1", &onset).await;
    let end = later("end", "E5", "E1", "t6");
    report(&store, &place, "B-2", &end).await;
    assert_eq!(first(&store, &onset).await.as_deref(), Some("B-1"));
    assert_eq!(first(&store, &end).await.as_deref(), Some("B-1"));
}

async fn an_alert_with_other_numbers_is_known_as_long_as_it_is_reported(place: TestStore) {
    let store = place.open().await;
    let record = |n: u64, control_id: &str, report: &AlertReport| MessageRecord {
        id: {
            let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
            MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(n)).to_be_bytes())
        },
        ..reporting(&place, control_id, report)
    };
    store.record(record(1, "A-1", &start("E1", "t1"))).await.unwrap();
    for n in 2..5 {
        place.clock.advance(Duration::from_secs(60));
        let report = later("continue", &format!("E{n}"), "E1", &format!("t{n}"));
        store.record(record(n, &format!("A-{n}"), &report)).await.unwrap();
        assert_eq!(store.prune_messages(place.clock.now(), &Repeating).await.unwrap(), 1);
        assert_eq!(first(&store, &report).await.as_deref(), Some("A-1"), "{n}");
    }
}

async fn alerts_of_an_earlier_version_continue(place: TestStore) {
    use crate::store::records::alert::{former_filler_digest, former_report_digest};
    let store = place.open().await;
    let onset = start("E1", "t1");
    let id = report(&store, &place, "A-1", &onset).await;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let literal = |bytes: &[u8]| match place.is_postgres() {
        true => format!("'\\x{}'::bytea", hex(bytes)),
        false => format!("x'{}'", hex(bytes)),
    };
    let (key, filler) = (former_report_digest(&onset.key), former_filler_digest(&onset.key.filler));
    let former = format!("UPDATE alert_report SET report = {}, filler = {}", literal(&key), literal(&filler));
    place.execute(&former).await.unwrap();
    let device = DeviceId::parse("PUMP-1").unwrap();
    let expected = AlertOrigin { message: id, control_id: "A-1".to_owned() };
    assert_eq!(store.alert_origin(&device, &onset.key).await.unwrap(), Some(expected));
    for end in [later("end", "E1", "E1", "t2"), later("end", "E2", "E1", "t3")] {
        report(&store, &place, &format!("END-{}", end.key.filler), &end).await;
        assert_eq!(first(&store, &end).await.as_deref(), Some("A-1"));
    }
}
