//! OBX-5 by the type in OBX-2 as `value[x]`.

use super::coding;
use super::datatypes::{Quantity, Range, Ratio, SampledData};
use super::decimal::Decimal;
use super::quantity::Units;
use super::resource::Value;
use super::text;
use super::time::{Times, time_of_day};
use super::unmapped::Reason;
use crate::hl7::{CharacterSet, Repetition};
use crate::pcd::Observation;

/// What values are read with.
#[derive(Clone, Copy)]
pub(super) struct ValueReader<'a> {
    pub(super) characters: CharacterSet,
    pub(super) times: &'a Times,
    pub(super) units: &'a Units,
    /// Milliseconds between two samples.
    pub(super) sample_period: Option<&'a Decimal>,
}

/// The value in one repetition, and whether its codes contradict each other.
pub(super) struct Read {
    pub(super) value: Value,
    pub(super) is_contradictory: bool,
}

impl ValueReader<'_> {
    /// The values of an observation, one for each repetition of OBX-5; none when it is empty.
    pub(super) fn values(&self, observation: &Observation<'_>) -> Result<Vec<Read>, Reason> {
        let kind = observation.value_type().trimmed();
        let stated = |one: &Repetition<'_>| !matches!(one.trimmed(), b"" | b"\"\"");
        let mut values = Vec::new();
        for one in observation.value().repetitions().filter(stated) {
            if values.len() == MAX_VALUES {
                return Err(Reason::TooManyValues);
            }
            values.extend(self.value(kind, one)?);
        }
        Ok(values)
    }

    /// `None` for a value without content, such as `^^`.
    fn value(&self, kind: &[u8], one: Repetition<'_>) -> Result<Option<Read>, Reason> {
        let mismatch = Reason::ValueNotOfItsType;
        let plain = |value| Ok(Some(Read { value, is_contradictory: false }));
        match kind {
            b"NM" => plain(Value::Quantity(self.units.quantity(number(one).ok_or(mismatch)?))),
            b"SN" => plain(self.structured(one).ok_or(mismatch)?),
            b"NA" => plain(self.samples(one)?),
            b"CE" | b"CF" | b"CNE" | b"CWE" => {
                let read = coding::of_repetition(one, self.characters);
                Ok(read.map(|read| Read {
                    value: Value::CodeableConcept(read.concept),
                    is_contradictory: read.is_contradictory,
                }))
            }
            b"ST" | b"TX" | b"FT" | b"ID" | b"IS" => {
                let parts =
                    one.components().map(|part| text::component(part, self.characters).unwrap_or_default());
                let parts: Vec<_> = parts.collect();
                let text = text::string(parts.join("^").trim_end_matches('^'));
                Ok(text.map(|text| Read { value: Value::String(text), is_contradictory: false }))
            }
            b"DT" | b"DTM" | b"TS" => {
                plain(Value::DateTime(self.times.date_time(one.component(1).trimmed()).ok_or(mismatch)?))
            }
            b"TM" => {
                let written = text::component(one.component(1), self.characters).ok_or(mismatch)?;
                // FHIR has no time of day with a zone: without it, it would be another time.
                if written.contains(['+', '-']) {
                    return Err(Reason::ValueType);
                }
                plain(Value::Time(time_of_day(&written).ok_or(mismatch)?))
            }
            b"DR" => {
                let period = self.times.period([1, 2].map(|n| one.component(n).trimmed()));
                plain(Value::Period(period.ok_or(mismatch)?))
            }
            _ => Err(Reason::ValueType),
        }
    }

    /// SN: comparator, number, separator, number (HL7 2.6 ch. 2A).
    fn structured(&self, one: Repetition<'_>) -> Option<Value> {
        let part = |n: usize| text::component(one.component(n), self.characters).unwrap_or_default();
        let [comparator, first, separator, second] = [1, 2, 3, 4].map(part);
        let first = Decimal::parse(&first)?;
        if separator.is_empty() && second.is_empty() {
            let comparator = match comparator.as_str() {
                "" | "=" => None,
                "<" => Some("<"),
                ">" => Some(">"),
                "<=" => Some("<="),
                ">=" => Some(">="),
                _ => return None,
            };
            return Some(Value::Quantity(Quantity { comparator, ..self.units.quantity(first) }));
        }
        let second = Decimal::parse(&second).filter(|_| comparator.is_empty())?;
        match separator.as_str() {
            "-" if first.approximate() <= second.approximate() => {
                let [low, high] = [first, second].map(|number| self.units.quantity(number));
                Some(Value::Range(Box::new(Range { low, high })))
            }
            ":" | "/" if self.units.is_dimensionless() => {
                let [numerator, denominator] =
                    [first, second].map(|value| Quantity { value: Some(value), ..Quantity::default() });
                Some(Value::Ratio(Box::new(Ratio { numerator, denominator })))
            }
            _ => None,
        }
    }

    /// NA: the samples of one channel.
    fn samples(&self, one: Repetition<'_>) -> Result<Value, Reason> {
        let period = self.sample_period.ok_or(Reason::NoSampleRate)?;
        let sample = |text: &[u8]| match text {
            b"" | b"\"\"" => Some("E".to_owned()),
            text => Some(Decimal::parse(std::str::from_utf8(text).ok()?)?.as_str().to_owned()),
        };
        let samples: Option<Vec<_>> = one.components().map(|part| sample(part.trimmed())).collect();
        let samples = samples.ok_or(Reason::ValueNotOfItsType)?;
        let zero = Decimal::parse("0").ok_or(Reason::ValueNotOfItsType)?;
        Ok(Value::SampledData(Box::new(SampledData {
            origin: self.units.quantity(zero),
            period: period.clone(),
            dimensions: 1,
            data: samples.join(" "),
        })))
    }
}

/// The number, if the only component is one.
pub(super) fn number(one: Repetition<'_>) -> Option<Decimal> {
    let is_alone = one.components().skip(1).all(|part| part.is_empty());
    let text = std::str::from_utf8(one.component(1).trimmed()).ok()?;
    Decimal::parse(text).filter(|_| is_alone)
}

/// Repetitions of OBX-5 that become components of one observation.
const MAX_VALUES: usize = 64;
