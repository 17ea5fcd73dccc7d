//! Whether the value of an observation counts: by its status (OBX-11, HL7 table 0085) and by what OBX-8 says
//! of its validity (IHE PCD TF vol. 2, B.8).

use super::Observation;

/// Whether a value counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Valid,
    /// It counts, with this doubt.
    Doubted(String),
    /// There is no valid value, for this reason.
    Void(&'static str),
}

impl Standing {
    /// By OBX-11 and OBX-8.
    #[must_use]
    pub fn of(observation: &Observation<'_>) -> Self {
        let status = observation.status_code();
        let status = status.as_ref();
        if let Some(reason) = find_word(status, VOID_STATUSES) {
            return Self::Void(reason);
        }
        let is_plain = PLAIN_STATUSES.iter().any(|plain| plain.as_bytes().eq_ignore_ascii_case(status));
        let doubt = (!is_plain).then(|| find_word(status, DOUBTING_STATUSES).unwrap_or("status unknown"));
        match (Self::by_flags(observation), doubt) {
            (Self::Doubted(flags), Some(doubt)) => Self::Doubted(format!("{flags}, {doubt}")),
            (Self::Valid, Some(doubt)) => Self::Doubted(doubt.to_owned()),
            (by_flags, _) => by_flags,
        }
    }

    /// By OBX-8 alone.
    #[must_use]
    pub fn by_flags(observation: &Observation<'_>) -> Self {
        let flags = || observation.flag_words();
        if let Some(reason) = flags().find_map(|flag| find_word(&flag, VOID_FLAGS)) {
            return Self::Void(reason);
        }
        let doubts: Vec<&str> = flags().filter_map(|flag| find_word(&flag, DOUBTING_FLAGS)).collect();
        if doubts.is_empty() { Self::Valid } else { Self::Doubted(doubts.join(", ")) }
    }

    /// What speaks against the value.
    #[must_use]
    pub fn mark(&self) -> Option<&str> {
        match self {
            Self::Valid => None,
            Self::Doubted(doubt) => Some(doubt),
            Self::Void(reason) => Some(reason),
        }
    }

    /// Whether there is no valid value.
    #[must_use]
    pub const fn is_void(&self) -> bool {
        matches!(self, Self::Void(_))
    }

    /// What stands for a value that the device itself calls invalid.
    pub const INVALID: Self = Self::Void("invalid");
    /// What stands for a value that the sender took back.
    pub const WITHDRAWN: Self = Self::Void("withdrawn");
}

/// The word for a code of a table, whatever its case.
#[must_use]
pub fn find_word(value: &[u8], table: &'static [(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(code, _)| code.as_bytes().eq_ignore_ascii_case(value)).map(|(_, word)| *word)
}

/// Final, verified, and not verified: what a device measures is most often not verified by a person.
const PLAIN_STATUSES: [&str; 4] = ["", "F", "R", "V"];

const VOID_STATUSES: &[(&str, &str)] = &[
    ("W", "withdrawn"),
    ("D", "withdrawn"),
    ("X", "not obtained"),
    ("I", "pending"),
    ("N", "not asked for"),
    ("O", "order detail without a result"),
];

const DOUBTING_STATUSES: &[(&str, &str)] = &[
    ("P", "preliminary"),
    ("S", "partial"),
    ("C", "corrected"),
    ("U", "final, value not sent again"),
    ("A", "amended"),
    ("B", "appended"),
];

const VOID_FLAGS: &[(&str, &str)] = &[("INV", "invalid"), ("NAV", "not available")];

const DOUBTING_FLAGS: &[(&str, &str)] =
    &[("QUES", "questionable"), ("CALIB", "calibration"), ("CAL", "calibration"), ("EARLY", "early")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn of(flags: &str, status: &str) -> Standing {
        let text = format!("MSH|^~\\&|\rOBX|1|NM|1^X^MDC|1.0.0.1|5|||{flags}|||{status}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        Standing::of(&message.segments().find_map(Observation::of).unwrap())
    }

    #[test]
    fn each_status_and_flag_of_validity_counts() {
        for status in ["", "F", "R", "V", "f", " F "] {
            assert_eq!(of("H~PH", status), Standing::Valid, "{status}");
        }
        for status in ["W", "D", "d"] {
            assert_eq!(of("", status), Standing::WITHDRAWN, "{status}");
        }
        for status in ["X", "I", "N", "O"] {
            assert!(of("", status).is_void(), "{status}");
        }
        for status in ["P", "S", "C", "U", "A", "B", "Z", "FF"] {
            assert!(matches!(of("", status), Standing::Doubted(_)), "{status}");
        }
        assert_eq!(of("H~inv", "F"), Standing::INVALID);
        for hidden in ["x^INV", r"\X494E56\", r"\H\INV\N\", "H&inv"] {
            assert_eq!(of(hidden, "F"), Standing::INVALID, "{hidden}");
        }
        assert_eq!(of("", "W^x"), Standing::WITHDRAWN);
        assert_eq!(of("", r"\X57\"), Standing::WITHDRAWN);
        assert!(matches!(of("", "F~W"), Standing::Doubted(_)), "a live value does not read as withdrawn");
        assert_eq!(of("QUES~H", "P").mark(), Some("questionable, preliminary"));
    }
}
