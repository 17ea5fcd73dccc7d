use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::audit::MessageKind;
use crate::audit::fixtures::Repeating;
use crate::config::Config;
use crate::fhir::{Options, Resource};
use crate::model::MessageId;
use crate::render::{Found, Renderer};
use crate::store::fixtures::{TestStore, battery};
use crate::store::{GroupRow, MessageRecord, Reconsideration, ReportKind, ResourcesOf};

battery! {
    each_accepted_message_is_indexed_once,
    a_batch_that_was_written_already_writes_nothing,
    a_former_leader_writes_nothing,
    a_rebuild_gives_the_same_bytes,
    what_another_mapping_changes_has_a_new_version,
    what_another_mapping_changes_of_a_device_that_sends_no_more_is_found,
    retention_removes_the_index_with_the_messages,
    large_messages_with_ids_in_another_order_than_the_trail_are_indexed,
    what_is_new_is_indexed_beside_what_is_indexed_again,
    the_end_of_an_alert_counts_after_the_clock_was_put_back,
    a_content_that_was_replaced_is_not_found_by_its_keys,
    the_newest_observations_of_a_patient_come_first,
    the_last_report_of_an_alert_replaces_the_others,
    an_earlier_report_of_an_alert_replaces_no_later_one,
    settings_that_change_what_readers_get_make_changes,
}

mod notifications;

const MONITOR: &str = "00A037FFFE000001";

fn projector(place: &TestStore, store: Store) -> Projector {
    let config: Config = toml::from_str("[fhir]\nenabled = true").unwrap();
    Projector {
        config: Arc::new(ArcSwap::from_pointee(config)),
        store,
        clients: RegistryHandle::default(),
        metrics: Metrics::new().unwrap(),
        clock: place.clock.clone(),
        status: ProjectionStatus::default(),
    }
}

/// Projects until nothing is left.
async fn project_all(projector: &Projector) {
    projector.project_all().await;
}

/// A message of PCD-01 with the saturation of a patient, measured at a minute of the hour.
fn measured(place: &TestStore, number: usize, patient: &str, minute: u32) -> MessageRecord {
    let text = format!(
        "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R01^ORU_R01|{number}|P|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r\
         PID|||{patient}^^^HOSP^MR||Doe^Jane\r\
         OBR|1||{number}^^{MONITOR}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||2026010112{minute:02}00+0000\r\
         OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{MONITOR}^^{MONITOR}^EUI-64\r\
         OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|{number}|262688^MDC_DIM_PERCENT^MDC|||||R\r"
    );
    MessageRecord { raw: Bytes::from(text), ..place.record(&number.to_string(), b"") }
}

/// A report of one alert.
fn report(place: &TestStore, number: usize, phase: &str) -> MessageRecord {
    let text = format!(
        "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R40^ORU_R40|{number}|P|2.6|||AL|NE|||||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO\r\
         PID|||4711^^^HOSP^MR\r\
         OBR|1||A1^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000\r\
         OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196670^MDC_EVT_LO^MDC|||PH~SP|||F|||20260101120000+0000||||{MONITOR}^^{MONITOR}^EUI-64\r\
         OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|{phase}||||||F\r\
         OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|active||||||F\r"
    );
    MessageRecord { raw: Bytes::from(text), ..place.record(&number.to_string(), b"") }
}

/// Gives the record an id of the time of the test's clock: generated ones never go back behind those of
/// another test.
fn with_id(record: MessageRecord) -> MessageRecord {
    let milliseconds = u128::try_from(record.received_at.as_millisecond()).unwrap();
    let id = MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62).to_be_bytes());
    MessageRecord { id, ..record }
}

/// The resources of a read as JSON, one a line.
async fn newest(store: &Store, reference: &str) -> Vec<String> {
    let renderer = Renderer::new(store, Options::default()).await.unwrap();
    let found = renderer.newest(reference, 100).await.unwrap();
    found.iter().map(|(resource, _)| serde_json::to_string(resource).unwrap()).collect()
}

async fn read(store: &Store, reference: &str) -> Option<String> {
    match Renderer::new(store, Options::default()).await.unwrap().read(reference).await.unwrap() {
        Found::Resource(seen) => Some(serde_json::to_string(&seen.resource).unwrap()),
        Found::Gone => Some("gone".to_owned()),
        Found::Nothing => None,
    }
}

/// `Patient/ID` of the patient of a message, and `Device/ID`.
async fn references(store: &Store, message: MessageId) -> (String, String) {
    let group = store.groups_of_messages(&[message]).await.unwrap().remove(0);
    (group.subject, group.device)
}

async fn each_accepted_message_is_indexed_once(place: TestStore) {
    let store = place.open().await;
    let accepted = measured(&place, 1, "4711", 1);
    let rejected =
        MessageRecord { verdict: place.rejected("2", b"").verdict, ..measured(&place, 2, "4711", 2) };
    store.record(accepted.clone()).await.unwrap();
    store.record(rejected.clone()).await.unwrap();
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    assert_eq!(store.groups_of_messages(&[accepted.id]).await.unwrap().len(), 1);
    assert_eq!(store.groups_of_messages(&[rejected.id]).await.unwrap(), []);
    let (patient, device) = references(&store, accepted.id).await;
    assert_eq!((newest(&store, &patient).await.len(), newest(&store, &device).await.len()), (1, 1));
    // What is accepted later is indexed then, and once.
    let reconsideration = Reconsideration {
        original: rejected.id,
        rejection: "identity-mismatch".to_owned(),
        actor: "alice".to_owned(),
    };
    let later =
        MessageRecord { reconsideration: Some(Box::new(reconsideration)), ..measured(&place, 2, "4711", 2) };
    store.record(later.clone()).await.unwrap();
    project_all(&projector).await;
    project_all(&projector).await;
    assert_eq!(newest(&store, &patient).await.len(), 2);
    assert_eq!(store.groups_of_messages(&[later.id]).await.unwrap().len(), 1);
    assert_eq!(store.groups_of_messages(&[rejected.id]).await.unwrap(), []);
    let id = format!("Observation/{}.2", later.id);
    assert!(read(&store, &id).await.unwrap().contains("\"value\":2,"));
    assert_eq!(read(&store, &format!("Observation/{}.2", rejected.id)).await, None);
    assert_eq!((projector.metrics.fhir.messages_total.get(), projector.status.lag(store.now())), (2, None));
}

/// A batch that moves the position of the node from the beginning, with one group.
fn batch(store: &Store, leader: ProjectionLeader, message: MessageId, to: u64) -> Projection {
    let group = GroupRow {
        message,
        subject: "Device/x".to_owned(),
        device: "Device/x".to_owned(),
        alert: None,
        part: 0,
        at: Timestamp::UNIX_EPOCH,
        hash: 1,
        version: 1,
        kind: ReportKind::Timed,
    };
    let resource = crate::store::ResourceRow {
        reference: "Device/x".to_owned(),
        message,
        hash: 1,
        yields: false,
        report: None,
        keys: Vec::new(),
    };
    let (from, to) =
        (ProjectedTo::default(), ProjectedTo { number: to, revision: 1, ..ProjectedTo::default() });
    let (node, at) = (store.node().clone(), leader.last_at);
    let (resources, groups) = (vec![resource], vec![group]);
    Projection { node, from, to, leader, at, resources, groups, stale: Vec::new() }
}

async fn a_batch_that_was_written_already_writes_nothing(place: TestStore) {
    let store = place.open().await;
    let leader = store.lead_projection().await.unwrap().unwrap();
    let [one, other] = [measured(&place, 1, "1", 1).id, measured(&place, 2, "1", 1).id];
    assert!(store.project(batch(&store, leader.clone(), one, 5)).await.unwrap());
    // A commit in doubt is tried again; and a process that was killed begins where the position is.
    assert!(!store.project(batch(&store, leader.clone(), one, 5)).await.unwrap());
    let known = store.projection_leader().await.unwrap();
    assert!(!store.project(batch(&store, known, other, 9)).await.unwrap(), "the position has moved");
    assert_eq!(store.groups_of_messages(&[other]).await.unwrap(), []);
    let position = store.projected_to().await.unwrap();
    assert_eq!(position[store.node().as_str()].number, 5);
}

async fn a_former_leader_writes_nothing(place: TestStore) {
    let (store, other) = (place.open_as("here").await, place.open_as("there").await);
    let paused = store.lead_projection().await.unwrap().unwrap();
    assert_eq!(other.lead_projection().await.unwrap(), None, "its time is not over");
    place.execute("UPDATE fhir_leader SET until = 0").await.unwrap();
    let leader = other.lead_projection().await.unwrap().unwrap();
    assert!(leader.fence > paused.fence);
    let message = measured(&place, 1, "1", 1).id;
    assert!(!store.project(batch(&store, paused.clone(), message, 5)).await.unwrap());
    assert!(!store.renew_projection(&paused, true).await.unwrap());
    assert_eq!(store.groups_of_messages(&[message]).await.unwrap(), []);
    assert_eq!(store.projected_to().await.unwrap().len(), 0);
    assert!(other.project(batch(&store, leader, message, 5)).await.unwrap());
    // A new process of the same node takes over at once.
    assert!(other.lead_projection().await.unwrap().is_some());
}

async fn a_rebuild_gives_the_same_bytes(place: TestStore) {
    let store = place.open().await;
    let mut last = MessageId::at(place.clock.now());
    for number in 1..=20 {
        let record = measured(&place, number, "4711", u32::try_from(number).unwrap());
        last = record.id;
        store.record(record).await.unwrap();
        store.record(report(&place, 100 + number, if number == 20 { "end" } else { "start" })).await.unwrap();
        place.clock.advance(Duration::from_secs(120));
    }
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    let (patient, device) = references(&store, last).await;
    let all = async || {
        let resources = [read(&store, &patient).await, read(&store, &device).await];
        (newest(&store, &patient).await, newest(&store, &device).await, resources)
    };
    let before = all().await;
    assert_eq!(before.0.len(), 21, "{:#?}", before.0);
    place.clock.advance(Duration::from_secs(3600));
    store.rebuild_projection().await.unwrap();
    assert_eq!(all().await, before, "it is there while it is written again");
    project_all(&projector).await;
    assert_eq!(all().await, before);
    assert_eq!(projector.metrics.fhir.messages_total.get(), 80, "each of 40 messages was mapped twice");
}

async fn what_another_mapping_changes_has_a_new_version(place: TestStore) {
    let store = place.open().await;
    let [one, other] = [measured(&place, 1, "1", 1), measured(&place, 2, "1", 2)];
    for record in [&one, &other] {
        store.record(record.clone()).await.unwrap();
    }
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    let groups = async |id| store.groups_of_messages(&[id]).await.unwrap().remove(0);
    let before = (groups(one.id).await, groups(other.id).await);
    let (patient, _) = references(&store, one.id).await;
    // As if the mapping of an earlier revision had made something else of the second message and the patient.
    place.execute("UPDATE fhir_position SET revision = 0").await.unwrap();
    let seq = before.1.seq;
    place.execute(&format!("UPDATE fhir_group SET hash = 7, revision = 0 WHERE seq = {seq}")).await.unwrap();
    place.execute("UPDATE fhir_resource SET hash = 7 WHERE reference LIKE 'Patient/%'").await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    project_all(&projector).await;
    assert_eq!(groups(one.id).await, before.0, "what is the same stays");
    let changed = groups(other.id).await;
    assert!(changed.seq > before.1.seq && changed.projected_at >= before.1.projected_at);
    assert_eq!(changed.version, u64::from(crate::fhir::REVISION));
    assert!(read(&store, &patient).await.unwrap().contains("\"versionId\":\"2\""));
    assert_eq!(newest(&store, &patient).await.len(), 2);
}

// The index takes a newer message for what does not change each ten minutes: not the same ones each time.
async fn what_another_mapping_changes_of_a_device_that_sends_no_more_is_found(place: TestStore) {
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    let (mut run, mut ids) = (Run::default(), Vec::new());
    for minute in 1..=30 {
        let record = with_id(measured(&place, minute, "4711", 1));
        ids.push(record.id);
        store.record(record).await.unwrap();
        if minute == 5 {
            run = Run::default();
        }
        while projector.round(&mut run).await.unwrap() != Round::Done {}
        place.clock.advance(Duration::from_secs(60));
    }
    place.execute("UPDATE fhir_resource SET hash = 7").await.unwrap();
    place.execute("UPDATE fhir_position SET revision = 0").await.unwrap();
    project_all(&projector).await;
    let resources = store.resources_of_messages(&ids).await.unwrap();
    assert!(resources.len() > 2, "patient, device and metric: {resources:?}");
    assert!(resources.iter().all(|(_, _, hash)| *hash != 7), "{resources:?}");
}

async fn retention_removes_the_index_with_the_messages(place: TestStore) {
    let store = place.open().await;
    let old = with_id(measured(&place, 1, "1", 1));
    store.record(old.clone()).await.unwrap();
    place.clock.advance(Duration::from_secs(7200));
    let new = with_id(measured(&place, 2, "1", 2));
    store.record(new.clone()).await.unwrap();
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    let (patient, device) = references(&store, new.id).await;
    assert_eq!(newest(&store, &patient).await.len(), 2);
    let before = place.clock.now() - SignedDuration::from_hours(1);
    assert_eq!(store.prune_messages(before, &Repeating).await.unwrap(), 1);
    assert_eq!(newest(&store, &patient).await.len(), 1);
    assert_eq!(store.groups_of_messages(&[old.id]).await.unwrap(), []);
    assert_eq!(read(&store, &format!("Observation/{}.2", old.id)).await.as_deref(), Some("gone"));
    assert!(
        read(&store, &device).await.unwrap().contains(&new.id.to_string()),
        "rendered from what is there"
    );
    // A rebuild has no message for the row of the trail, which stays.
    store.rebuild_projection().await.unwrap();
    project_all(&projector).await;
    assert_eq!(newest(&store, &patient).await.len(), 1);
    assert_eq!(projector.metrics.fhir.skipped_total.with_label_values(&["gone"]).get(), 1);
}

/// Ids are made at arrival and rows of the trail at the commit: a small message passes the backlog of a
/// device that has sent more than is read at once.
async fn large_messages_with_ids_in_another_order_than_the_trail_are_indexed(place: TestStore) {
    let store = place.open().await;
    let id = |number: u128| {
        let milliseconds = u128::try_from(place.clock.now().as_millisecond()).unwrap();
        MessageId::from_bytes(((milliseconds << 80 | 7 << 76 | 2 << 62) + number).to_be_bytes())
    };
    let small = MessageRecord { id: id(1000 << 80), ..measured(&place, 99, "4711", 59) };
    store.record(small.clone()).await.unwrap();
    let text = format!("NTE|1||{}\r", "x".repeat(600_000));
    let mut large = Vec::new();
    for number in 1..=16_u32 {
        let record = measured(&place, usize::try_from(number).unwrap(), "4711", number);
        let raw = Bytes::from([&*record.raw, text.as_bytes()].concat());
        large.push(id(number.into()));
        store.record(MessageRecord { id: id(number.into()), raw, ..record }).await.unwrap();
    }
    let projector = projector(&place, store.clone());
    project_all(&projector).await;
    for message in large.iter().copied().chain([small.id]) {
        assert_eq!(store.groups_of_messages(&[message]).await.unwrap().len(), 1, "{message}");
    }
    // Retention does not remove all of them in the order of their ids.
    place.clock.advance(Duration::from_secs(60));
    let (from, before) = (Some(small.id.time()), place.clock.now());
    assert_eq!(store.prune_messages_of(MessageKind::Any, from, before, &Repeating).await.unwrap(), 1);
    store.rebuild_projection().await.unwrap();
    project_all(&projector).await;
    assert_eq!(projector.metrics.fhir.skipped_total.with_label_values(&["gone"]).get(), 1);
    assert_eq!(store.projected_to().await.unwrap()[store.node().as_str()].left(), 0);
}

/// The index may need hours for what is stored: what devices send meanwhile is read at once.
async fn what_is_new_is_indexed_beside_what_is_indexed_again(place: TestStore) {
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    for number in 1..=620 {
        store.record(measured(&place, number, "4711", 1)).await.unwrap();
    }
    project_all(&projector).await;
    let node = store.node().to_string();
    let mut run = Run::default();
    let mut number = 620;
    for request in ["fhir rebuild", "another mapping"] {
        match request {
            "fhir rebuild" => store.rebuild_projection().await.unwrap(),
            _ => place.execute("UPDATE fhir_position SET revision = 1").await.unwrap(),
        }
        number += 1;
        let new = measured(&place, number, "0815", 2);
        store.record(new.clone()).await.unwrap();
        projector.round(&mut run).await.unwrap();
        assert_eq!(store.groups_of_messages(&[new.id]).await.unwrap().len(), 1, "{request}");
        let position = store.projected_to().await.unwrap()[&node];
        assert!(position.left() > 0, "{request}: {position:?}");
        let status = IndexStatus::read(&store, &projector.config.load()).await.unwrap();
        assert_eq!((status.nodes[0].left, status.nodes[0].waiting_since), (position.left(), None));
        // A kill in between begins where both positions are.
        run = Run::default();
        let before = projector.metrics.fhir.messages_total.get();
        project_all(&projector).await;
        let position = store.projected_to().await.unwrap()[&node];
        assert_eq!(
            (position.left(), position.number),
            (0, store.chain_end(store.node()).await.unwrap().number)
        );
        let again = projector.metrics.fhir.messages_total.get() - before;
        assert!(again < 620, "{request}: {again} of them, as the first were projected before");
    }
}

/// MSH-7 without a zone in the hour in which the clocks change, or a clock that is corrected.
async fn the_end_of_an_alert_counts_after_the_clock_was_put_back(place: TestStore) {
    let at = |number, phase, minute: u32, alert: &str| {
        let record = report(&place, number, phase);
        let text = String::from_utf8(record.raw.to_vec()).unwrap();
        let text = text.replace("20260101120000", &format!("2026010112{minute:02}00"));
        MessageRecord { raw: Bytes::from(text.replace("|A1^M^", &format!("|{alert}^M^"))), ..record }
    };
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    // One a batch, and all in one.
    let (start, end) = (at(1, "start", 30, "A1"), at(2, "end", 20, "A1"));
    for record in [start, end.clone()] {
        store.record(record).await.unwrap();
        project_all(&projector).await;
    }
    for record in [at(3, "start", 30, "A2"), at(4, "end", 20, "A2")] {
        store.record(record).await.unwrap();
    }
    project_all(&projector).await;
    let (patient, _) = references(&store, end.id).await;
    let ended = newest(&store, &patient).await;
    assert!(ended.len() == 2 && ended.iter().all(|it| it.contains("\"status\":\"final\"")), "{ended:#?}");
    store.rebuild_projection().await.unwrap();
    project_all(&projector).await;
    assert_eq!(newest(&store, &patient).await, ended, "a rebuild changes nothing");
    // What was sent again does not begin it again.
    store.record(at(5, "continue", 10, "A1")).await.unwrap();
    project_all(&projector).await;
    assert_eq!(newest(&store, &patient).await, ended);
}

/// A name may have a number that changes with each message.
async fn a_content_that_was_replaced_is_not_found_by_its_keys(place: TestStore) {
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    let keys = async || {
        let rows = store.resource_page(&ResourcesOf::All("Device/"), None, 10).await.unwrap();
        let mut keys = 0;
        for word in ["T1", "T2", "T3"] {
            let hash = crate::fhir::search::key(crate::fhir::search::ResourceType::Device, "type", word);
            keys += store.resource_page(&ResourcesOf::Key(hash), None, 10).await.unwrap().len();
        }
        (rows.len(), keys)
    };
    for number in 1..=3 {
        let record = measured(&place, number, "4711", 1);
        let text = String::from_utf8(record.raw.to_vec()).unwrap();
        let text = text.replace(
            "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|",
            &format!("OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC^T{number}^Type^L|"),
        );
        store.record(MessageRecord { raw: Bytes::from(text), ..record }).await.unwrap();
        project_all(&projector).await;
        assert_eq!(keys().await, (1, 1), "{number}");
    }
}

async fn the_newest_observations_of_a_patient_come_first(place: TestStore) {
    let store = place.open().await;
    // A monitor sends what it has kept: the order of arrival is not that of the measurements.
    let mut ids = Vec::new();
    for (number, minute) in [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)] {
        let record = measured(&place, number, "4711", minute);
        ids.push(record.id);
        store.record(record).await.unwrap();
    }
    store.record(measured(&place, 6, "0815", 59)).await.unwrap();
    project_all(&projector(&place, store.clone())).await;
    let (patient, device) = references(&store, ids[0]).await;
    let renderer = Renderer::new(&store, Options::default()).await.unwrap();
    let values = async |reference: &str, count| -> Vec<String> {
        let found = renderer.newest(reference, count).await.unwrap();
        let number = |(resource, _): &(Resource, MessageId)| {
            let json = serde_json::to_value(resource).unwrap();
            json["valueQuantity"]["value"].to_string()
        };
        found.iter().map(number).collect()
    };
    assert_eq!(values(&patient, 3).await, ["3", "5", "1"]);
    assert_eq!(values(&patient, 100).await, ["3", "5", "1", "4", "2"], "of this patient alone");
    assert_eq!(values(&device, 2).await, ["6", "3"]);
    assert_eq!(values("Patient/0", 3).await, Vec::<String>::new());
}

async fn the_last_report_of_an_alert_replaces_the_others(place: TestStore) {
    let store = place.open().await;
    for (number, phase) in [(1, "start"), (2, "continue"), (3, "end")] {
        store.record(report(&place, number, phase)).await.unwrap();
        project_all(&projector(&place, store.clone())).await;
    }
    let first = store.latest_groups("Device/none", None, 1).await.unwrap();
    assert_eq!(first, []);
    let last = store.messages(&crate::store::MessageFilter { limit: 1, ..any() }).await.unwrap().remove(0);
    let (patient, _) = references(&store, last.id).await;
    let found = newest(&store, &patient).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("\"status\":\"final\"") && found[0].contains(&last.id.to_string()));
    let group = store.groups_of_messages(&[last.id]).await.unwrap().remove(0);
    let alert = read(&store, &group.alert.unwrap()).await.unwrap();
    assert!(alert.contains("\"versionId\":\"3\""), "{alert}");
}

/// Devices send again what was not acknowledged, and operators accept later what was rejected: an alert that
/// has ended does not go on.
async fn an_earlier_report_of_an_alert_replaces_no_later_one(place: TestStore) {
    let store = place.open().await;
    let at = |number, phase, minute: u32| {
        let record = report(&place, number, phase);
        let text = String::from_utf8(record.raw.to_vec()).unwrap();
        let raw = Bytes::from(text.replace("20260101120000", &format!("2026010112{minute:02}00")));
        MessageRecord { raw, ..record }
    };
    let projector = projector(&place, store.clone());
    let start = at(1, "start", 1);
    let rejected = MessageRecord { verdict: place.rejected("1", b"").verdict, ..start.clone() };
    store.record(rejected.clone()).await.unwrap();
    let end = at(2, "end", 5);
    store.record(end.clone()).await.unwrap();
    project_all(&projector).await;
    let (patient, _) = references(&store, end.id).await;
    let ended = newest(&store, &patient).await;
    assert!(ended.len() == 1 && ended[0].contains("\"status\":\"final\""), "{ended:?}");
    let reconsideration = Reconsideration {
        original: rejected.id,
        rejection: "identity-mismatch".to_owned(),
        actor: "alice".to_owned(),
    };
    let later = MessageId::at(place.clock.now() + SignedDuration::from_hours(1));
    let start = MessageRecord { id: later, reconsideration: Some(Box::new(reconsideration)), ..start };
    for record in [start, at(3, "continue", 3)] {
        store.record(record).await.unwrap();
        project_all(&projector).await;
        assert_eq!(newest(&store, &patient).await, ended);
    }
    store.rebuild_projection().await.unwrap();
    project_all(&projector).await;
    assert_eq!(newest(&store, &patient).await, ended);
    // The same in one batch.
    let other = |record: MessageRecord| {
        let text = String::from_utf8(record.raw.to_vec()).unwrap().replace("|A1^M^", "|A2^M^");
        MessageRecord { raw: Bytes::from(text), ..record }
    };
    for record in [at(5, "end", 5), at(6, "start", 1), at(7, "continue", 3)] {
        store.record(other(record)).await.unwrap();
    }
    project_all(&projector).await;
    let found = newest(&store, &patient).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|alert| alert.contains("\"status\":\"final\"")), "{found:?}");
    // What is later counts, whatever its id.
    let again = MessageId::at(place.clock.now() - SignedDuration::from_hours(1));
    store.record(MessageRecord { id: again, ..at(4, "start", 9) }).await.unwrap();
    project_all(&projector).await;
    let found = newest(&store, &patient).await;
    assert!(found.len() == 2 && found[0].contains("\"status\":\"preliminary\""), "{found:?}");
}

/// Who follows changes learns that a value belongs to another patient, and each time that it does.
async fn settings_that_change_what_readers_get_make_changes(place: TestStore) {
    const ASSIGNED: &str = "assigners = [{ name = \"HOSP\", system = \"urn:oid:1.2.3\" }]";
    let store = place.open().await;
    let projector = projector(&place, store.clone());
    let record = measured(&place, 1, "4711", 1);
    store.record(record.clone()).await.unwrap();
    let mut seen = Vec::new();
    for settings in ["", ASSIGNED, "", ASSIGNED] {
        let config: Config = toml::from_str(&format!("[fhir]\nenabled = true\n{settings}")).unwrap();
        projector.config.store(Arc::new(config));
        place.clock.advance(Duration::from_secs(60));
        project_all(&projector).await;
        let groups = store.groups_of_messages(&[record.id]).await.unwrap();
        assert_eq!(groups.len(), 1, "{groups:?}");
        place.clock.advance(Duration::from_secs(60));
        store.rebuild_projection().await.unwrap();
        project_all(&projector).await;
        assert_eq!(
            store.groups_of_messages(&[record.id]).await.unwrap(),
            groups,
            "a rebuild changes nothing"
        );
        seen.extend(groups);
    }
    for pair in seen.windows(2) {
        let [former, next] = pair else { unreachable!() };
        assert_ne!(former.subject, next.subject);
        assert!(next.seq > former.seq && next.projected_at > former.projected_at, "{seen:#?}");
        assert!(next.version > former.version, "another content has another ETag: {seen:#?}");
    }
}

fn any() -> crate::store::MessageFilter {
    crate::store::MessageFilter { limit: 1, ..crate::store::MessageFilter::default() }
}
