//! Which messages the platform accepts.

use super::{Claims, Transaction};
use crate::config::{Config, Conformance, Devices, MessageTypes, MissingIdentity};
use crate::hl7::{Header, Rejection};

/// The part of the configuration that decides which messages are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePolicy {
    /// Which message types are accepted.
    pub types: MessageTypes,
    /// Which values of MSH-11 are accepted.
    pub processing_ids: Vec<String>,
    /// What happens to a message whose content breaks its profile.
    pub conformance: Conformance,
    /// What happens to a message that names no device.
    pub missing_identity: MissingIdentity,
    /// The largest number of distinct device identities in a message.
    pub max_identities: usize,
}

impl Default for MessagePolicy {
    fn default() -> Self {
        Self {
            types: MessageTypes::default(),
            processing_ids: vec!["P".to_owned()],
            conformance: Conformance::default(),
            missing_identity: MissingIdentity::default(),
            max_identities: Devices::default().max_identities as usize,
        }
    }
}

impl From<&Config> for MessagePolicy {
    fn from(config: &Config) -> Self {
        Self {
            types: config.messages.types,
            processing_ids: config.messages.processing_ids.clone(),
            conformance: config.messages.conformance,
            missing_identity: config.devices.missing_identity,
            max_identities: config.devices.max_identities as usize,
        }
    }
}

impl MessagePolicy {
    /// Whether a message of a device is accepted, by its header and its transaction. Acknowledgements are not
    /// checked here: they belong to an exchange that the platform began.
    ///
    /// # Errors
    /// The reason for which the message is rejected.
    pub fn admit(&self, header: &Header<'_>, transaction: Option<Transaction>) -> Result<(), Rejection> {
        if header.control_id().is_empty() {
            return Err(Rejection::NoControlId);
        }
        let control_id = header.control_id().raw();
        // A character has at least one byte.
        if control_id.len() > MAX_CONTROL_ID
            && header.text_encoding().decode(control_id).chars().count() > MAX_CONTROL_ID
        {
            return Err(Rejection::LongControlId);
        }
        let kind = header.message_type();
        if kind.code.is_empty() {
            return Err(Rejection::NoMessageType);
        }
        let is_accepted = transaction.is_some_and(Transaction::comes_from_devices);
        if self.types == MessageTypes::Pcd && !is_accepted {
            let is_observation = kind.code.eq_ignore_ascii_case(b"ORU");
            return Err(if is_observation {
                Rejection::UnsupportedEvent
            } else {
                Rejection::UnsupportedType
            });
        }
        let processing_id = header.processing_id().component(1).trimmed();
        if !self.processing_ids.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(processing_id)) {
            let is_empty = header.processing_id().is_empty();
            return Err(if is_empty {
                Rejection::NoProcessingId
            } else {
                Rejection::UnsupportedProcessingId
            });
        }
        if !is_readable_version(header.version().component(1).trimmed()) {
            return Err(Rejection::UnsupportedVersion);
        }
        Ok(())
    }

    /// Whether a message with these identity claims is accepted.
    ///
    /// # Errors
    /// When it names too many devices, or none and the configuration requires one.
    pub fn check_claims(&self, claims: &Claims) -> Result<(), Rejection> {
        if claims.exceeds_limit {
            return Err(Rejection::TooManyIdentities);
        }
        if claims.identities.is_empty() && self.missing_identity == MissingIdentity::Refuse {
            return Err(Rejection::MissingIdentity);
        }
        Ok(())
    }
}

/// Characters of MSH-10 (HL7 2.6 ch. 2, 2.14.9.10).
const MAX_CONTROL_ID: usize = 199;

/// 2.3 to 2.8, and their minor versions (2.3.1, 2.5.1, 2.8.2 ...).
fn is_readable_version(version: &[u8]) -> bool {
    matches!(version, [b'2', b'.', b'3'..=b'8'] | [b'2', b'.', b'3'..=b'8', b'.', ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn admit(policy: &MessagePolicy, kind: &str, rest: &str) -> Result<Option<Transaction>, Rejection> {
        let text = format!("MSH|^~\\&|A||||2026||{kind}|{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let transaction = Transaction::of(&message);
        policy.admit(&message.header(), transaction).map(|()| transaction)
    }

    #[test]
    fn messages_are_accepted_or_rejected_by_the_table() {
        let policy = MessagePolicy::default();
        for (kind, rest, expected) in [
            ("ORU^R01^ORU_R01", "1|P|2.6", Ok(Some(Transaction::Pcd01))),
            ("ORU^R40^ORU_R40", "1|P^T|2.8.1", Ok(Some(Transaction::Pcd04))),
            ("ORU^R01", "|P|2.6", Err(Rejection::NoControlId)),
            ("ORU^R01", "\"\"|P|2.6", Err(Rejection::NoControlId)),
            ("ORU^R01", &format!("{}|P|2.6", "7".repeat(200)), Err(Rejection::LongControlId)),
            ("ORU^R01", &format!("{}|P|2.6", "7".repeat(199)), Ok(Some(Transaction::Pcd01))),
            ("ORU^R01", &format!("{}|P|2.6", "\u{e9}".repeat(199)), Ok(Some(Transaction::Pcd01))),
            ("", "1|P|2.6", Err(Rejection::NoMessageType)),
            ("ADT^A01^ADT_A01", "1|P|2.6", Err(Rejection::UnsupportedType)),
            ("RGV^O15^RGV_O15", "1|P|2.6", Err(Rejection::UnsupportedType)),
            ("ORU^R99", "1|P|2.6", Err(Rejection::UnsupportedEvent)),
            ("ORU^R41^ORU_R41", "1|P|2.6", Err(Rejection::UnsupportedEvent)),
            ("ORU^R01", "1|T|2.6", Err(Rejection::UnsupportedProcessingId)),
            ("ORU^R01", "1||2.6", Err(Rejection::NoProcessingId)),
            ("ORU^R01", "1|P|2.2", Err(Rejection::UnsupportedVersion)),
            ("ORU^R01", "1|P|2.61", Err(Rejection::UnsupportedVersion)),
            ("ORU^R01", "1|P|", Err(Rejection::UnsupportedVersion)),
        ] {
            assert_eq!(admit(&policy, kind, rest), expected, "{kind} {rest}");
        }
        for version in ["2.3", "2.3.1", "2.5.1", "2.6", "2.8", "2.8.2"] {
            assert!(admit(&policy, "ORU^R01", &format!("1|P|{version}")).is_ok(), "{version}");
        }
    }

    #[test]
    fn the_operator_can_accept_other_types_and_processing_ids() {
        let policy = MessagePolicy {
            types: MessageTypes::Any,
            processing_ids: vec!["P".into(), "T".into()],
            ..MessagePolicy::default()
        };
        assert_eq!(admit(&policy, "ADT^A01", "1|T|2.4"), Ok(None));
        assert_eq!(admit(&policy, "RGV^O15", "1|P|2.6"), Ok(Some(Transaction::Pcd03)));
        assert_eq!(admit(&policy, "ADT^A01", "1|D|2.4"), Err(Rejection::UnsupportedProcessingId));
    }

    #[test]
    fn a_message_without_identity_is_accepted_or_rejected_as_configured() {
        assert_eq!(MessagePolicy::default().check_claims(&Claims::default()), Ok(()));
        let strict = MessagePolicy { missing_identity: MissingIdentity::Refuse, ..MessagePolicy::default() };
        assert_eq!(strict.check_claims(&Claims::default()), Err(Rejection::MissingIdentity));
    }
}
