//! The transaction of a message.

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
    /// `None` for a message outside IHE PCD.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Option<Self> {
        Self::with_header(message, &message.header())
    }

    pub(super) fn with_header(message: &Message<'_>, header: &Header<'_>) -> Option<Self> {
        let named = [header.profiles(), header.alternate_character_set()].into_iter().find_map(by_profile);
        let found =
            named.filter(|transaction| transaction.takes(header)).or_else(|| by_type(message, header))?;
        if found == Self::Pcd04 && carries_watchdog(message) { Some(Self::Watchdog) } else { Some(found) }
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
    /// In PCD-04 a value other than NE in MSH-16 means that the sender can receive PCD-05; it does not
    /// request an application acknowledgement (vol. 2, 3.4). The operator's setting for the device still
    /// applies.
    #[must_use]
    pub fn acknowledgement_request(
        transaction: Option<Self>,
        header: &Header<'_>,
        acknowledge: AcknowledgeAs,
    ) -> AcknowledgementRequest {
        let asked = AcknowledgementRequest::from_header(header, acknowledge);
        match (transaction, acknowledge) {
            (Some(Self::Pcd04), AcknowledgeAs::AsAsked) => asked.without_application(),
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

    /// Whether MSH-9.1 may carry this transaction: a profile in MSH-21 does not turn an ADT message into
    /// device data.
    fn takes(self, header: &Header<'_>) -> bool {
        let code = header.message_type().code;
        match self {
            Self::Pcd03 => is(code, b"RGV") || is(code, b"RRG"),
            Self::Pcd05 => is(code, b"ORA") || is(code, b"ORU"),
            _ => is(code, b"ORU"),
        }
    }
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
    let mut observations = message.segments().filter(|segment| segment.is(b"OBX"));
    observations.any(|obx| obx.field(3).component(1).trimmed() == WATCHDOG)
}

fn is(value: &[u8], code: &[u8]) -> bool {
    value.eq_ignore_ascii_case(code)
}

/// The arc of IHE under which MSH-21 names a transaction.
const IHE_PCD_ARC: &[u8] = b"1.3.6.1.4.1.19376.1.6.";

/// MDC_EVT_WATCHDOG in OBX-3.
const WATCHDOG: &[u8] = b"198200";

/// MDC_OBS_MEM in OBR-4.
const OBSERVATION_OF_EQUIPMENT: &[u8] = b"69135";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::AcknowledgementCode;

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

    /// IHE PCD TF vol. 2, 3.4: MSH-16 of an alert report does not request an application acknowledgement.
    #[test]
    fn an_alert_report_does_not_request_an_application_acknowledgement() {
        let text = r"MSH|^~\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6|||AL|AL";
        let message = Message::parse(text.as_bytes()).unwrap();
        let codes = |acknowledge| {
            let header = message.header();
            Transaction::acknowledgement_request(Transaction::of(&message), &header, acknowledge)
                .answers(crate::hl7::Outcome::Accepted)
                .iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(AcknowledgeAs::AsAsked), [AcknowledgementCode::CA]);
        assert_eq!(codes(AcknowledgeAs::Application), [AcknowledgementCode::AA]);
    }

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::HashSet<_> =
            Transaction::ALL.iter().map(|known| known.label()).collect();
        assert_eq!(labels.len(), Transaction::ALL.len());
    }
}
