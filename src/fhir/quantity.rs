//! OBX-6: the unit of a number, in UCUM where the tables of the nomenclature have it.

use super::coding::{self, MDC, UCUM};
use super::datatypes::{CodeableConcept, Coding, Quantity};
use super::decimal::Decimal;
use super::text;
use crate::hl7::{CharacterSet, Field};
use crate::pcd::nomenclature::{
    Coded, Unit, UnitAgreement, find_unit, unit_agreement, unit_contradicts_itself,
};

/// A unit.
#[derive(Debug, Clone)]
pub(super) struct Units {
    known: Option<&'static Unit>,
    /// What was sent, where the tables do not have it.
    text: Option<String>,
    /// In MDC if it was sent so.
    pub(super) concept: Option<CodeableConcept>,
    /// Whether number and reference id, or the unit and its alternative, are different units.
    pub(super) is_contradictory: bool,
    /// Whether the term is not measured in this unit.
    pub(super) is_unusual: bool,
}

impl Units {
    /// The unit in OBX-6 of an observation with this term in OBX-3.
    pub(super) fn of(units: Field<'_>, term: Field<'_>, characters: CharacterSet) -> Self {
        let alternatives = [1, 4].map(|first| Coded::of(units, first));
        let original = Coded::of(units, 9).code;
        let found = alternatives.map(find_unit);
        let mut all = found.into_iter().flatten();
        let differ = all.clone().any(|unit| differs(unit, original))
            || all.next().is_some_and(|one| all.any(|other| one.plain() != other.plain()));
        let is_contradictory =
            differ || names_several(units) || alternatives.into_iter().any(unit_contradicts_itself);
        let known = found.into_iter().flatten().next().filter(|_| !is_contradictory);
        let agreement = |unit| unit_agreement(Coded::of(term, 1), unit);
        let agreements = alternatives.map(agreement);
        let is_unusual =
            agreements.contains(&UnitAgreement::Disagrees) && !agreements.contains(&UnitAgreement::Agrees);
        let sent =
            || text::component(units.component(2), characters).or_else(|| text::first(units, characters));
        Self {
            known,
            text: if known.is_some() || is_contradictory { None } else { sent() },
            concept: concept_of(&alternatives, known).or_else(|| {
                let read = coding::concept(units, characters)?;
                (!is_contradictory).then_some(read.concept)
            }),
            is_contradictory,
            is_unusual,
        }
    }

    /// A number in this unit.
    pub(super) fn quantity(&self, value: Decimal) -> Quantity {
        let code = self.ucum();
        let plain = self.known.map(Unit::plain).filter(|plain| !plain.is_empty());
        Quantity {
            value: Some(value),
            comparator: None,
            unit: plain.map(str::to_owned).or_else(|| self.text.clone()),
            system: code.map(|_| UCUM),
            code,
        }
    }

    /// The unit in UCUM.
    pub(super) fn ucum(&self) -> Option<&'static str> {
        self.known.and_then(Unit::ucum)
    }

    /// Whether the number stands without a unit: none was sent, or that it has none.
    pub(super) fn is_dimensionless(&self) -> bool {
        self.known.map_or(self.text.is_none(), |unit| unit.plain().is_empty())
    }
}

/// Whether the original text is another unit.
fn differs(unit: &Unit, original: &str) -> bool {
    let code = unit.ucum().unwrap_or_default();
    unit_contradicts_itself(Coded { code, name: original, system: "" })
}

/// Whether a field has two units: OBX-6 is not repeated.
fn names_several(units: Field<'_>) -> bool {
    let mut stated = units.repetitions().filter(|one| !one.is_empty()).map(|one| one.trimmed());
    stated.next().is_some_and(|first| stated.any(|other| other != first))
}

/// The unit in MDC, where the sender wrote it so.
fn concept_of(alternatives: &[Coded<'_>], known: Option<&'static Unit>) -> Option<CodeableConcept> {
    let unit = known?;
    let written = alternatives.iter().find(|coded| coded.system.eq_ignore_ascii_case("MDC"))?;
    let display = text::string(written.name);
    let code = Some(unit.code().to_string());
    Some(Coding { system: Some(MDC), code, display }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn units(term: &str, units: &str) -> Units {
        let text = format!("MSH|^~\\&|\rOBX|1|NM|{term}|1|5|{units}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let obx = message.segments().nth(1).unwrap();
        Units::of(obx.field(6), obx.field(3), message.text_encoding())
    }

    fn shown(written: &str) -> (Option<String>, Option<&'static str>) {
        let quantity = units("", written).quantity(Decimal::parse("5").unwrap());
        assert_eq!(quantity.system.is_some(), quantity.code.is_some());
        (quantity.unit, quantity.code)
    }

    #[test]
    fn a_unit_has_its_code_in_ucum() {
        for (written, unit, code) in [
            ("266016^MDC_DIM_MMHG^MDC", Some("mmHg"), Some("mm[Hg]")),
            ("264864^MDC_DIM_BEAT_PER_MIN^MDC", Some("/min"), Some("/min")),
            ("262656^MDC_DIM_DIMLESS^MDC", None, Some("1")),
            ("265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/h^mL/h^UCUM", Some("mL/h"), Some("mL/h")),
            ("999999^MDC_DIM_OWN^MDC^mL^mL^UCUM", Some("mL"), Some("mL")),
            ("{beat}/min^{beat}/min^UCUM", Some("/min"), Some("/min")),
            ("999999^MDC_DIM_OWN^MDC", Some("MDC_DIM_OWN"), None),
            ("drips^drips^UCUM", Some("drips"), None),
            ("", None, None),
        ] {
            assert_eq!(shown(written), (unit.map(str::to_owned), code), "{written}");
        }
    }

    #[test]
    fn a_unit_that_contradicts_itself_is_none() {
        for written in [
            "266016^MDC_DIM_PERCENT^MDC",
            "266016^MDC_DIM_MMHG^MDC^%^%^UCUM",
            "262688^MDC_DIM_PERCENT^MDC~264864^MDC_DIM_BEAT_PER_MIN^MDC",
            "266016^MDC_DIM_MMHG^MDC^^^^^^%",
            "262688^MDC_DIM_PERCENT^MDC^^^^^^mmHg",
        ] {
            assert!(units("", written).is_contradictory, "{written}");
            assert_eq!(shown(written), (None, None));
        }
        let unusual = units("147842^MDC_ECG_HEART_RATE^MDC", "266016^MDC_DIM_MMHG^MDC");
        assert!(unusual.is_unusual && !unusual.is_contradictory);
    }
}
