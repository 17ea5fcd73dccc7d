//! What OBX-3 and OBX-6 mean. Devices send the same few terms for years, and each is understood once: most of
//! what mapping a message costs is this.
//!
//! What is kept follows from the bytes alone. It is bounded in number and in bytes, and what is too long or
//! too much is understood again each time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::coding::{self, Concept, term_key};
use super::quantity::Units;
use crate::hl7::{CharacterSet, Field, Separators};
use crate::pcd::patient_term;

/// What an OBX-3 says.
pub(super) struct Term {
    /// `None` when it names nothing.
    pub(super) concept: Option<Concept>,
    /// The term in an id.
    pub(super) key: String,
    /// The term of patient data that it is ([`patient_term`]).
    pub(super) patient: Option<&'static str>,
    /// The units that were sent with it.
    units: RwLock<Vec<KnownUnits>>,
}

/// The bytes of units, and what they say.
type KnownUnits = (Box<[u8]>, Arc<Units>);

/// The terms by their bytes, with the notation in which these were read.
type Known = HashMap<Box<[u8]>, ((Separators, CharacterSet), Arc<Term>)>;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

impl Term {
    /// The term in a field.
    pub(super) fn of(field: Field<'_>, characters: CharacterSet) -> Arc<Self> {
        let notation = (field.separators(), characters);
        if field.raw().len() > MAX_BYTES {
            return Arc::new(Self::read(field, characters));
        }
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_in, term)) = known.get(field.raw())
            && *read_in == notation
        {
            return Arc::clone(term);
        }
        drop(known);
        let term = Arc::new(Self::read(field, characters));
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TERMS {
            known.clear();
        }
        known.insert(field.raw().into(), (notation, Arc::clone(&term)));
        term
    }

    fn read(field: Field<'_>, characters: CharacterSet) -> Self {
        let concept = coding::only(field, characters);
        let (key, patient) = (term_key(concept.as_ref()), patient_term(field));
        Self { concept, key, patient, units: RwLock::default() }
    }

    /// The unit in OBX-6 of an observation with this term, which is in the field `term` of the same message.
    pub(super) fn units(&self, units: Field<'_>, term: Field<'_>, characters: CharacterSet) -> Arc<Units> {
        let known = self.units.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, units)) = known.iter().find(|(sent, _)| **sent == *units.raw()) {
            return Arc::clone(units);
        }
        drop(known);
        let read = Arc::new(Units::of(units, term, characters));
        let mut known = self.units.write().unwrap_or_else(PoisonError::into_inner);
        if units.raw().len() <= MAX_BYTES && known.len() < MAX_UNITS {
            known.push((units.raw().into(), Arc::clone(&read)));
        }
        read
    }
}

/// Terms that are kept; then all are forgotten.
const MAX_TERMS: usize = 4096;
/// Bytes of a term or a unit that is kept.
const MAX_BYTES: usize = 256;
/// Units of one term that are kept.
const MAX_UNITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn term(encoding: &str, written: &str) -> (Arc<Term>, Option<&'static str>) {
        let text = format!("MSH|{encoding}|\rOBX|1|NM|{written}|1|5|266016^MDC_DIM_MMHG^MDC\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let obx = message.segments().nth(1).unwrap();
        let characters = message.text_encoding();
        let term = Term::of(obx.field(3), characters);
        let unit = term.units(obx.field(6), obx.field(3), characters).ucum();
        (term, unit)
    }

    #[test]
    fn the_same_bytes_are_understood_once_and_in_another_notation_again() {
        let written = "150020^MDC_PRESS_BLD_NONINV^MDC";
        let (first, unit) = term(r"^~\&", written);
        let (again, same) = term(r"^~\&", written);
        assert!(unit == Some("mm[Hg]") && unit == same);
        assert_eq!(first.key, again.key);
        let (other, _) = term(r"$~\&", written);
        assert_eq!(first.concept.as_ref().and_then(|known| known.mdc), Some(150_020));
        assert_eq!(other.concept.as_ref().and_then(|known| known.mdc), None, "no components");
        assert_eq!(term(r"^~\&", written).0.key, first.key);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        for number in 0..MAX_TERMS + 10 {
            assert_eq!(term(r"^~\&", &format!("{}^MDCX_A^MDC", 500_000 + number)).0.key.len(), 6);
        }
        assert!(KNOWN.read().unwrap().len() <= MAX_TERMS);
        let long = "x".repeat(MAX_BYTES + 1);
        assert_eq!(term(r"^~\&", &long).0.key, long.to_uppercase());
        assert!(!KNOWN.read().unwrap().contains_key(long.as_bytes()));
    }
}
