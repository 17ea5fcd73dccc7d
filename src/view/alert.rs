//! The alerts that a message reports, and the message that reported each of them first.

use std::collections::HashSet;

use jiff::tz::{Offset, TimeZone};
use serde::Serialize;

use super::alarm_device::AlarmDevices;
use super::sentence::{InWords, sentence};
use crate::hl7::{Message, MessageTime};
use crate::pcd::{
    Alert, AlertKey, AlertReport, Facet, Filler, KnownPatient, Patients, Standing, Transaction,
};
use crate::store::{Store, StoreError, StoredMessage};

/// An alert: what identifies it, and a sentence about it that names no patient.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportedAlert {
    /// The alert in words: event, value, limits, priority, type, phase, state; before them the device, where
    /// the message has alerts of several.
    pub sentence: String,
    /// The device that the alert is of, as the message names it, without the patient; null where it names
    /// none.
    pub equipment: Option<String>,
    /// OBR-3; empty when the alert cannot be identified.
    pub filler: String,
    /// The event phase; empty when the sender took it back or it has no valid value.
    pub phase: String,
    /// The same in words, with what else is stated or speaks against it.
    #[serde(skip)]
    pub phase_shown: String,
    /// OBX-14, or OBR-7, as it was sent.
    pub time: String,
    /// The same in RFC 3339; null when it is no time.
    pub event_time: Option<String>,
    /// Whether it was sent without a zone, so that one was assumed (`messages.zone`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub event_time_zone_assumed: bool,
    /// MSH-10 of the first message of the alert: the value that MSA-2 of a PCD-05 about it must have. Null
    /// when the alert is not recorded: its message was rejected, or it cannot be identified.
    pub first_control_id: Option<String>,
    /// The id of that message; retention may have removed it.
    pub first_message: Option<String>,
    /// Whether that message is this one.
    pub is_first: bool,
    /// Whether this message is no beginning of an alert, and the beginning is not known: it was not received,
    /// or not accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub onset_missing: bool,
    /// The number of the alert that the report continues (OBR-29.2), where it is another one than OBR-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
}

impl ReportedAlert {
    /// The alerts of a PCD-04; none for any other message. `zone` is that of times which state none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all_of(
        message: &StoredMessage,
        zone: &TimeZone,
        store: &Store,
    ) -> Result<Vec<Self>, StoreError> {
        let summary = &message.summary;
        if !is_alert(summary.transaction.as_deref()) {
            return Ok(Vec::new());
        }
        let Ok(parsed) = Message::parse(&message.raw) else { return Ok(Vec::new()) };
        let characters = parsed.text_encoding();
        let text = |bytes: &[u8]| characters.decode(bytes).into_owned();
        let has_zone = parsed.header().zone().is_some();
        let is_assumed =
            |time: &[u8]| !has_zone && MessageTime::parse(time).is_ok_and(|time| time.offset.is_none());
        // The number of an alert may be any text.
        let known_patient = KnownPatient::of(&parsed, characters);
        let zone = parsed.header().zone().map_or_else(|| zone.clone(), Offset::to_time_zone);
        let instant = |time: &[u8]| MessageTime::parse(time).ok()?.instant(&zone);
        let phase = |key: &AlertKey| known_patient.hide(text(&key.phase));
        let time = |key: &AlertKey| sent_time(&key.time, text(&key.time), &known_patient);
        let mut alerts = Vec::new();
        let all = Alert::all_of(&parsed);
        let sentences = Sentences::of(&parsed, &all, &known_patient);
        let onsets = onsets(&all);
        for alert in all.iter().take(AlertReport::MAX_PER_MESSAGE) {
            let report = alert.report();
            let parent = report.as_ref().and_then(|report| report.continues.clone());
            let begun = parent.clone().zip(report.as_ref().map(|report| report.device.clone()));
            let begins_here = begun.is_some_and(|begun| onsets.contains(&begun));
            let key = report.map(|report| report.key);
            let is_recorded = summary.verdict.rejection().is_none();
            let origin = match &key {
                Some(key) if is_recorded => store.alert_origin(&summary.device, key).await?,
                _ => None,
            };
            let number = |filler: &Filler| known_patient.hide(shown_number(filler));
            let is_first = origin.as_ref().is_some_and(|origin| origin.message == summary.id);
            let own = key.as_ref().map(|key| &key.filler);
            alerts.push(Self {
                sentence: sentences.sentence(alert),
                equipment: sentences.devices.name(alert),
                onset_missing: is_first && parent.is_some() && !begins_here,
                continues: parent.as_ref().filter(|parent| Some(*parent) != own).map(number),
                filler: own.map(number).unwrap_or_default(),
                phase: key.as_ref().filter(|_| has_phase(alert)).map(phase).unwrap_or_default(),
                phase_shown: phase_in_words(alert),
                time: key.as_ref().map(time).unwrap_or_default(),
                event_time: key.as_ref().and_then(|key| instant(&key.time)).map(|time| time.to_string()),
                event_time_zone_assumed: key.as_ref().is_some_and(|key| is_assumed(&key.time)),
                is_first,
                first_control_id: origin.as_ref().map(|origin| origin.control_id.clone()),
                first_message: origin.map(|origin| origin.message.to_string()),
            });
        }
        Ok(alerts)
    }
}

/// What the sentences of the alerts of one message need.
struct Sentences<'m, 't> {
    message: &'m Message<'t>,
    devices: AlarmDevices<'m>,
    patients: Patients,
    known_patient: &'m KnownPatient,
}

impl<'m, 't> Sentences<'m, 't> {
    fn of(message: &'m Message<'t>, alerts: &[Alert<'_>], known_patient: &'m KnownPatient) -> Self {
        let devices = AlarmDevices::of(alerts, message.text_encoding(), known_patient);
        Self { message, devices, patients: Patients::of(message), known_patient }
    }

    /// The sentence of an alert, with the number of its patient where the message has several.
    fn sentence(&self, alert: &Alert<'_>) -> String {
        let own = sentence(alert, &self.message.header(), self.known_patient);
        let own = self.devices.sentence(alert, own);
        match self.patients.number_of_request(self.message, alert.position) {
            Some(number) => format!("patient {number} of {}: {own}", self.patients.count()),
            None => own,
        }
    }
}

/// A time as it was sent. A field for a time may have any text.
fn sent_time(bytes: &[u8], text: String, known_patient: &KnownPatient) -> String {
    if MessageTime::parse(bytes).is_ok() { text } else { known_patient.hide(text) }
}

fn phase_in_words(alert: &Alert<'_>) -> String {
    InWords::read(alert, Facet::Phase).map(|phase| phase.named("phase")).unwrap_or_default()
}

/// Whether the phase is a valid value.
fn has_phase(alert: &Alert<'_>) -> bool {
    alert.facet(Facet::Phase).observation().is_some_and(|phase| !Standing::of(&phase).is_void())
}

/// The numbers and devices of the alerts that begin in a message: it may have their ends too.
fn onsets(alerts: &[Alert<'_>]) -> HashSet<(Filler, Vec<u8>)> {
    let reports = alerts.iter().filter_map(Alert::report);
    let onsets = reports.filter(|report| report.continues.is_none());
    onsets.map(|report| (report.key.filler, report.device)).collect()
}

/// The alerts of a message in words; none where `transaction` is not PCD-04.
pub(super) fn sentences(transaction: Option<&str>, raw: &[u8]) -> Vec<String> {
    let parsed = if is_alert(transaction) { Message::parse(raw).ok() } else { None };
    let Some(parsed) = parsed else { return Vec::new() };
    let (alerts, count) = Alert::counted(&parsed);
    let shown = alerts.iter().take(AlertReport::MAX_PER_MESSAGE);
    let characters = parsed.text_encoding();
    let known_patient = KnownPatient::of(&parsed, characters);
    let all = Sentences::of(&parsed, &alerts, &known_patient);
    let mut sentences: Vec<_> = shown.map(|alert| all.sentence(alert)).collect();
    sentences.extend(not_shown_in_words(count.saturating_sub(sentences.len())));
    sentences
}

/// How many alerts a message has besides those that are shown, of which there are `shown`.
pub(super) fn not_shown(message: &StoredMessage, shown: usize) -> usize {
    if shown < AlertReport::MAX_PER_MESSAGE {
        return 0;
    }
    let count = Message::parse(&message.raw).map_or(0, |parsed| Alert::counted(&parsed).1);
    count.saturating_sub(shown)
}

/// The same as a sentence that follows the alerts; `None` where all are shown.
#[must_use]
pub fn not_shown_in_words(count: usize) -> Option<String> {
    let (alerts, them) = if count == 1 { ("alert", "it is") } else { ("alerts", "they are") };
    (count > 0)
        .then(|| format!("and {count} further {alerts} of this message, not shown here: {them} in --tree"))
}

fn is_alert(transaction: Option<&str>) -> bool {
    transaction.is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Pcd04.label()))
}

/// The number of an alert with its assigner. Some senders write the bed of the patient for the assigner, as a
/// component of several parts; then it is the namespace.
fn shown_number(filler: &Filler) -> String {
    if !filler.assigner.contains(&b'&') {
        return filler.to_string();
    }
    Filler { assigner: filler.namespace.clone(), ..filler.clone() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MessageRecord;
    use crate::store::fixtures::TestStore;

    const HEAD: &str = "MSH|^~\\&|A||||20260101120000+0000||ORU^R40^ORU_R40|1|P|2.6\r\
        PID|1||4711||Quackenbush^Zebulon\r";

    /// An alert of HR with this number in this phase. `device` is OBX-18 of the event.
    fn alert(number: &str, phase: &str, mds: usize, device: &str) -> String {
        format!(
            "OBR|1||{number}^GW|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000\r\
             OBX|1|CWE|196648^MDC_EVT_HI^MDC|{mds}.1.1.1.1|HR|||PH|||F|||20260101120000+0000||||{device}\r\
             OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|{mds}.1.1.1.3|{phase}||||||F\r"
        )
    }

    fn in_words(alerts: &str) -> Vec<String> {
        sentences(Some("PCD-04"), format!("{HEAD}{alerts}").as_bytes())
    }

    #[test]
    fn alarms_of_several_devices_name_their_device_and_never_the_patient() {
        let two = |one: &str, other: &str| {
            let both = alert("1", "start", 1, one) + &alert("2", "start", 1, other);
            in_words(&both).iter().map(|it| it.split_once(": ").map(|it| it.0.to_owned())).collect::<Vec<_>>()
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            two("BED-1", "BED-2^^00A037FFFE000001^EUI-64"),
            [some("BED-1"), some("BED-2 of 00A037FFFE000001")]
        );
        assert_eq!(two("BED-1", "Zebulon"), [some("BED-1"), some("[patient]")]);
        assert_eq!(two("BED-1", ""), [some("BED-1"), some("device not named")]);
        assert_eq!(two("BED-1", "BED-1"), [None, None], "one device needs no name");
        // HL7 2.7: PRT-10 behind the observation of the device itself.
        let participating = |number: &str, device: &str| {
            let mds = "OBX|9||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1|||||||X\r";
            alert(number, "start", 1, "") + mds + &format!("PRT|1|AD||EQUIP||||||{device}\r")
        };
        let both = in_words(&(participating("1", "M1") + &participating("2", "M2")));
        assert!(both[0].starts_with("M1: ") && both[1].starts_with("M2: "), "{both:?}");
        // Under one OBR, and named by the observation of the device itself.
        let mds = |number: usize| {
            format!(
                "OBX|9||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|{number}|||||||X|||||||PUMP-{number}\r"
            )
        };
        let event = |number: usize| {
            alert("1", "start", number, "").split_inclusive('\r').skip(1).collect::<String>() + &mds(number)
        };
        let under_one = in_words(&format!("OBR|1||1^GW|196616^MDC_EVT_ALARM^MDC\r{}{}", event(1), event(2)));
        assert!(
            under_one[0].starts_with("PUMP-1: ") && under_one[1].starts_with("PUMP-2: "),
            "{under_one:?}"
        );
    }

    #[tokio::test]
    async fn the_end_of_an_alert_that_begins_in_the_same_message_lacks_no_beginning() {
        let place = TestStore::new();
        let store = place.open().await;
        let mut missing = Vec::new();
        for (control_id, other) in [("A", "BED-1"), ("B", "BED-2")] {
            // The end of BED-2 has the number of the alert that begins at BED-1.
            let (start, end) = (alert(control_id, "start", 1, "BED-1"), alert(control_id, "end", 1, other));
            let raw = format!("{HEAD}{end}{start}").replace("|1|P|", &format!("|{control_id}|P|"));
            let parsed = Message::parse(raw.as_bytes()).unwrap();
            let record = MessageRecord {
                transaction: Some("PCD-04".to_owned()),
                alerts: AlertReport::all_of(&parsed),
                ..place.record(control_id, raw.clone().leak().as_bytes())
            };
            let id = record.id;
            store.record(record).await.unwrap();
            let stored = store.message(id).await.unwrap().unwrap();
            let alerts = ReportedAlert::all_of(&stored, &TimeZone::UTC, &store).await.unwrap();
            assert!(alerts.iter().all(|alert| alert.is_first) && alerts.len() == 2, "{alerts:?}");
            missing.push(alerts.iter().any(|alert| alert.onset_missing));
        }
        assert_eq!(missing, [false, true]);
    }

    #[tokio::test]
    async fn a_phase_that_was_taken_back_is_no_phase_of_the_alert() {
        let place = TestStore::new();
        let store = place.open().await;
        let raw =
            format!("{HEAD}{}", alert("1", "start", 1, "BED-1").replace("|start||||||F", "|start||||||D"));
        let record = MessageRecord {
            transaction: Some("PCD-04".to_owned()),
            ..place.record("1", raw.leak().as_bytes())
        };
        let id = record.id;
        store.record(record).await.unwrap();
        let stored = store.message(id).await.unwrap().unwrap();
        let alert = ReportedAlert::all_of(&stored, &TimeZone::UTC, &store).await.unwrap().remove(0);
        assert_eq!((alert.phase.as_str(), alert.phase_shown.as_str()), ("", "phase withdrawn"));
    }
}
