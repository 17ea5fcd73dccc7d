//! The content of one OBX: its value or why there is none, and what is to be known of it.

use std::sync::Arc;

use super::datatypes::CodeableConcept;
use super::decimal::Decimal;
use super::limits::Limits;
use super::quantity::Units;
use super::resource::{Component, Value};
use super::status;
use super::term::Term;
use super::time::Times;
use super::unmapped::Reason;
use super::value::ValueReader;
use super::vital_signs::{self, VitalSign};
use crate::hl7::CharacterSet;
use crate::pcd::{Observation, Standing};

/// The content of one OBX.
pub(super) struct Content {
    /// OBX-3, with LOINC where it is a vital sign.
    pub(super) code: CodeableConcept,
    /// The number of OBX-3 in MDC.
    pub(super) mdc: Option<u32>,
    /// The values: one for each repetition.
    pub(super) values: Vec<Value>,
    /// Why there is none.
    pub(super) absent: Option<CodeableConcept>,
    pub(super) interpretation: Vec<CodeableConcept>,
    pub(super) units: Arc<Units>,
    pub(super) limits: Option<Limits>,
    /// What the platform found.
    pub(super) notes: Vec<&'static str>,
    /// The vital sign of R4, unless what was sent contradicts it.
    pub(super) vital_sign: Option<&'static VitalSign>,
}

/// What the content of an OBX is read with.
pub(super) struct ContentReader<'a> {
    pub(super) characters: CharacterSet,
    pub(super) times: &'a Times,
}

impl ContentReader<'_> {
    /// The content of an observation with this term.
    pub(super) fn content(
        &self,
        observation: &Observation<'_>,
        term: &Term,
        sample_period: Option<&Decimal>,
    ) -> Result<Content, Reason> {
        let characters = self.characters;
        let concept = term.concept.as_ref().ok_or(Reason::NoTerm)?;
        let (mut code, mdc) = (concept.concept.clone(), concept.mdc);
        let (is_contradictory, is_named_otherwise) = (concept.is_contradictory, concept.is_named_otherwise);
        let units = term.units(observation.units(), observation.identifier(), characters);
        let mut interpretation = status::interpretation(observation, characters);
        let mut notes = Vec::new();
        let mut absent = status::absent_reason(observation);
        let standing = Standing::of(observation);
        let is_withdrawn = standing == Standing::WITHDRAWN;
        let mut values = Vec::new();
        if absent.is_none() {
            let reader = ValueReader { characters, times: self.times, units: &units, sample_period };
            let read = reader.values(observation)?;
            let is_coded_twice = read.iter().any(|value| value.is_contradictory);
            let has_number = read.iter().any(|value| value.value.has_numbers());
            values = read.into_iter().map(|value| value.value).collect();
            let contradictions = [
                (is_contradictory, CONTRADICTORY_TERM),
                (units.is_contradictory && has_number, CONTRADICTORY_UNIT),
                (is_coded_twice, CONTRADICTORY_VALUE),
            ];
            notes.extend(contradictions.into_iter().filter(|(is_found, _)| *is_found).map(|(_, note)| note));
            if !notes.is_empty() {
                values.clear();
                absent = Some(status::absent("error"));
            } else if values.is_empty() {
                absent = Some(status::missing_reason(observation));
            } else {
                let doubts =
                    [(units.is_unusual && has_number, UNUSUAL_UNIT), (is_named_otherwise, OTHER_NAME)];
                notes.extend(doubts.into_iter().filter(|(is_found, _)| *is_found).map(|(_, note)| note));
                interpretation.extend((!notes.is_empty()).then(status::questionable));
            }
            at_the_end_of_the_scale(observation, &mut values);
        } else if is_withdrawn {
            notes.push(WITHDRAWN);
        } else if !matches!(observation.value().trimmed(), b"" | b"\"\"") {
            notes.push(NOT_VALID);
        }
        let is_sound = !is_contradictory && !is_named_otherwise && (values.is_empty() || !units.is_unusual);
        let vital_sign = mdc.filter(|_| is_sound).and_then(vital_signs::find);
        // The vital signs profiles of R4 have LOINC first.
        let loinc: Vec<_> = vital_sign.into_iter().flat_map(VitalSign::codings).collect();
        code.coding.retain(|coding| !loinc.iter().any(|known| known.code == coding.code));
        code.coding.splice(..0, loinc);
        let limits =
            Limits::of(observation.range(), characters).filter(|_| !units.is_contradictory && !is_withdrawn);
        Ok(Content { code, mdc, values, absent, interpretation, units, limits, notes, vital_sign })
    }
}

impl Content {
    /// The content as a part of an observation; several repetitions are several parts.
    pub(super) fn components(self) -> Vec<Component> {
        let Self { code, values, absent, interpretation, units, limits, .. } = self;
        let reference_range: Vec<_> = limits.iter().map(|limits| limits.reference_range(&units)).collect();
        let component = |value: Option<Value>, data_absent_reason| Component {
            code: code.clone(),
            value,
            data_absent_reason,
            interpretation: interpretation.clone(),
            reference_range: reference_range.clone(),
        };
        if values.is_empty() {
            return vec![component(None, absent)];
        }
        values.into_iter().map(|value| component(Some(value), None)).collect()
    }
}

/// OBX-8 `>` and `<`: the number is the end of the scale.
fn at_the_end_of_the_scale(observation: &Observation<'_>, values: &mut [Value]) {
    let Some(comparator) = status::comparator(observation) else { return };
    for value in values {
        if let Value::Quantity(quantity) = value {
            quantity.comparator = quantity.comparator.or(Some(comparator));
        }
    }
}

const CONTRADICTORY_TERM: &str =
    "OBX-3 names two terms, so it is not known what was measured: the value is left out.";
const CONTRADICTORY_UNIT: &str = "OBX-6 names two units: the value is left out.";
const CONTRADICTORY_VALUE: &str =
    "OBX-5 has the number of one term and the name of another one: the value is left out.";
const OTHER_NAME: &str =
    "OBX-3 has the number of one term and a text that is not its name: it is not sure what was measured.";
const UNUSUAL_UNIT: &str = "The term is not measured in this unit.";
const WITHDRAWN: &str = "The sender declared the result wrong or deleted: the value is left out.";
const NOT_VALID: &str = "The message has a value that is not valid by OBX-8 or OBX-11: it is left out.";
