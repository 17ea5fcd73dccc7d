//! Which acknowledgements a sender requests.

use std::str::FromStr;

use super::code::{AcknowledgementCode, Condition, Outcome};
use crate::hl7::Header;

/// The acknowledgements that MSH-15 and MSH-16 request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AcknowledgementRequest {
    /// Both are empty: one answer, AA, AE or AR.
    Original,
    /// At least one is set; an empty one counts as `NE`.
    Enhanced {
        /// MSH-15.
        accept: Condition,
        /// MSH-16.
        application: Condition,
    },
}

/// How to answer a sender whose MSH-15 and MSH-16 are wrong; set by the operator for each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AcknowledgeAs {
    /// As the message requests.
    #[default]
    AsAsked,
    /// Original mode: AA, AE or AR, always.
    Original,
    /// Accept acknowledgements only, always.
    Accept,
    /// Application acknowledgements only, always.
    Application,
}

/// The acknowledgements of one message, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// CA, CE or CR.
    pub accept: Option<AcknowledgementCode>,
    /// AA, AE or AR.
    pub application: Option<AcknowledgementCode>,
}

impl AcknowledgementRequest {
    /// The acknowledgements that the header requests, unless the operator overrides them.
    ///
    /// A value outside table 0155 counts as `AL`, with a warning: a device can ignore a superfluous
    /// acknowledgement, but a missing one stops it.
    #[must_use]
    pub fn from_header(header: &Header<'_>, acknowledge: AcknowledgeAs) -> Self {
        let (accept, application) = match acknowledge {
            AcknowledgeAs::Original => return Self::Original,
            AcknowledgeAs::Accept => (Condition::Always, Condition::Never),
            AcknowledgeAs::Application => (Condition::Never, Condition::Always),
            AcknowledgeAs::AsAsked => {
                let (accept, application) =
                    (header.accept_acknowledgement(), header.application_acknowledgement());
                if accept.is_empty() && application.is_empty() {
                    return Self::Original;
                }
                (Condition::parse(accept), Condition::parse(application))
            }
        };
        Self::Enhanced { accept, application }
    }

    /// The same with the accept acknowledgement only, where one is requested: for messages in which MSH-16
    /// has another meaning then.
    #[must_use]
    pub const fn without_second_acknowledgement(self) -> Self {
        match self {
            Self::Original | Self::Enhanced { accept: Condition::Never, .. } => self,
            Self::Enhanced { accept, .. } => Self::Enhanced { accept, application: Condition::Never },
        }
    }

    /// The accept acknowledgement alone: what a gateway answers for itself.
    #[must_use]
    pub const fn accept_only(self) -> Self {
        let accept = match self {
            Self::Original => Condition::Never,
            Self::Enhanced { accept, .. } => accept,
        };
        Self::Enhanced { accept, application: Condition::Never }
    }

    /// The application acknowledgement alone: what follows when the accept acknowledgement is given.
    #[must_use]
    pub const fn application_only(self) -> Self {
        match self {
            Self::Original => Self::Original,
            Self::Enhanced { application, .. } => Self::Enhanced { accept: Condition::Never, application },
        }
    }

    /// When an application acknowledgement is sent.
    #[must_use]
    pub const fn application(self) -> Condition {
        match self {
            Self::Original => Condition::Always,
            Self::Enhanced { application, .. } => application,
        }
    }

    /// The same with a negative accept acknowledgement for a sender who otherwise cannot distinguish a
    /// failure from a success: neither is answered.
    #[must_use]
    pub const fn with_failures(self) -> Self {
        match self {
            Self::Enhanced { accept: Condition::Never, application: Condition::Never } => {
                Self::Enhanced { accept: Condition::OnError, application: Condition::Never }
            }
            _ => self,
        }
    }

    /// The acknowledgements to send for an outcome.
    ///
    /// A negative accept acknowledgement ends the exchange: no application acknowledgement follows (HL7 2.6
    /// ch. 2, 2.9.3.1).
    #[must_use]
    pub fn answers(self, outcome: Outcome) -> Answers {
        let (accept, application) = match self {
            Self::Original => (Condition::Never, Condition::Always),
            Self::Enhanced { accept, application } => (accept, application),
        };
        let accept = accept.holds(outcome).then(|| outcome.accept_code());
        let ended = accept.is_some() && outcome != Outcome::Accepted;
        let application = (application.holds(outcome) && !ended).then(|| outcome.application_code());
        Answers { accept, application }
    }
}

impl Answers {
    /// The acknowledgements in the order in which they are sent.
    pub fn iter(self) -> impl Iterator<Item = AcknowledgementCode> {
        [self.accept, self.application].into_iter().flatten()
    }
}

/// A word other than `as-asked`, `original`, `accept`, `application`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sender is acknowledged `as-asked`, `original`, `accept` or `application`")]
pub struct AcknowledgeAsError;

impl AcknowledgeAs {
    /// The name in the configuration and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsAsked => "as-asked",
            Self::Original => "original",
            Self::Accept => "accept",
            Self::Application => "application",
        }
    }
}

impl FromStr for AcknowledgeAs {
    type Err = AcknowledgeAsError;

    fn from_str(word: &str) -> Result<Self, AcknowledgeAsError> {
        [Self::AsAsked, Self::Original, Self::Accept, Self::Application]
            .into_iter()
            .find(|known| known.as_str() == word)
            .ok_or(AcknowledgeAsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::{Message, Warning};

    fn answers(msh15: &str, msh16: &str, acknowledge: AcknowledgeAs, outcome: Outcome) -> String {
        let text = format!(r"MSH|^~\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6|||{msh15}|{msh16}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let request = AcknowledgementRequest::from_header(&message.header(), acknowledge);
        request.answers(outcome).iter().map(AcknowledgementCode::as_str).collect::<Vec<_>>().join("+")
    }

    /// The table of IHE PCD TF vol. 2, B.1, for an accepted, a wrong and a rejected message.
    #[test]
    fn msh_15_and_16_decide_which_acknowledgements_are_sent() {
        for (msh15, msh16, accepted, error, rejected) in [
            ("", "", "AA", "AE", "AR"),
            ("\"\"", " ", "AA", "AE", "AR"),
            ("AL", "NE", "CA", "CE", "CR"),
            ("AL", "", "CA", "CE", "CR"),
            ("NE", "AL", "AA", "AE", "AR"),
            ("", "AL", "AA", "AE", "AR"),
            ("AL", "AL", "CA+AA", "CE", "CR"),
            ("ER", "AL", "AA", "CE", "CR"),
            ("ER", "NE", "", "CE", "CR"),
            ("SU", "NE", "CA", "", ""),
            ("SU", "AL", "CA+AA", "AE", "AR"),
            ("NE", "ER", "", "AE", "AR"),
            ("NE", "SU", "AA", "", ""),
            ("NE", "NE", "", "", ""),
            ("NE", "", "", "", ""),
            ("al", "ne ", "CA", "CE", "CR"),
            ("XX", "NE", "CA", "CE", "CR"),
        ] {
            let found = [Outcome::Accepted, Outcome::Error, Outcome::Rejected]
                .map(|outcome| answers(msh15, msh16, AcknowledgeAs::AsAsked, outcome));
            assert_eq!(found, [accepted, error, rejected], "{msh15:?} {msh16:?}");
        }
    }

    #[test]
    fn the_operator_can_overrule_a_sender() {
        let accepted = |acknowledge| answers("NE", "NE", acknowledge, Outcome::Accepted);
        assert_eq!(accepted(AcknowledgeAs::AsAsked), "");
        assert_eq!(accepted(AcknowledgeAs::Original), "AA");
        assert_eq!(accepted(AcknowledgeAs::Accept), "CA");
        assert_eq!(accepted(AcknowledgeAs::Application), "AA");
        assert_eq!("accept".parse(), Ok(AcknowledgeAs::Accept));
        assert_eq!("Accept".parse::<AcknowledgeAs>(), Err(AcknowledgeAsError));
    }

    #[test]
    fn without_a_second_acknowledgement_the_only_one_stays() {
        let both =
            AcknowledgementRequest::Enhanced { accept: Condition::Always, application: Condition::Always };
        assert_eq!(both.without_second_acknowledgement().answers(Outcome::Accepted).iter().count(), 1);
        let original =
            AcknowledgementRequest::Original.without_second_acknowledgement().answers(Outcome::Accepted);
        assert_eq!(original.application, Some(AcknowledgementCode::AA));
    }

    #[test]
    fn an_unknown_condition_is_a_warning() {
        let warned = |conditions: &str| {
            let text = format!(r"MSH|^~\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6|||{conditions}");
            Message::parse(text.as_bytes())
                .unwrap()
                .warnings()
                .contains(Warning::UnknownAcknowledgementCondition)
        };
        assert!(warned("XX|NE") && warned("AL|YES") && !warned("AL|su") && !warned("|"));
    }

    #[test]
    fn codes_read_back() {
        for letters in ["AA", "AE", "AR", "CA", "CE", "CR"] {
            assert_eq!(AcknowledgementCode::from_bytes(letters.as_bytes()).unwrap().as_str(), letters);
        }
        assert_eq!(AcknowledgementCode::from_bytes(b"**BAD**"), None);
        assert!(AcknowledgementCode::CA.is_positive() && !AcknowledgementCode::CE.is_positive());
    }
}
