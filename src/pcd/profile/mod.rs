//! Whether a message conforms to the profile of its transaction (IHE PCD TF vol. 2, 3.x and appendix B).
//!
//! Profiles are data: a grammar of segments, required fields, tables of codes. A finding is a warning or
//! rejects the message, as configured.

mod finding;
mod grammar;
mod values;

pub use finding::Finding;
use grammar::{GRAMMAR_ORU, GRAMMAR_RGV, Item};

use super::alert::{self, Alert};
use super::{MessagePolicy, Observation, Transaction};
use crate::config::Conformance;
use crate::hl7::{ContentError, Indexed, Location, Message, Rejection, Segment};

/// The requirements of a profile.
struct Profile {
    segments: &'static [Item],
    required: &'static [Required],
    values: bool,
    alert: bool,
}

/// A field that every segment of its name must have.
struct Required {
    segment: [u8; 3],
    field: u8,
    component: Option<u8>,
    rule: &'static str,
}

const fn field(segment: [u8; 3], field: u8, rule: &'static str) -> Required {
    Required { segment, field, component: None, rule }
}

const fn component(segment: [u8; 3], field: u8, component: u8, rule: &'static str) -> Required {
    Required { segment, field, component: Some(component), rule }
}

const fn profile_of(transaction: Transaction, answers: bool) -> Option<&'static Profile> {
    match transaction {
        Transaction::Pcd04 => Some(&ALERT),
        Transaction::Pcd03 if !answers => Some(&ORDER),
        Transaction::Pcd03 | Transaction::Pcd05 => None,
        _ => Some(&REPORT),
    }
}

/// The violations of the transaction's profile; the first [`MAX_FINDINGS`].
#[must_use]
pub fn check(message: &Message<'_>, transaction: Transaction) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    if let Some(profile) = profile_of(transaction, message.acknowledgement().is_some()) {
        findings.0.extend(grammar::check(profile.segments, message));
        findings.fields(profile, message);
        if profile.alert {
            findings.alerts(message);
        }
    }
    findings.0
}

impl MessagePolicy {
    /// Whether a message with these findings is accepted.
    ///
    /// # Errors
    /// The first finding, when the configuration is strict.
    pub fn check_findings(&self, findings: &[Finding]) -> Result<(), Rejection> {
        match findings.first() {
            Some(finding) if self.conformance == Conformance::Strict => Err((*finding).into()),
            _ => Ok(()),
        }
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static str, error: ContentError, location: Location) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(Finding { rule, error, location });
        }
    }

    fn fields(&mut self, profile: &Profile, message: &Message<'_>) {
        let mut sequences = Sequences::default();
        let zoned = message.header().zone().is_some();
        for segment in message.segments() {
            let Some((name, sequence)) = sequences.next(&segment) else { continue };
            let fields = segment.indexed();
            for required in profile.required.iter().filter(|required| required.segment == name) {
                self.required(required, &fields, sequence);
            }
            if profile.values {
                values::check(name, &fields, sequence, zoned, |rule, error, location| {
                    self.add(rule, error, location)
                });
            }
        }
    }

    fn required(&mut self, required: &Required, fields: &Indexed<'_>, sequence: u32) {
        let field = fields.field(required.field.into());
        let missing = match required.component {
            Some(n) => field.component(n.into()).is_empty(),
            None => field.is_empty(),
        };
        if missing {
            let Required { segment, field, component, rule } = *required;
            let location = Location { segment, sequence, field: Some(field), component };
            self.add(rule, ContentError::RequiredField, location);
        }
    }

    /// 3.4: one alert in each message, with phase and state from their tables.
    fn alerts(&mut self, message: &Message<'_>) {
        let alerts = Alert::all_of(message);
        if alerts.len() > 1 {
            self.add("alert-several", ContentError::SegmentSequence, Location::segment(*b"OBR", 2));
        }
        let mut observations = 0;
        let sequence_of = |observation: &Observation<'_>| {
            let before =
                message.segments().filter_map(Observation::of).position(|known| known == *observation);
            before.and_then(|before| u32::try_from(before + 1).ok()).unwrap_or(1)
        };
        for alert in alerts.iter().take(MAX_FINDINGS) {
            observations += 1;
            let whole = Location::segment(*b"OBR", observations);
            for (facet, required, missing, unknown, table) in [
                (alert.event, true, "alert-event-missing", "", &[][..]),
                (alert.phase, true, "alert-phase-missing", "alert-phase-unknown", alert::PHASES),
                (alert.state, true, "alert-state-missing", "alert-state-unknown", alert::STATES),
                (alert.inactivation, false, "", "alert-inactivation-unknown", alert::INACTIVATIONS),
            ] {
                match facet {
                    None if required => self.add(missing, ContentError::SegmentSequence, whole),
                    Some(facet) if !table.is_empty() && !values::in_table(&facet, table) => {
                        let location = Location::field(*b"OBX", sequence_of(&facet), 5);
                        self.add(unknown, ContentError::TableValue, location);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Counts the segments of each name that a profile has requirements for.
#[derive(Default)]
struct Sequences([u32; 5]);

impl Sequences {
    fn next(&mut self, segment: &Segment<'_>) -> Option<([u8; 3], u32)> {
        const NAMES: [[u8; 3]; 5] = [*b"MSH", *b"OBR", *b"OBX", *b"ORC", *b"RXG"];
        let name: [u8; 3] = segment.id().try_into().ok()?;
        let at = NAMES.iter().position(|known| *known == name)?;
        let count = self.0.get_mut(at)?;
        *count += 1;
        Some((name, *count))
    }
}

/// Findings that are listed for one message.
pub const MAX_FINDINGS: usize = 64;

/// Appendix B.1 and B.7, B.8.
const OBSERVATIONS: &[Required] = &[
    field(*b"MSH", 3, "msh-sending-application-missing"),
    field(*b"MSH", 7, "msh-time-missing"),
    component(*b"MSH", 9, 2, "msh-trigger-missing"),
    component(*b"MSH", 9, 3, "msh-structure-missing"),
    field(*b"MSH", 11, "msh-processing-id-missing"),
    field(*b"MSH", 12, "msh-version-missing"),
    field(*b"MSH", 15, "msh-accept-acknowledgement-missing"),
    field(*b"MSH", 16, "msh-application-acknowledgement-missing"),
    field(*b"MSH", 21, "msh-profile-missing"),
    field(*b"OBR", 3, "obr-filler-missing"),
    field(*b"OBR", 4, "obr-service-missing"),
    field(*b"OBR", 7, "obr-time-missing"),
    field(*b"OBX", 3, "obx-identifier-missing"),
    field(*b"OBX", 4, "obx-path-missing"),
    field(*b"OBX", 11, "obx-status-missing"),
];

const ORDERS: &[Required] = &[
    field(*b"MSH", 3, "msh-sending-application-missing"),
    field(*b"MSH", 7, "msh-time-missing"),
    field(*b"MSH", 21, "msh-profile-missing"),
    field(*b"ORC", 1, "orc-control-missing"),
    field(*b"RXG", 1, "rxg-number-missing"),
    field(*b"RXG", 4, "rxg-give-code-missing"),
    field(*b"RXG", 5, "rxg-amount-missing"),
    field(*b"OBX", 3, "obx-identifier-missing"),
];

const REPORT: Profile = Profile { segments: GRAMMAR_ORU, required: OBSERVATIONS, values: true, alert: false };

const ALERT: Profile = Profile { alert: true, ..REPORT };

const ORDER: Profile = Profile { segments: GRAMMAR_RGV, required: ORDERS, values: false, alert: false };

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTED: &str = "MSH|^~\\&|A^1^ISO||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|||AL|NE|||||X\r\
        PID|||1\rPV1||I\r\
        OBR|1||F^^1^ISO|182777000^monitoring^SCT|||20260101120000+0000\r\
        OBX|1||69965^MDC_DEV^MDC|1.0.0.0|||||||X\r\
        OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|98.0|262688^MDC_DIM_PERCENT^MDC|||||R|||20260101120000+0000\r";

    fn found(text: &str) -> Vec<String> {
        let message = Message::parse(text.as_bytes()).unwrap();
        let transaction = Transaction::of(&message).unwrap();
        check(&message, transaction)
            .into_iter()
            .map(|finding| {
                let rejection = Rejection::from(finding);
                format!("{} {} {}", rejection.error_code().0, finding.rule, finding.location)
            })
            .collect()
    }

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(REPORTED.contains(from));
        found(&REPORTED.replacen(from, to, 1))
    }

    #[test]
    fn a_conforming_message_has_no_findings() {
        assert_eq!(found(REPORTED), Vec::<String>::new());
    }

    #[test]
    fn segments_out_of_order_are_found() {
        assert_eq!(changed("OBR|1", "ZBR|1"), ["100 segment-sequence OBX[1]"]);
        assert_eq!(changed("PID|||1\rPV1||I\r", "PV1||I\rPID|||1\r"), ["100 segment-sequence PV1[1]"]);
        let no_content = REPORTED.split("OBR").next().unwrap();
        assert_eq!(found(no_content), ["100 segment-missing OBR[1]"]);
        assert_eq!(
            changed("PV1||I\r", "ZZZ|1\rPV1||I\r"),
            Vec::<String>::new(),
            "Z segments are allowed everywhere"
        );
    }

    #[test]
    fn missing_required_fields_are_found() {
        assert_eq!(changed("F^^1^ISO", ""), ["101 obr-filler-missing OBR[1]-3"]);
        assert_eq!(changed("||||X\r", "\r"), ["101 msh-profile-missing MSH[1]-21"]);
        assert_eq!(changed("ORU^R01^ORU_R01", "ORU^R01"), ["101 msh-structure-missing MSH[1]-9.3"]);
        assert_eq!(changed("|1.3.1.1|", "||"), ["101 obx-path-missing OBX[2]-4"]);
        assert_eq!(changed("|R|", "||"), ["101 obx-status-missing OBX[2]-11"]);
    }

    #[test]
    fn values_outside_their_type_or_table_are_found() {
        assert_eq!(changed("|98.0|", "|high|"), ["102 obx-value-not-of-its-type OBX[2]-5"]);
        assert_eq!(changed("|NM|", "||"), ["101 obx-value-type-missing OBX[2]-2"]);
        assert_eq!(changed("|NM|", "|QQ|"), ["103 obx-value-type-unknown OBX[2]-2"]);
        assert_eq!(changed("PERCENT^MDC", "PERCENT^OWN"), ["103 obx-units-coding-system OBX[2]-6"]);
        assert_eq!(changed("|1.3.1.1|", "|1.x|"), ["102 obx-path-malformed OBX[2]-4"]);
        assert_eq!(changed("|R|", "|Q|"), ["103 obx-status-unknown OBX[2]-11"]);
    }

    #[test]
    fn times_without_a_zone_are_found() {
        assert_eq!(changed("20260101120000+0000", "20260101120000"), ["102 time-zone-missing MSH[1]-7"]);
        assert_eq!(changed("R|||20260101120000+0000", "R|||tomorrow"), ["102 time-malformed OBX[2]-14"]);
        // The zone of MSH-7 applies.
        assert_eq!(changed("R|||20260101120000+0000", "R|||20260101120000"), Vec::<String>::new());
        assert_eq!(
            found(&REPORTED.replace("20260101120000+0000", "20260101120000")),
            ["MSH[1]-7", "OBR[1]-7", "OBX[2]-14"].map(|place| format!("102 time-zone-missing {place}"))
        );
    }

    const ALERTED: &str = "MSH|^~\\&|A^1^ISO||||20260101120000+0000||ORU^R40^ORU_R40|1|P|2.6|||AL|NE|||||X\r\
        OBR|1||F^^1^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000\r\
        OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low||||||F\r\
        OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start||||||F\r\
        OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active||||||F\r\
        OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.3.1.150456.5|enabled||||||F\r";

    #[test]
    fn missing_facets_of_an_alert_are_found() {
        assert_eq!(found(ALERTED), Vec::<String>::new());
        assert_eq!(found(&ALERTED.replace("|start|", "|began|")), ["103 alert-phase-unknown OBX[2]-5"]);
        assert_eq!(
            found(&ALERTED.replace("|enabled|", "|off|")),
            ["103 alert-inactivation-unknown OBX[4]-5"]
        );
        let no_state = ALERTED.replace("68482^MDC_ATTR_ALARM_STATE", "150456^MDC_PULS_OXIM_SAT_O2");
        assert_eq!(found(&no_state), ["100 alert-state-missing OBR[1]"]);
        let alert = ALERTED.split_inclusive('\r').skip(1).collect::<String>();
        assert_eq!(found(&format!("{ALERTED}{alert}")), ["100 alert-several OBR[2]"]);
    }

    #[test]
    fn an_order_is_checked_and_a_response_is_not() {
        let order = "MSH|^~\\&|A||||20260101120000+0000||RGV^O15^RGV_O15|1|P|2.6|||AL|AL|||||X\r\
            PID|||1\rORC|RE|1\rRXG|1|||1234^Dopamine|250\rRXR|^IV\rOBX|1||69986^PUMP^MDC\rRXG|2|||1|1\rRXR|^IV\r";
        assert_eq!(found(order), Vec::<String>::new());
        assert_eq!(found(&order.replacen("RXR|^IV\r", "", 1)), ["100 segment-sequence OBX[1]"]);
        let answer = "MSH|^~\\&|A||||2026||RRG^O16^RRG_O16|1|P|2.6\rMSA|AA|1\r";
        assert_eq!(found(answer), Vec::<String>::new());
    }

    #[test]
    fn the_configuration_decides_whether_findings_reject() {
        let finding = Finding {
            rule: "obr-filler-missing",
            error: ContentError::RequiredField,
            location: Location::field(*b"OBR", 1, 3),
        };
        assert_eq!(MessagePolicy::default().check_findings(&[finding]), Ok(()));
        let strict = MessagePolicy { conformance: Conformance::Strict, ..MessagePolicy::default() };
        assert_eq!(strict.check_findings(&[finding]), Err(finding.into()));
        assert_eq!(strict.check_findings(&[]), Ok(()));
    }

    #[test]
    fn the_list_of_findings_is_bounded() {
        let many = format!("{REPORTED}{}", "OBX|\r".repeat(1000));
        assert_eq!(found(&many).len(), MAX_FINDINGS);
    }
}
