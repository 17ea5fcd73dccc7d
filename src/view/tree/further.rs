//! What a coded field has beside its term: readers that take an alternate one have another term, or another
//! unit.

use std::collections::HashSet;

use super::model::OtherField;
use super::reader::Reader;
use crate::hl7::{Field, Repetition};
use crate::pcd::nomenclature::{Coded, find_unit};
use crate::view::value;

impl Reader<'_> {
    /// The alternate terms, the original text and the further repetitions of a coded field (CWE), as one
    /// field; `None` without any. Versions of coding systems are not among them.
    pub(super) fn further(
        &self,
        field: &'static str,
        name: &'static str,
        coded: Field<'_>,
    ) -> Option<OtherField> {
        let term = |one: Repetition<'_>, first: usize| {
            self.covered_term(value::term_at(one, first, self.characters))
        };
        let mut texts: Vec<String> = Vec::new();
        let own = self.covered_term(value::term(coded, self.characters));
        let shown = [own.text(), own.code, own.name, String::new()];
        let mut known = HashSet::from(shown);
        // An alternate unit that reads like the one that is shown says nothing else.
        known.extend(find_unit(Coded::of(coded, 1)).map(|unit| unit.plain().to_owned()));
        let mut add = |text: String| {
            if known.insert(text.clone()) {
                texts.push(text);
            }
        };
        for one in coded.repetitions().filter(|one| !one.raw().is_empty()) {
            ALTERNATES.iter().for_each(|first| add(term(one, *first).text()));
            let others = one.components().zip(1..).filter(|(_, n)| *n == ORIGINAL_TEXT || *n > LAST_VERSION);
            others.for_each(|(part, _)| add(self.cover(value::component(part, self.characters))));
        }
        let shown = texts.join("; ");
        let value = Some(shown.clone());
        (!shown.is_empty()).then(|| OtherField {
            field: field.to_owned(),
            name,
            value,
            is_partial: false,
            shown,
        })
    }
}

/// Where the terms of a CWE begin (HL7 2.7).
const ALTERNATES: [usize; 3] = [1, 4, 10];
const ORIGINAL_TEXT: usize = 9;
const LAST_VERSION: usize = 14;
