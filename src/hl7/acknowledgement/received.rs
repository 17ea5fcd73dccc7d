//! A received acknowledgement.

use super::{AcknowledgeAs, AcknowledgementCode, AcknowledgementRequest, Condition};
use crate::hl7::{Component, Field, Header, Message, Segment};

/// A peer's acknowledgement of a message that we sent. It is never acknowledged itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAcknowledgement<'m> {
    /// MSA-1, if it is a code of HL7 table 0008; AE or CE in place of AA or CA where the rest of the message
    /// says that the peer cannot do what it was asked for.
    pub code: Option<AcknowledgementCode>,
    /// MSA-2, the MSH-10 of the acknowledged message; without surrounding blanks.
    pub control_id: &'m [u8],
}

impl Message<'_> {
    /// What the message acknowledges; `None` for a message that is not an acknowledgement.
    ///
    /// The type decides: MSA in an observation or an order makes it no acknowledgement. A message without a
    /// type is one if it has MSA. ORA^R41 is the state of an alert where it asks for an acknowledgement of
    /// its own (PCD-05, IHE PCD TF vol. 2, 3.5.4.1), and else the response to an alert.
    ///
    /// Every part that receives uses this function: a platform, a gateway, a client and a simulated device
    /// have to agree.
    #[must_use]
    pub fn acknowledgement(&self) -> Option<ReceivedAcknowledgement<'_>> {
        let header = self.header();
        let kind = header.message_type().code;
        if !kind.is_empty() && !RESPONSES.iter().any(|response| kind.eq_ignore_ascii_case(*response)) {
            return None;
        }
        if is_alert_status(&header) {
            return None;
        }
        let mut all = self.segments().filter(|segment| segment.is(b"MSA"));
        let Some(msa) = all.next() else {
            let only_answers = matches!(kind, b"ACK" | b"RRG" | b"ORA");
            return only_answers.then_some(ReceivedAcknowledgement { code: None, control_id: &[] });
        };
        // Two verdicts that differ are none.
        let code = AcknowledgementCode::from_bytes(msa.field(1).trimmed()).filter(|code| {
            all.all(|other| AcknowledgementCode::from_bytes(other.field(1).trimmed()) == Some(*code))
        });
        let is_negative = || self.segments().any(reports_failure);
        let code = code.map(|code| match code {
            AcknowledgementCode::AA if is_negative() => AcknowledgementCode::AE,
            AcknowledgementCode::CA if is_negative() => AcknowledgementCode::CE,
            other => other,
        });
        Some(ReceivedAcknowledgement { code, control_id: msa.field(2).trimmed() })
    }
}

/// Whether an ORA^R41 is a message of its own: a PCD-05, whose MSA names the alert. It asks for an
/// acknowledgement (MSH-15, MSH-16). A response to an alert asks for none.
fn is_alert_status(header: &Header<'_>) -> bool {
    let (kind, asked) =
        (header.message_type(), AcknowledgementRequest::from_header(header, AcknowledgeAs::AsAsked));
    let AcknowledgementRequest::Enhanced { accept, application } = asked else { return false };
    let trigger = kind.trigger;
    kind.code.eq_ignore_ascii_case(b"ORA")
        && (trigger.is_empty() || trigger.eq_ignore_ascii_case(b"R41"))
        && (accept, application) != (Condition::Never, Condition::Never)
}

/// Whether a segment says that something failed: an error, an answer to an order, or a condition of MSA.
fn reports_failure(segment: Segment<'_>) -> bool {
    reports_error(segment) || is_unable(segment) || segment.is(b"MSA") && has_code(segment.field(6))
}

/// Whether a segment is an error, by its severity (ERR-4, HL7 table 0516), or without a known one by its code
/// (ERR-3 and MSA-6, HL7 table 0357, in which 0 is success; ERR-5). Warnings and information are no errors.
/// Of several statements the worst counts.
fn reports_error(segment: Segment<'_>) -> bool {
    if !segment.is(b"ERR") {
        return false;
    }
    let severities = words(segment.field(4));
    let is = |word: &[u8], known: &[&[u8]]| known.iter().any(|one| one.eq_ignore_ascii_case(word));
    if severities.iter().any(|word| is(word, &[b"E", b"F"])) {
        return true;
    }
    if !severities.is_empty() && severities.iter().all(|word| is(word, &[b"W", b"I"])) {
        return false;
    }
    let codes = [segment.field(3), segment.field(5)];
    let has_any = codes.iter().any(|field| !words(*field).is_empty());
    if has_any {
        codes.into_iter().any(has_code)
    } else {
        !severities.is_empty() || !segment.field(1).is_empty()
    }
}

/// Whether a field has a code that is not 0.
fn has_code(field: Field<'_>) -> bool {
    words(field).iter().any(|code| code.iter().any(|digit| *digit != b'0'))
}

/// The codes in a field, of every repetition the primary and the alternate one, as they are shown.
fn words(field: Field<'_>) -> Vec<Vec<u8>> {
    let code = |component: Component<'_>| component.shown_text().trim_ascii().to_vec();
    let codes = field.repetitions().flat_map(|one| [1, 4].map(|n| code(one.component(n))));
    codes.filter(|code| !code.is_empty() && *code != b"\"\"").collect()
}

/// Whether a segment answers an order with a refusal (ORC-1, HL7 table 0119), or with an error in place of
/// its status (ORC-5, HL7 table 0038).
fn is_unable(segment: Segment<'_>) -> bool {
    let is_refusal = |word: &Vec<u8>| REFUSALS.iter().any(|code| word.eq_ignore_ascii_case(*code));
    let is_error = |word: &Vec<u8>| word.eq_ignore_ascii_case(b"ER");
    segment.is(b"ORC")
        && (words(segment.field(1)).iter().any(is_refusal) || words(segment.field(5)).iter().any(is_error))
}

/// Unable to accept, cancel, discontinue, refill, hold, replace, release or change the order; data errors.
const REFUSALS: [&[u8; 2]; 9] = [b"UA", b"UC", b"UD", b"UF", b"UH", b"UM", b"UR", b"UX", b"DE"];

/// The types of HL7 table 0076 that answer another message.
const RESPONSES: [&[u8; 3]; 41] = [
    b"ACK", b"ADR", b"BRP", b"BRT", b"EAR", b"ERP", b"MCF", b"MFK", b"MFR", b"NMR", b"ORA", b"ORD", b"ORF",
    b"ORG", b"ORI", b"ORL", b"ORN", b"ORP", b"ORR", b"ORS", b"OSR", b"RAR", b"RCI", b"RCL", b"RDR", b"RER",
    b"RGR", b"ROR", b"RPA", b"RPI", b"RPL", b"RPR", b"RRA", b"RRD", b"RRE", b"RRG", b"RRI", b"RSP", b"RTB",
    b"SRR", b"VXR",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, msa: &str) -> Option<(Option<AcknowledgementCode>, String)> {
        let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6\r{msa}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let found = message.acknowledgement()?;
        Some((found.code, String::from_utf8_lossy(found.control_id).into_owned()))
    }

    // HL7 2.6 ch. 2, 2.14.5, and ch. 4, table 0119: a pump that cannot do what it was ordered to.
    #[test]
    fn an_error_or_a_refusal_beside_a_positive_code_counts() {
        use AcknowledgementCode::{AA, AE, AR, CA, CE};
        for (rest, positive) in [
            ("", true),
            ("ERR|||0^Message accepted^HL70357|I\r", true),
            ("ERR|||207|W\r", true),
            ("ERR|||0\r", true),
            ("ERR|\r", true),
            ("ORC|OK\r", true),
            ("ORC|UN\r", true),
            ("ORC|SC\r", true),
            ("ERR|||207|E\r", false),
            ("ERR|||207^Application error^HL70357|F\r", false),
            ("ERR|||207\r", false),
            ("ERR|RXG^1^3^100\r", false),
            ("ERR|||0|I\rERR|||101|E\r", false),
            ("ORC|UA\r", false),
            ("PID|1\rORC|OK\rORC|ux^Unable\r", false),
            ("ORC|DE\r", false),
            ("ERR|||207|\\H\\E\r", false),
            ("ERR|||207|\\H\\E\\N\\\r", false),
            ("ERR|||207|X\r", false),
            ("ERR|||207|W~E\r", false),
            ("ERR||||X\r", false),
            ("ERR|||0|X\r", true),
            ("ERR|||^^^207^x^HL70357\r", false),
            ("ERR|||0~207\r", false),
            ("ERR|||||PUMP-LOCKED\r", false),
            ("ERR|||0|I|0\r", true),
            ("ORC|OK~UA\r", false),
            ("ORC|\\H\\UA\\N\\\r", false),
            ("ORC|OK||||ER\r", false),
            ("ORC|OK||||IP\r", true),
        ] {
            for (code, negative) in [(AA, AE), (CA, CE), (AE, AE), (AR, AR)] {
                let expected = if positive { code } else { negative };
                let found = read("RRG^O16^RRG_O16", &format!("MSA|{}|2\r{rest}", code.as_str()));
                assert_eq!(found, Some((Some(expected), "2".into())), "{rest}");
            }
        }
    }

    // HL7 2.3 to 2.6: MSA-6 has the error condition.
    #[test]
    fn an_error_condition_in_msa_counts() {
        use AcknowledgementCode::{AA, AE};
        for (condition, expected) in
            [("207^failed^HL70357", AE), ("^^^207", AE), ("0^accepted", AA), ("^accepted", AA), ("", AA)]
        {
            let found = read("ACK^O15^ACK", &format!("MSA|AA|2||||{condition}\r"));
            assert_eq!(found, Some((Some(expected), "2".into())), "{condition}");
        }
    }

    #[test]
    fn the_type_identifies_an_acknowledgement() {
        assert_eq!(read("ACK^O15^ACK", "MSA|CA|102\r"), Some((Some(AcknowledgementCode::CA), "102".into())));
        assert_eq!(
            read(" RRG^O16^RRG_O16", "MSA|AR| 2 \r"),
            Some((Some(AcknowledgementCode::AR), "2".into()))
        );
        assert_eq!(read("ORU^R01", "MSA|AA|7\r"), None);
        assert_eq!(read("RGV^O15^RGV_O15", "MSA|AA|7\r"), None);
        assert_eq!(read("", "MSA|AA|7\r"), Some((Some(AcknowledgementCode::AA), "7".into())));
        assert_eq!(read("ORA^R41^ORA_R41", "PID|1\r"), Some((None, String::new())));
        assert_eq!(read("ACK", "MSA|??|3\r"), Some((None, "3".into())));
        assert_eq!(read("ACK", "MSA|AA|3\rMSA|AE|3\r"), Some((None, "3".into())));
        assert_eq!(read("ACK", "MSA|AA|3\rMSA|AA|3\r"), Some((Some(AcknowledgementCode::AA), "3".into())));
        assert_eq!(read("ORU^R01^ORU_R01", "PID|1\r"), None);
    }

    // IHE PCD TF vol. 2, 3.5.4.1, and B.1 (MSH-15, MSH-16)
    #[test]
    fn the_state_of_an_alert_is_a_message_that_has_msa() {
        let is_one = |kind: &str, modes: &str| {
            let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6|||{modes}\rMSA|AA|ALERT-1\rOBR|1\r");
            Message::parse(text.as_bytes()).unwrap().acknowledgement().is_some()
        };
        for modes in ["AL|NE", "AL|AL", "NE|AL", "AL|", "ER|NE", "al|ne"] {
            assert!(!is_one("ORA^R41^ORA_R41", modes) && !is_one("ora^r41", modes), "{modes}");
            for kind in ["ACK^R41^ACK", "RRG^O16^RRG_O16", "ORA^R33^ORA_R33"] {
                assert!(is_one(kind, modes), "an acknowledgement may ask for one of its own: {kind} {modes}");
            }
        }
        for modes in ["|", "NE|NE", "NE|", "\"\"|\"\""] {
            assert!(is_one("ORA^R41^ORA_R41", modes), "the response to an alert: {modes}");
        }
    }
}
