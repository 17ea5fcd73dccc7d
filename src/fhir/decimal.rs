//! Numbers with the digits that were sent: `5`, `5.0` and `5.00` state different precisions.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A number as JSON, never as a binary fraction.
#[derive(Clone)]
pub struct Decimal(Box<RawValue>);

impl Decimal {
    /// The number of type NM (HL7 2.6 ch. 2A: a sign, digits, a point, digits). What JSON does not allow is
    /// changed without changing the number or its precision: `+5` becomes `5`, `.5` becomes `0.5`, `007`
    /// becomes `7`, `5.` becomes `5`.
    ///
    /// `None` for any other text, and for one of more than 64 bytes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_number =
            are_digits(whole) && are_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
        if !is_number || text.len() > MAX_LENGTH {
            return None;
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let point = if fraction.is_empty() { "" } else { "." };
        RawValue::from_string(format!("{sign}{whole}{point}{fraction}")).ok().map(Self)
    }

    /// The text in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// An approximation, for comparing.
    pub(super) fn approximate(&self) -> f64 {
        self.as_str().parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Bytes of a number; FHIR recommends at most 18 digits.
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_that_were_sent() {
        for (sent, json) in [
            ("5", "5"),
            ("5.00", "5.00"),
            ("-0.50", "-0.50"),
            ("+7", "7"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("007.10", "7.10"),
            ("0", "0"),
            ("00", "0"),
            ("123456789012345678.123456789", "123456789012345678.123456789"),
            ("99999999999999999999.12345678901234567890", "99999999999999999999.12345678901234567890"),
        ] {
            let decimal = Decimal::parse(sent).unwrap();
            assert_eq!(decimal.as_str(), json, "{sent}");
            assert_eq!(serde_json::to_string(&decimal).unwrap(), json);
        }
    }

    #[test]
    fn what_is_no_number_becomes_none() {
        for text in ["", ".", "-", "+-5", "1e3", "1,5", "1.2.3", "NaN", "5 6", "٥", "0x1", &"9".repeat(65)] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }
}
