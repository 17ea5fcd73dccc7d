//! The tables of acknowledgements: conditions (HL7 table 0155), codes (HL7 table 0008), and outcomes.

use crate::hl7::Field;

/// When an acknowledgement is requested (HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `AL`.
    Always,
    /// `ER`: on errors and rejections only.
    OnError,
    /// `SU`: on success only.
    OnSuccess,
    /// `NE`.
    Never,
}

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is durable.
    Accepted,
    /// Its content is wrong, or the platform is unable: CE, AE.
    Error,
    /// It is rejected as such: CR, AR.
    Rejected,
}

/// MSA-1 (HL7 table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the codes of the table")]
pub enum AcknowledgementCode {
    AA,
    AE,
    AR,
    CA,
    CE,
    CR,
}

impl Condition {
    /// The condition, if the table has it.
    pub(crate) fn known(field: Field<'_>) -> Option<Self> {
        let value = field.trimmed();
        [(&b"AL"[..], Self::Always), (b"ER", Self::OnError), (b"SU", Self::OnSuccess), (b"NE", Self::Never)]
            .into_iter()
            .find_map(|(code, condition)| code.eq_ignore_ascii_case(value).then_some(condition))
    }

    /// The condition that a field asks for. An empty field asks for no acknowledgement; an unknown value
    /// counts as `AL`: a sender can ignore a superfluous acknowledgement, and a missing one stops it.
    pub(super) fn parse(field: Field<'_>) -> Self {
        if field.is_empty() { Self::Never } else { Self::known(field).unwrap_or(Self::Always) }
    }

    /// Whether an acknowledgement of this outcome is sent.
    #[must_use]
    pub const fn holds(self, outcome: Outcome) -> bool {
        match self {
            Self::Always => true,
            Self::OnError => !matches!(outcome, Outcome::Accepted),
            Self::OnSuccess => matches!(outcome, Outcome::Accepted),
            Self::Never => false,
        }
    }
}

impl Outcome {
    /// CA, CE or CR.
    pub(super) const fn accept_code(self) -> AcknowledgementCode {
        match self {
            Self::Accepted => AcknowledgementCode::CA,
            Self::Error => AcknowledgementCode::CE,
            Self::Rejected => AcknowledgementCode::CR,
        }
    }

    /// AA, AE or AR.
    pub(super) const fn application_code(self) -> AcknowledgementCode {
        match self {
            Self::Accepted => AcknowledgementCode::AA,
            Self::Error => AcknowledgementCode::AE,
            Self::Rejected => AcknowledgementCode::AR,
        }
    }
}

impl AcknowledgementCode {
    /// The two letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// Whether the message was accepted, or processed.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }

    /// The code with these two letters, whatever their case.
    #[must_use]
    pub fn from_bytes(letters: &[u8]) -> Option<Self> {
        [Self::AA, Self::AE, Self::AR, Self::CA, Self::CE, Self::CR]
            .into_iter()
            .find(|code| code.as_str().as_bytes().eq_ignore_ascii_case(letters))
    }
}
