//! What an alert report (PCD-04) says: the event and its facets (IHE PCD TF vol. 2, 3.4 and appendix B.8).

use super::Observation;
use crate::hl7::{Field, Message, Segment};

/// One alert.
///
/// Each observation of an alert is a facet of it, known by the term in OBX-3; older devices number the terms otherwise or
/// write the name first, so that the name counts as much as the number, in either place.
#[derive(Clone, Copy)]
pub struct Alert<'m> {
    /// The OBR that it stands under.
    request: Segment<'m>,
    /// What happened: the first observation that is no other facet.
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

/// What makes an alert the same one in every report of it, also in one that is sent again with a new MSH-7 and MSH-10.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertKey {
    /// OBR-3: the filler, and its number for the alert.
    pub filler: Vec<u8>,
    /// The event phase, in lower case.
    pub phase: Vec<u8>,
    /// OBX-14 of the event.
    pub time: Vec<u8>,
}

/// What has happened to the alert (MDC_ATTR_EVENT_PHASE).
pub(super) const PHASES: &[&str] =
    &["tpoint", "start", "continue", "end", "present", "update", "escalate", "de-escalate", "reset"];
/// What the condition is now (MDC_ATTR_ALARM_STATE).
pub(super) const STATES: &[&str] = &["off", "inactive", "active", "latched"];
/// What the staff has done about it (MDC_ATTR_ALARM_INACTIVATION_STATE).
pub(super) const INACTIVATIONS: &[&str] =
    &["enabled", "audio-paused", "audio-off", "alarm-paused", "alarm-off", "alert-acknowledged"];

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
    /// The alerts of a message; one, if the sender keeps to the profile.
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

    /// What makes it the same alert in every report.
    #[must_use]
    pub fn key(&self) -> AlertKey {
        let trimmed = |field: Field<'_>| field.trimmed().to_vec();
        AlertKey {
            filler: trimmed(self.request.field(3)),
            phase: self.phase.map(|phase| trimmed(phase.value()).to_ascii_lowercase()).unwrap_or_default(),
            time: self.event.map(|event| trimmed(event.time())).unwrap_or_default(),
        }
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

fn facet(observation: &Observation<'_>) -> Facet {
    const TERMS: [(&[u8], Facet); 24] = [
        (b"68480", Facet::Source),
        (b"68481", Facet::Phase),
        (b"68482", Facet::State),
        (b"68483", Facet::Inactivation),
        (b"68484", Facet::Other),
        (b"68485", Facet::Other),
        (b"68546", Facet::Other),
        // As they were numbered before.
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
    fn the_facets_are_found_by_number_or_name() {
        let message = Message::parse(ALERT.as_bytes()).unwrap();
        let alerts = Alert::all_of(&message);
        let [alert] = alerts.as_slice() else { panic!() };
        let value = |facet: Option<Observation<'_>>| {
            String::from_utf8_lossy(facet.unwrap().value().raw()).into_owned()
        };
        let found = [alert.event, alert.phase, alert.state, alert.inactivation, alert.source].map(value);
        assert_eq!(found, ["Low SpO2", "Start", "active", "enabled", "69985^MDC_DEV_PUMP_INFUS_MDS^MDC"]);
    }

    #[test]
    fn a_report_sent_again_is_the_same_alert() {
        let key = |text: &str| Alert::all_of(&Message::parse(text.as_bytes()).unwrap())[0].key();
        let first = key(ALERT);
        assert_eq!(first.phase, b"start");
        assert_eq!(first, key(&ALERT.replace("|ID|", "|ID2|").replace("|2026|", "|2027|")));
        assert_ne!(first, key(&ALERT.replace("|Start", "|end")));
        assert_ne!(first, key(&ALERT.replace("|E1^", "|E2^")));
        assert_ne!(first, key(&ALERT.replace("20120111150457", "20120111150458")));
    }
}
