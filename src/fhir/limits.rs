//! OBX-7: the alarm limits.

use super::datatypes::{CodeableConcept, Coding, Extension};
use super::decimal::Decimal;
use super::quantity::Units;
use super::resource::ReferenceRange;
use super::text;
use crate::hl7::{CharacterSet, Field};

/// Alarm limits as they were sent, and as numbers where these are plain.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    text: String,
    range: Option<(Decimal, Decimal)>,
}

impl Limits {
    /// The limits in a field; `None` without any.
    ///
    /// Only `50-120`, with the lower number first, has two limits. In HL7 `>140` is a normal range without an
    /// upper limit; devices also send it for the limit that an alarm exceeded. It stays a text.
    pub(super) fn of(field: Field<'_>, characters: CharacterSet) -> Option<Self> {
        let text = text::as_sent(field, characters)?;
        let range = two_numbers(&text).filter(|(low, high)| low.approximate() <= high.approximate());
        Some(Self { text, range })
    }

    /// The limits as an extension of the metric; `None` without two numbers.
    pub(super) fn extension(&self, units: &Units) -> Option<Extension> {
        let (low, high) = self.range.clone()?;
        let limit = |url, value| Extension {
            url,
            value_quantity: Some(units.quantity(value)),
            ..Extension::default()
        };
        let kind =
            Extension { url: "type", value_codeable_concept: Some(alarm_limits()), ..Extension::default() };
        let parts = vec![limit("low", low), limit("high", high), kind];
        Some(Extension { url: REFERENCE_RANGE, extension: parts, ..Extension::default() })
    }

    /// The limits as those of one observation.
    pub(super) fn reference_range(&self, units: &Units) -> ReferenceRange {
        let range = self.range.clone();
        let quantity = |value| Some(units.quantity(value));
        let (low, high) = range.map_or((None, None), |(low, high)| (quantity(low), quantity(high)));
        ReferenceRange { low, high, kind: alarm_limits(), text: self.text.clone() }
    }
}

fn two_numbers(text: &str) -> Option<(Decimal, Decimal)> {
    let after_sign = text.char_indices().skip(1).find(|(_, letter)| *letter == '-')?.0;
    let (low, high) = text.split_at_checked(after_sign)?;
    Decimal::parse(low).zip(Decimal::parse(high.strip_prefix('-')?))
}

fn alarm_limits() -> CodeableConcept {
    Coding::new(RANGE_TYPES, "alarm-limits", "").into()
}

/// The extension of the guide for ranges of a DeviceMetric.
const REFERENCE_RANGE: &str = "http://hl7.org/fhir/StructureDefinition/reference-range";
const RANGE_TYPES: &str = "http://hl7.org/fhir/uv/pocd/CodeSystem/reference-range-type";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn range(written: &str) -> Option<String> {
        let text = format!("MSH|^~\\&|\rOBX|1|NM||1|5||{written}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let obx = message.segments().nth(1).unwrap();
        let limits = Limits::of(obx.field(7), message.text_encoding()).unwrap();
        assert_eq!(limits.text, written);
        limits.range.map(|(low, high)| format!("{low:?} {high:?}"))
    }

    #[test]
    fn only_two_plain_numbers_in_order_are_limits() {
        for (written, expected) in [
            ("90-160", Some("90 160")),
            ("75 - 90.0", Some("75 90.0")),
            ("-5-5", Some("-5 5")),
            ("-10--5", Some("-10 -5")),
            ("160-90", None),
            ("50--120", None),
            (">140", None),
            ("-5", None),
            ("high", None),
            ("90-160~1-2", None),
            ("90^160", None),
        ] {
            assert_eq!(range(written).as_deref(), expected, "{written}");
        }
    }
}
