//! PCD-05: what is reported of an alert to the device that reported it.
//!
//! MSA-2 names the alert by the MSH-10 of the message that reported it first (IHE PCD TF vol. 2, 3.5.4.1.4).
//! The store knows that control id; the program that writes the PCD-05 need not.

use bytes::Bytes;

use crate::hl7::Message;
use crate::mllp::CR;
use crate::pcd::Transaction;

/// Why a message cannot name its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AlertStatusError {
    /// It is another transaction.
    #[error("the message is no PCD-05 (ORU^R41 or ORA^R41), so it reports nothing of an alert")]
    OtherTransaction,
    /// MSA is missing, or there are several.
    #[error("a PCD-05 has one MSA segment behind MSH, whose MSA-2 names the alert: add `MSA|AA|`")]
    NoPlace,
    /// MSA-2 names another alert.
    #[error("MSA-2 of the message names another alert: leave it empty, or leave out the alert")]
    OtherAlert,
    /// The control id of the alert would be read as something else.
    #[error("the control id of the alert has a character that MSA-2 of this message cannot hold")]
    Unwritable,
    /// MSA-2 is empty.
    #[error(
        "MSA-2 of the message is empty, so the device would not know which alert is meant: name a message of the alert (`--alert`)"
    )]
    Unnamed,
}

/// Checks that a PCD-05 names its alert. Other messages need not.
///
/// # Errors
/// When it does not.
pub fn check_alert_status(message: &[u8]) -> Result<(), AlertStatusError> {
    let Ok(parsed) = Message::parse(message) else { return Ok(()) };
    if Transaction::of(&parsed) != Some(Transaction::Pcd05) {
        return Ok(());
    }
    let named = parsed.segment(b"MSA").is_some_and(|msa| !msa.field(2).trimmed().is_empty());
    if named { Ok(()) } else { Err(AlertStatusError::Unnamed) }
}

/// The PCD-05 with the alert's first control id in MSA-2, unless it is there already.
///
/// # Errors
/// When the message is none, names another alert, or cannot hold the control id.
pub fn name_alert(message: &[u8], control_id: &str) -> Result<Bytes, AlertStatusError> {
    let parsed = Message::parse(message).map_err(|_| AlertStatusError::OtherTransaction)?;
    if Transaction::of(&parsed) != Some(Transaction::Pcd05) {
        return Err(AlertStatusError::OtherTransaction);
    }
    let separator = message.get(3).copied().ok_or(AlertStatusError::OtherTransaction)?;
    let delimiters = message.get(3..8).unwrap_or_default();
    let is_plain = |byte: u8| matches!(byte, b'!'..=b'~') && !delimiters.contains(&byte);
    if control_id.is_empty() || !control_id.bytes().all(is_plain) {
        return Err(AlertStatusError::Unwritable);
    }
    let segments: Vec<&[u8]> = message.split(|byte| *byte == CR).collect();
    let is_msa = |segment: &&[u8]| segment.starts_with(b"MSA") && segment.get(3) == Some(&separator);
    let (Some(at), 1) = (segments.iter().position(is_msa), segments.iter().filter(|one| is_msa(one)).count())
    else {
        return Err(AlertStatusError::NoPlace);
    };
    let mut fields: Vec<&[u8]> =
        segments.get(at).copied().unwrap_or_default().split(|byte| *byte == separator).collect();
    fields.resize(fields.len().max(3), &[]);
    match fields.get_mut(2) {
        Some(field) if field.is_empty() => *field = control_id.as_bytes(),
        Some(field) if *field == control_id.as_bytes() => {}
        _ => return Err(AlertStatusError::OtherAlert),
    }
    let msa = fields.join(&separator);
    let named: Vec<&[u8]> =
        segments.iter().enumerate().map(|(place, one)| if place == at { &msa[..] } else { *one }).collect();
    Ok(named.join(&CR).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(kind: &str, msa: &str) -> String {
        format!("MSH|^~\\&|P||MON^1^ISO||20260101||{kind}|S-1|P|2.6|||AL|AL\r{msa}OBR|1||A1\r")
    }

    fn named(message: &str, control_id: &str) -> Result<String, AlertStatusError> {
        name_alert(message.as_bytes(), control_id).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    // IHE PCD TF vol. 2, 3.5.4.1.4
    #[test]
    fn pcd_05_names_its_alert_by_the_control_id_that_reported_it_first() {
        let wanted = status("ORU^R41^ORU_R41", "MSA|AA|FIRST\r");
        for msa in ["MSA|AA\r", "MSA|AA|\r", "MSA|AA|FIRST\r"] {
            assert_eq!(named(&status("ORU^R41^ORU_R41", msa), "FIRST").unwrap(), wanted, "{msa}");
        }
        let more = status("ORU^R41^ORU_R41", "MSA|AA||text\r");
        assert!(named(&more, "FIRST").unwrap().contains("\rMSA|AA|FIRST|text\r"));
        assert_eq!(check_alert_status(wanted.as_bytes()), Ok(()));
    }

    #[test]
    fn what_cannot_name_its_alert_is_refused_with_the_reason() {
        for (kind, msa, id, error) in [
            ("ORU^R01", "MSA|AA|\r", "FIRST", AlertStatusError::OtherTransaction),
            ("ORU^R41", "", "FIRST", AlertStatusError::NoPlace),
            ("ORU^R41", "MSA|AA|\rMSA|AA|\r", "FIRST", AlertStatusError::NoPlace),
            ("ORU^R41", "MSA|AA|SECOND\r", "FIRST", AlertStatusError::OtherAlert),
            ("ORU^R41", "MSA|AA|\r", "A|B", AlertStatusError::Unwritable),
            ("ORU^R41", "MSA|AA|\r", "A^B", AlertStatusError::Unwritable),
            ("ORU^R41", "MSA|AA|\r", "", AlertStatusError::Unwritable),
        ] {
            assert_eq!(named(&status(kind, msa), id), Err(error), "{kind} {msa} {id}");
        }
        for msa in ["", "MSA|AA|\r"] {
            let unnamed = status("ORU^R41", msa);
            assert_eq!(check_alert_status(unnamed.as_bytes()), Err(AlertStatusError::Unnamed), "{msa}");
        }
        assert_eq!(check_alert_status(status("RGV^O15", "").as_bytes()), Ok(()));
    }
}
