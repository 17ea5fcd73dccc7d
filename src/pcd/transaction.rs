//! The transaction of a message.

use super::alert::{Alert, is_heartbeat};
use super::observation::Observation;
use crate::hl7::{AcknowledgeAs, AcknowledgementRequest, Field, Header, Message};

/// A transaction of IHE PCD over HL7 v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// Communicate PCD Data (vol. 2, 3.1).
    Pcd01,
    /// Communicate Infusion Order (3.3), and its response RRG.
    Pcd03,
    /// Report Alert (3.4).
    Pcd04,
    /// Report Alert Status (3.5).
    Pcd05,
    /// Communicate IDC Observations (3.9); large, with a PDF in OBX-5.
    Pcd09,
    /// Communicate Infusion Event Data (3.10); the events may be hours old.
    Pcd10,
    /// Report of the state of devices, OBR-4 69135.
    Pcd15,
    /// Where devices are: Report Location Observation (MEM location services, CP-PCD-160).
    Pcd16,
    /// Watchdog (DEV-53 and DEV-54): an alert report with MDC_EVT_WATCHDOG.
    Watchdog,
}

impl Transaction {
    /// Every transaction, for metrics that start at zero.
    pub const ALL: [Self; 9] = [
        Self::Pcd01,
        Self::Pcd03,
        Self::Pcd04,
        Self::Pcd05,
        Self::Pcd09,
        Self::Pcd10,
        Self::Pcd15,
        Self::Pcd16,
        Self::Watchdog,
    ];

    /// The transaction of a message: by MSH-21, where it agrees with MSH-9, else by MSH-9 and OBR-4.
    ///
    /// An alert is an alert whatever MSH-21 says: by the event R40 in MSH-9, or by MSH-21 when the message
    /// has the content of one. `None` for a message outside IHE PCD.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Option<Self> {
        Self::with_header(message, &message.header())
    }

    pub(super) fn with_header(message: &Message<'_>, header: &Header<'_>) -> Option<Self> {
        let named = by_header(header);
        let found = named
            .filter(|transaction| transaction.takes(header) || transaction.is_alert_as(header, message))
            .or_else(|| by_type(message, header))?;
        match found {
            Self::Pcd04 if carries_watchdog(message) && !Alert::is_in(message) => Some(Self::Watchdog),
            // A heartbeat may come with an alert.
            Self::Watchdog if Alert::is_in(message) => Some(Self::Pcd04),
            found => Some(found),
        }
    }

    /// Whether MSH-21 names another transaction than MSH-9 does.
    #[must_use]
    pub fn contradicts_profile(message: &Message<'_>) -> bool {
        let header = message.header();
        by_header(&header).is_some_and(|named| !named.takes(&header))
    }

    /// The stable name in the store and in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pcd01 => "pcd-01",
            Self::Pcd03 => "pcd-03",
            Self::Pcd04 => "pcd-04",
            Self::Pcd05 => "pcd-05",
            Self::Pcd09 => "pcd-09",
            Self::Pcd10 => "pcd-10",
            Self::Pcd15 => "pcd-15",
            Self::Pcd16 => "pcd-16",
            Self::Watchdog => "watchdog",
        }
    }

    /// Whether devices send it; PCD-03 and PCD-05 go to devices.
    #[must_use]
    pub const fn comes_from_devices(self) -> bool {
        !matches!(self, Self::Pcd03 | Self::Pcd05)
    }

    /// The acknowledgements that a message of this transaction requests.
    ///
    /// In PCD-04 a value other than NE in MSH-16 means that the sender can receive PCD-05 (vol. 2, 3.4). It
    /// requests no application acknowledgement beside the accept acknowledgement that MSH-15 requests; where
    /// MSH-15 requests none, MSH-16 is answered (appendix E.3.2). A sender of alerts and heartbeats that asks
    /// for no answer at all still gets one to a failure: it would believe that the alert arrived. The
    /// operator's setting for the device overrides all of this.
    #[must_use]
    pub fn acknowledgement_request(
        transaction: Option<Self>,
        header: &Header<'_>,
        acknowledge: AcknowledgeAs,
    ) -> AcknowledgementRequest {
        let asked = AcknowledgementRequest::from_header(header, acknowledge);
        match (transaction, acknowledge) {
            (Some(Self::Pcd04), AcknowledgeAs::AsAsked) => {
                asked.without_second_acknowledgement().with_failures()
            }
            (Some(Self::Watchdog), AcknowledgeAs::AsAsked) => asked.with_failures(),
            _ => asked,
        }
    }

    /// The number of the transaction in IHE's OID arc.
    fn numbered(number: &[u8]) -> Option<Self> {
        Some(match number {
            b"1" => Self::Pcd01,
            b"3" => Self::Pcd03,
            b"4" => Self::Pcd04,
            b"5" => Self::Pcd05,
            b"9" => Self::Pcd09,
            b"10" => Self::Pcd10,
            b"15" => Self::Pcd15,
            b"16" => Self::Pcd16,
            b"53" | b"54" => Self::Watchdog,
            _ => return None,
        })
    }

    /// Whether MSH-9 may carry this transaction: a profile in MSH-21 does not turn an ADT message into device
    /// data, nor an alert into data. An event that IHE PCD does not use decides nothing.
    fn takes(self, header: &Header<'_>) -> bool {
        let kind = header.message_type();
        let trigger = kind.trigger.to_ascii_uppercase();
        let is_report_of =
            |event: &[u8]| is(kind.code, b"ORU") && (trigger == event || !EVENTS.contains(&&*trigger));
        match self {
            Self::Pcd03 => is(kind.code, b"RGV") || is(kind.code, b"RRG"),
            Self::Pcd05 => is(kind.code, b"ORA") || is_report_of(b"R41"),
            Self::Pcd04 | Self::Watchdog => is_report_of(b"R40"),
            Self::Pcd10 => is_report_of(b"R42"),
            Self::Pcd01 | Self::Pcd09 | Self::Pcd15 | Self::Pcd16 => is_report_of(b"R01"),
        }
    }

    /// Whether a profile of alerts names a report (R01) with the content of an alert.
    fn is_alert_as(self, header: &Header<'_>, message: &Message<'_>) -> bool {
        let kind = header.message_type();
        let is_report = is(kind.code, b"ORU") && is(kind.trigger, b"R01");
        self == Self::Pcd04 && is_report && !Alert::all_of(message).is_empty()
    }
}

fn by_header(header: &Header<'_>) -> Option<Transaction> {
    [header.profiles(), header.alternate_character_set()].into_iter().find_map(by_profile)
}

/// From the OID in any repetition of MSH-21: `1.N.x` in IHE's arc, `4.N` in older devices.
fn by_profile(field: Field<'_>) -> Option<Transaction> {
    field.repetitions().flat_map(|profile| profile.components()).find_map(|component| {
        let mut arcs = component.trimmed().strip_prefix(IHE_PCD_ARC)?.split(|byte| *byte == b'.');
        arcs.next().filter(|arc| matches!(arc, [b'1' | b'4']))?;
        Transaction::numbered(arcs.next()?)
    })
}

fn by_type(message: &Message<'_>, header: &Header<'_>) -> Option<Transaction> {
    let kind = header.message_type();
    let trigger = kind.trigger;
    if is(kind.code, b"RGV") && (is(trigger, b"O15") || trigger.is_empty()) {
        return Some(Transaction::Pcd03);
    }
    if is(kind.code, b"RRG") && (is(trigger, b"O16") || trigger.is_empty()) {
        return Some(Transaction::Pcd03);
    }
    if is(kind.code, b"ORA") && (is(trigger, b"R41") || trigger.is_empty()) {
        return Some(Transaction::Pcd05);
    }
    if !is(kind.code, b"ORU") {
        return None;
    }
    match trigger.to_ascii_uppercase().as_slice() {
        b"R01" | b"" if observes_equipment(message) => Some(Transaction::Pcd15),
        b"R01" | b"" => Some(Transaction::Pcd01),
        b"R40" => Some(Transaction::Pcd04),
        b"R41" => Some(Transaction::Pcd05),
        b"R42" => Some(Transaction::Pcd10),
        _ => None,
    }
}

fn observes_equipment(message: &Message<'_>) -> bool {
    message.segment(b"OBR").is_some_and(|obr| obr.field(4).component(1).trimmed() == OBSERVATION_OF_EQUIPMENT)
}

fn carries_watchdog(message: &Message<'_>) -> bool {
    message.segments().filter_map(Observation::of).any(|observation| is_heartbeat(&observation))
}

fn is(value: &[u8], code: &[u8]) -> bool {
    value.eq_ignore_ascii_case(code)
}

/// The arc of IHE under which MSH-21 names a transaction.
const IHE_PCD_ARC: &[u8] = b"1.3.6.1.4.1.19376.1.6.";

/// The events of ORU in IHE PCD.
const EVENTS: [&[u8]; 4] = [b"R01", b"R40", b"R41", b"R42"];

/// MDC_OBS_MEM in OBR-4.
const OBSERVATION_OF_EQUIPMENT: &[u8] = b"69135";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::{AcknowledgementCode, Outcome};

    fn transaction(kind: &str, profile: &str, rest: &str) -> Option<Transaction> {
        let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6|||AL|NE|||||{profile}\r{rest}");
        Transaction::of(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn the_profile_names_the_transaction() {
        for (profile, kind, expected) in [
            ("IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO", "ORU^R01^ORU_R01", Transaction::Pcd01),
            ("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.3.1^ISO", "RGV^O15^RGV_O15", Transaction::Pcd03),
            ("X^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4.1^ISO", "ORU^R40^ORU_R40", Transaction::Pcd04),
            ("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.5.1^ISO", "ORU^R41^ORU_R41", Transaction::Pcd05),
            ("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.9.1^ISO", "ORU^R01", Transaction::Pcd09),
            ("X^IHE PCD^ 1.3.6.1.4.1.19376.1.6.4.10^ISO", "ORU^R42^ORU_R01", Transaction::Pcd10),
            ("other~X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.16.1 ^ISO", "ORU^R01^ORU_R01", Transaction::Pcd16),
            ("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.54.1^ISO", "ORU^R40^ORU_R40", Transaction::Watchdog),
        ] {
            assert_eq!(transaction(kind, profile, ""), Some(expected), "{profile}");
        }
        // In MSH-20 instead of MSH-21.
        let misplaced = "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6|||AL|NE||||1.3.6.1.4.1.19376.1.6.1.9.1\r";
        assert_eq!(Transaction::of(&Message::parse(misplaced.as_bytes()).unwrap()), Some(Transaction::Pcd09));
    }

    #[test]
    fn without_a_profile_the_type_names_the_transaction() {
        for (kind, rest, expected) in [
            ("ORU^R01^ORU_R01", "", Some(Transaction::Pcd01)),
            ("ORU", "", Some(Transaction::Pcd01)),
            (" oru^r01^^^", "", Some(Transaction::Pcd01)),
            ("ORU^R01", "OBR|1|||69135^MDC_OBS_MEM^MDC\r", Some(Transaction::Pcd15)),
            ("ORU^R40^ORU_R44", "OBX|1|ST|196670^MDC_EVT_LO^MDC\r", Some(Transaction::Pcd04)),
            ("ORU^R40^ORU_R40", "OBX|1|ST|198200^ MDC_EVT_WATCHDOG^MDC\r", Some(Transaction::Watchdog)),
            ("ORA^R41^ORA_R41", "", Some(Transaction::Pcd05)),
            ("ORU^R42^ORU_R01", "", Some(Transaction::Pcd10)),
            ("RGV^O15^RGV_O15", "", Some(Transaction::Pcd03)),
            ("RRG^O16^RRG_O16", "", Some(Transaction::Pcd03)),
            ("ORU^R99", "", None),
            ("ADT^A01^ADT_A01", "", None),
        ] {
            assert_eq!(transaction(kind, "", rest), expected, "{kind}");
        }
    }

    #[test]
    fn a_profile_does_not_make_data_of_another_type() {
        assert_eq!(transaction("ADT^A01", "X^Y^1.3.6.1.4.1.19376.1.6.1.1.1^ISO", ""), None);
        let infusion = transaction("RGV^O15", "X^Y^1.3.6.1.4.1.19376.1.6.1.1.1^ISO", "");
        assert_eq!(infusion, Some(Transaction::Pcd03));
        assert_eq!(
            transaction("ORU^R40", "X^Y^1.3.6.1.4.1.19376.1.6.2.1.1^ISO", ""),
            Some(Transaction::Pcd04)
        );
    }

    /// B.1 prints the profile of PCD-04 in a PCD-01.
    #[test]
    fn an_alert_is_an_alert_and_data_are_data_whatever_the_profile_says() {
        const DATA: &str = "X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO";
        const ALERT: &str = "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4.1^ISO";
        const EVENT: &str =
            "OBR|1||1|196616^MDC_EVT_ALARM^MDC\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|Low\r";
        for (kind, profile, rest, expected) in [
            ("ORU^R40^ORU_R40", DATA, EVENT, Transaction::Pcd04),
            ("ORU^R40^ORU_R40", DATA, "", Transaction::Pcd04),
            ("ORU^R01^ORU_R01", ALERT, "OBR|1\rOBX|1|NM|150456^X^MDC|1.1.1.1|97\r", Transaction::Pcd01),
            ("ORU^R01^ORU_R01", ALERT, EVENT, Transaction::Pcd04),
            ("ORU^R42^ORU_R01", DATA, "", Transaction::Pcd10),
        ] {
            assert_eq!(transaction(kind, profile, rest), Some(expected), "{kind} {profile}");
            let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6|||AL|NE|||||{profile}\r{rest}");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert!(Transaction::contradicts_profile(&message), "{kind} {profile}");
        }
        for (kind, profile) in [("ORU^R40", ALERT), ("ORU", DATA), ("ORU^R01", "other"), ("ORU^R03", DATA)] {
            let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6|||AL|NE|||||{profile}\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert!(!Transaction::contradicts_profile(&message), "{kind} {profile}");
        }
    }

    #[test]
    fn an_alert_with_a_heartbeat_beside_it_is_an_alert() {
        const HEARTBEAT: &str = "OBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue||<10000\r";
        const TIMEOUT: &str =
            "OBX|1|ST|0^MDC_EVT_WATCHDOG|1.0.0.0.1|\rOBX|2|NM|67860^MDC_ATTR_CONFIRM_TIMEOUT|1.0.0|5\r";
        let of = |rest: &str| transaction("ORU^R40^ORU_R40", "", rest);
        assert_eq!(of(HEARTBEAT), Some(Transaction::Watchdog));
        assert_eq!(of(TIMEOUT), Some(Transaction::Watchdog));
        let event = "OBX|2|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|Low\r";
        assert_eq!(of(&format!("{HEARTBEAT}{event}")), Some(Transaction::Pcd04));
        let profile = "X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.53.1^ISO";
        assert_eq!(transaction("ORU^R40", profile, &format!("{HEARTBEAT}{event}")), Some(Transaction::Pcd04));
    }

    /// IHE PCD TF vol. 2, 3.4 and E.3.2, and CP-PCD-150: for an alert that is accepted, and one that is not.
    #[test]
    fn an_alert_is_acknowledged_once_and_its_failure_always() {
        let codes = |kind: &str, msh15: &str, msh16: &str, acknowledge, outcome| {
            let text = format!(r"MSH|^~\&|A||||2026||{kind}|1|P|2.6|||{msh15}|{msh16}");
            let message = Message::parse(text.as_bytes()).unwrap();
            let request = Transaction::acknowledgement_request(
                Transaction::of(&message),
                &message.header(),
                acknowledge,
            );
            request.answers(outcome).iter().map(AcknowledgementCode::as_str).collect::<Vec<_>>().join("+")
        };
        let both = |kind: &str, msh15: &str, msh16: &str| {
            [Outcome::Accepted, Outcome::Error]
                .map(|outcome| codes(kind, msh15, msh16, AcknowledgeAs::AsAsked, outcome))
        };
        for (msh15, msh16, expected) in [
            ("AL", "AL", ["CA", "CE"]),
            ("AL", "NE", ["CA", "CE"]),
            ("NE", "AL", ["AA", "AE"]),
            ("", "AL", ["AA", "AE"]),
            ("", "", ["AA", "AE"]),
            ("NE", "NE", ["", "CE"]),
            ("NE", "", ["", "CE"]),
            ("ER", "NE", ["", "CE"]),
            ("ER", "AL", ["", "CE"]),
            ("NE", "ER", ["", "AE"]),
            // Without its CA, or AA, the sender knows.
            ("SU", "AL", ["CA", ""]),
            ("NE", "SU", ["AA", ""]),
        ] {
            assert_eq!(both("ORU^R40^ORU_R40", msh15, msh16), expected, "{msh15} {msh16}");
        }
        assert_eq!(both("ORU^R01^ORU_R01", "NE", "NE"), ["", ""]);
        let overridden = |acknowledge| codes("ORU^R40", "AL", "AL", acknowledge, Outcome::Accepted);
        assert_eq!(overridden(AcknowledgeAs::Application), "AA");
    }

    #[test]
    fn a_heartbeat_that_asks_for_no_answer_gets_its_failure() {
        let text = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6|||NE|NE\rOBR|1\r\
            OBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue||<10000\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let transaction = Transaction::of(&message);
        assert_eq!(transaction, Some(Transaction::Watchdog));
        let header = message.header();
        let request = Transaction::acknowledgement_request(transaction, &header, AcknowledgeAs::AsAsked);
        let codes =
            |outcome| request.answers(outcome).iter().map(AcknowledgementCode::as_str).collect::<Vec<_>>();
        assert_eq!((codes(Outcome::Accepted), codes(Outcome::Error)), (vec![], vec!["CE"]));
    }

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::HashSet<_> =
            Transaction::ALL.iter().map(|known| known.label()).collect();
        assert_eq!(labels.len(), Transaction::ALL.len());
    }
}
