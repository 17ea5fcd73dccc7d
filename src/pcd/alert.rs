//! The contents of an alert report (PCD-04): the event and its facets (IHE PCD TF vol. 2, 3.4 and appendix
//! B.8).

use std::fmt;

use super::{DeviceIdentity, Observation};
use crate::hl7::{Component, Message, Segment};

/// One alert.
///
/// Each observation of an alert is a facet. The term in OBX-3 identifies it. Older devices use other numbers
/// or write the name first, so both number and name count, in either component.
#[derive(Clone, Copy)]
pub struct Alert<'m> {
    /// Its OBR.
    request: Segment<'m>,
    /// The event: the first observation that is no other facet.
    pub event: Option<Observation<'m>>,
    /// MDC_ATTR_EVENT_PHASE.
    pub phase: Option<Observation<'m>>,
    /// MDC_ATTR_ALARM_STATE.
    pub state: Option<Observation<'m>>,
    /// MDC_ATTR_ALARM_INACTIVATION_STATE.
    pub inactivation: Option<Observation<'m>>,
    /// MDC_ATTR_ALERT_SOURCE.
    pub source: Option<Observation<'m>>,
}

/// Identifies a report of an alert, also when the device sends it again with a new MSH-7 and MSH-10.
///
/// An alert has one report for each of its phases, and each report has its own key; see [`AlertReport`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertKey {
    /// OBR-3: the number of the alert and its assigner.
    pub filler: Filler,
    /// The event phase, in lower case; empty when there is none.
    pub phase: Vec<u8>,
    /// OBX-14 of the event, or OBR-7 where it has none.
    pub time: Vec<u8>,
}

/// The number of an order or an alert and its assigner (data type EI), as a value that can be compared:
/// independent of the spelling of the identifier's type, and of whether it is a field or a component
/// (OBR-29.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filler {
    /// EI-1.
    pub number: Vec<u8>,
    /// EI-3, or EI-2 without one, in comparable form.
    pub assigner: Vec<u8>,
}

/// A report, and the alert that it belongs to (IHE PCD TF vol. 2, 3.4.4 and 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertReport {
    /// The key of the report.
    pub key: AlertKey,
    /// The filler number of the report that this one continues: OBR-29.2, or its own number; `None` when an
    /// alert begins with it.
    pub continues: Option<Filler>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Facet {
    Event,
    Source,
    Phase,
    State,
    Inactivation,
    Other,
}

impl<'m> Alert<'m> {
    /// The alerts of a message: one, if the sender conforms to the profile.
    #[must_use]
    pub fn all_of(message: &'m Message<'_>) -> Vec<Self> {
        let mut alerts: Vec<Self> = Vec::new();
        for segment in message.segments() {
            if segment.is(b"OBR") {
                let none = None;
                alerts.push(Self {
                    request: segment,
                    event: none,
                    phase: none,
                    state: none,
                    inactivation: none,
                    source: none,
                });
            }
            if let (Some(alert), Some(observation)) = (alerts.last_mut(), Observation::of(segment)) {
                alert.add(observation);
            }
        }
        alerts
    }

    /// The key of the report; `None` when OBR-3, OBX-14 and OBR-7 do not identify it.
    #[must_use]
    pub fn report(&self) -> Option<AlertReport> {
        let filler = Filler::of(self.request.field(3).repetitions().next()?.components())?;
        let phase = self.phase.map(|phase| phase.value().trimmed().to_ascii_lowercase()).unwrap_or_default();
        let times = [self.event.map(|event| event.time()), Some(self.request.field(7))];
        let time = times.into_iter().flatten().find(|time| !time.is_empty())?.trimmed().to_vec();
        let continues = (!BEGINNINGS.contains(&phase.as_slice())).then(|| {
            let parent = self.request.field(29).component(2);
            Filler::of(parent.subcomponents()).unwrap_or_else(|| filler.clone())
        });
        Some(AlertReport { key: AlertKey { filler, phase, time }, continues })
    }

    fn add(&mut self, observation: Observation<'m>) {
        let place = match facet(&observation) {
            Facet::Event => &mut self.event,
            Facet::Source => &mut self.source,
            Facet::Phase => &mut self.phase,
            Facet::State => &mut self.state,
            Facet::Inactivation => &mut self.inactivation,
            Facet::Other => return,
        };
        place.get_or_insert(observation);
    }
}

impl AlertReport {
    /// The reports of a message: an alert report (PCD-04) has one by the profile, or more.
    ///
    /// At most [`AlertReport::MAX_PER_MESSAGE`], because a device could put any number into a message.
    #[must_use]
    pub fn all_of(message: &Message<'_>) -> Vec<Self> {
        Alert::all_of(message).iter().filter_map(Alert::report).take(Self::MAX_PER_MESSAGE).collect()
    }

    /// Reports of one message that are read.
    pub const MAX_PER_MESSAGE: usize = 16;
}

impl Filler {
    /// `None` without a number.
    fn of<'m>(mut parts: impl Iterator<Item = Component<'m>>) -> Option<Self> {
        let [number, name, assigner, kind] = std::array::from_fn(|_| parts.next());
        let number = number.filter(|number| !number.is_empty())?.text().into_owned();
        let text = |part: Option<Component<'_>>| {
            part.map(|part| String::from_utf8_lossy(&part.text()).into_owned()).unwrap_or_default()
        };
        let assigner = match assigner.filter(|assigner| !assigner.is_empty()) {
            Some(assigner) => DeviceIdentity::new(&text(Some(assigner)), &text(kind)),
            None => DeviceIdentity::new(&text(name), ""),
        };
        Some(Self { number, assigner: assigner.map(|it| it.to_string().into_bytes()).unwrap_or_default() })
    }
}

impl fmt::Display for Filler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.number))?;
        if self.assigner.is_empty() {
            return Ok(());
        }
        write!(f, " of {}", String::from_utf8_lossy(&self.assigner))
    }
}

fn facet(observation: &Observation<'_>) -> Facet {
    const TERMS: [(&[u8], Facet); 24] = [
        (b"68480", Facet::Source),
        (b"68481", Facet::Phase),
        (b"68482", Facet::State),
        (b"68483", Facet::Inactivation),
        (b"68484", Facet::Other),
        (b"68485", Facet::Other),
        (b"68546", Facet::Other),
        // Earlier numbers.
        (b"68164", Facet::Source),
        (b"68165", Facet::Phase),
        (b"68166", Facet::State),
        (b"68167", Facet::Inactivation),
        (b"68168", Facet::Other),
        (b"MDC_ATTR_ALERT_SOURCE", Facet::Source),
        (b"MDC_ATTR_EVENT_PHASE", Facet::Phase),
        (b"MDC_ATTR_EVT_PHASE", Facet::Phase),
        (b"MDC_ATTR_ALARM_STATE", Facet::State),
        (b"MDC_ATTR_ALERT_STATE", Facet::State),
        (b"MDC_ATTR_ALARM_INACTIVATION_STATE", Facet::Inactivation),
        (b"MDC_ATTR_ALERT_INACTIVATION_STATE", Facet::Inactivation),
        (b"MDC_ATTR_ALARM_PRIORITY", Facet::Other),
        (b"MDC_ATTR_ALERT_PRIORITY", Facet::Other),
        (b"MDC_ATTR_ALERT_TYPE", Facet::Other),
        (b"MDC_ATTR_ALERT_TEXT", Facet::Other),
        (b"MDC_ATTR_ALARM_TEXT", Facet::Other),
    ];
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    let known = TERMS.iter().find(|(term, _)| places.contains(term));
    known.map_or(Facet::Event, |(_, facet)| *facet)
}

/// Event phases (MDC_ATTR_EVENT_PHASE).
pub(super) const PHASES: &[&str] =
    &["tpoint", "start", "continue", "end", "present", "update", "escalate", "de-escalate", "reset"];

/// Phases with which an alert begins. A report without a phase is the only one of its alert.
const BEGINNINGS: &[&[u8]] = &[b"start", b"tpoint", b""];

/// Alarm states (MDC_ATTR_ALARM_STATE).
pub(super) const STATES: &[&str] = &["off", "inactive", "active", "latched"];

/// Inactivation states (MDC_ATTR_ALARM_INACTIVATION_STATE).
pub(super) const INACTIVATIONS: &[&str] =
    &["enabled", "audio-paused", "audio-off", "alarm-paused", "alarm-off", "alert-acknowledged"];

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\r\
        OBR|1|1^GW|E1^GW^00A037EB2175780F^EUI-64|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|CWE|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2||||||F|||20120111150457-0600\r\
        OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|88\r\
        OBX|3|ST|684810^MDC_ATTR_EVENT_PHASE^MDC |1.3.1.150456.3|Start\r\
        OBX|4|ST|68482^other name|1.3.1.150456.4|active\r\
        OBX|5|ST|MDC_ATTR_ALARM_INACTIVATION_STATE^68167|1.3.1.150456.5|enabled\r\
        OBX|6|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.3.1.150456.6|69985^MDC_DEV_PUMP_INFUS_MDS^MDC\r";

    #[test]
    fn facets_are_identified_by_number_or_name() {
        let message = Message::parse(ALERT.as_bytes()).unwrap();
        let alerts = Alert::all_of(&message);
        let [alert] = alerts.as_slice() else { panic!() };
        let value = |facet: Option<Observation<'_>>| {
            String::from_utf8_lossy(facet.unwrap().value().raw()).into_owned()
        };
        let found = [alert.event, alert.phase, alert.state, alert.inactivation, alert.source].map(value);
        assert_eq!(found, ["Low SpO2", "Start", "active", "enabled", "69985^MDC_DEV_PUMP_INFUS_MDS^MDC"]);
    }

    fn report(text: &str) -> AlertReport {
        AlertReport::all_of(&Message::parse(text.as_bytes()).unwrap()).remove(0)
    }

    #[test]
    fn a_report_sent_again_has_the_same_key() {
        let first = report(ALERT).key;
        assert_eq!(
            (first.phase.as_slice(), first.filler.to_string().as_str()),
            (&b"start"[..], "E1 of 00A037EB2175780F")
        );
        let again = ALERT.replace("|ID|", "|ID2|").replace("|2026|", "|2027|").replace("^EUI-64|", "^EUI64|");
        assert_eq!(first, report(&again).key);
        assert_ne!(first, report(&ALERT.replace("|Start", "|end")).key);
        assert_ne!(first, report(&ALERT.replace("|E1^", "|E2^")).key);
        assert_ne!(
            first,
            report(&ALERT.replace("^00A037EB2175780F^EUI-64|196", "^00A037EB21757810^EUI-64|196")).key
        );
        assert_ne!(first, report(&ALERT.replace("20120111150457", "20120111150458")).key);
    }

    #[test]
    fn a_later_phase_continues_the_alert_of_its_parent_or_own_number() {
        assert_eq!(report(ALERT).continues, None);
        assert_eq!(report(&ALERT.replace("|Start", "|tpoint")).continues, None);
        let end = ALERT.replace("|Start", "|end");
        assert_eq!(report(&end).continues.as_ref(), Some(&report(ALERT).key.filler), "the number stayed");
        let service = "|196616^MDC_EVT_ALARM^MDC";
        let parent = format!("{service}{}^E1&GW&00a037eb2175780f&EUI64", "|".repeat(25));
        let other = end.replace("|E1^", "|E9^").replace(service, &parent);
        assert_eq!(report(&other).continues.as_ref(), Some(&report(ALERT).key.filler));
        assert_eq!(report(&other).key.filler.number, b"E9");
        // With which an alert begins, that names no other one.
        assert_eq!(report(&other.replace("|end", "|start")).continues, None);
    }

    #[test]
    fn a_report_without_a_key_is_ignored() {
        let none = |text: &str| AlertReport::all_of(&Message::parse(text.as_bytes()).unwrap()).is_empty();
        assert!(!none(ALERT));
        assert!(none(&ALERT.replace("E1^GW^00A037EB2175780F^EUI-64", "^GW^00A037EB2175780F^EUI-64")));
        let timeless = ALERT.replace("20120111150457-0600", "");
        assert!(none(&timeless));
        let observed = timeless.replace("^MDC_EVT_ALARM^MDC", "^MDC_EVT_ALARM^MDC|||20120111150500-0600");
        assert_eq!(report(&observed).key.time, b"20120111150500-0600");
        let many: String = (0..40).map(|n| format!("OBR|1||{n}||||20120111\r")).collect();
        let many = format!("MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\r{many}");
        assert_eq!(
            AlertReport::all_of(&Message::parse(many.as_bytes()).unwrap()).len(),
            AlertReport::MAX_PER_MESSAGE
        );
    }
}
