//! What an alert states of a facet, and which of it counts.
//!
//! A sender may state a facet several times: at the place of the event and at others, in any order, with
//! words that contradict each other. What stands at the place of the event counts, and what stands elsewhere
//! only where nothing stands there. Of several words the most dangerous counts, whichever is sent first.

use std::collections::HashSet;

use super::facet::Facet;
use super::statement::Statement;
use super::terms::{position_of, positions_in};
use crate::pcd::Observation;

/// What an alert states of one of its facets.
#[derive(Default)]
pub struct Stated<'m> {
    observations: Vec<Observation<'m>>,
    codes: Vec<&'static str>,
    codes_elsewhere: Vec<&'static str>,
    has_unknown: bool,
    is_elsewhere: bool,
    pub(super) contradicts_itself: bool,
    pub(super) has_further_terms: bool,
}

/// What is stated of a facet, while the alert is read.
#[derive(Default)]
pub(super) struct Collected<'m> {
    here: Statements<'m>,
    elsewhere: Statements<'m>,
}

/// The statements of a facet at one place.
#[derive(Default)]
struct Statements<'m> {
    /// The one that counts.
    first: Option<Statement<'m>>,
    /// Further valid ones with other values.
    further: Vec<Statement<'m>>,
    known: HashSet<[&'m [u8]; 2]>,
    words: Words,
    contradict: bool,
    have_further_terms: bool,
}

/// Which words of its table a facet has: of each position a bit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Words {
    known: u16,
    has_unknown: bool,
}

impl<'m> Stated<'m> {
    /// The observation that counts: of words the most dangerous, of values the corrected one, else the first.
    /// One without a valid value only where there is no other.
    #[must_use]
    pub fn observation(&self) -> Option<Observation<'m>> {
        self.observations.first().copied()
    }

    /// The same, and behind it the valid ones with other values that count as well.
    pub fn observations(&self) -> impl Iterator<Item = Observation<'m>> {
        self.observations.iter().copied()
    }

    /// The codes of the table in those that are valid, the most dangerous first, each once.
    #[must_use]
    pub fn codes(&self) -> &[&'static str] {
        &self.codes
    }

    /// Other codes that stand at a place of the device where the event is not, and do not count.
    #[must_use]
    pub fn codes_elsewhere(&self) -> &[&'static str] {
        &self.codes_elsewhere
    }

    /// Whether a valid one has a value that its table does not have.
    #[must_use]
    pub const fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Whether the facet stands only at a place of the device where the event is not.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// Whether nothing is stated.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.observations.is_empty()
    }
}

impl<'m> Collected<'m> {
    /// Takes a statement of the facet; `event` is that of the alert.
    pub(super) fn add(&mut self, facet: Facet, statement: Statement<'m>, event: Option<&Statement<'m>>) {
        let is_elsewhere = event.is_some_and(|event| statement.is_apart_from(event));
        let place = if is_elsewhere { &mut self.elsewhere } else { &mut self.here };
        place.add(facet, statement);
    }

    /// What counts.
    pub(super) fn finish(self, facet: Facet) -> Stated<'m> {
        let Self { here, elsewhere } = self;
        if here.first.is_none() {
            // The value of another place is not that of the alert (B.8.4).
            let is_foreign = facet == Facet::Measured;
            let stated = if is_foreign { Stated::default() } else { elsewhere.finish(facet) };
            let is_elsewhere = facet.is_word() && !stated.is_none();
            return Stated { is_elsewhere, ..stated };
        }
        let others = elsewhere.words.without(here.words);
        let stated = here.finish(facet);
        Stated {
            contradicts_itself: stated.contradicts_itself || others != Words::default(),
            codes_elsewhere: others.codes(facet),
            ..stated
        }
    }
}

impl<'m> Statements<'m> {
    fn add(&mut self, facet: Facet, statement: Statement<'m>) {
        let first = self.first.filter(|first| !first.is_void);
        if statement.is_void {
            // What has no valid value stands only where nothing else does.
            self.first.get_or_insert(statement);
            return;
        }
        let (words, are_split) = Words::read(facet, &statement);
        let known = self.words;
        self.words = known.and(words);
        // The state of the signals may have several words.
        self.contradict |= facet.is_word() && facet != Facet::Inactivation && statement.has_words;
        self.contradict |= are_split || statement.names_two_facets;
        let Some(first) = first else {
            self.first = Some(statement);
            return;
        };
        if facet.is_word() {
            self.add_word(first, statement, known.first() > words.first());
            self.contradict |= first.value != statement.value && (words != known || words.has_unknown);
        } else if first.code == statement.code {
            self.add_value(first, statement);
        } else {
            let are_values = statement.facet.is_none() && first.is_number && statement.is_number;
            self.have_further_terms |= are_values;
        }
    }

    fn add_word(&mut self, first: Statement<'m>, statement: Statement<'m>, is_more_dangerous: bool) {
        if is_more_dangerous {
            self.first = Some(statement);
            self.add_further(first);
        } else if first.value != statement.value {
            self.add_further(statement);
        }
    }

    fn add_value(&mut self, first: Statement<'m>, statement: Statement<'m>) {
        let replaces = statement.is_correction && !first.is_correction;
        if replaces {
            self.first = Some(statement);
        }
        if first.is_number && statement.is_number && first.value != statement.value {
            self.contradict |= !first.is_correction && !statement.is_correction;
            self.add_further(if replaces { first } else { statement });
        }
    }

    /// Keeps what differs from all others, up to a number that no table of facets has words.
    fn add_further(&mut self, statement: Statement<'m>) {
        if self.further.len() < MAX_FURTHER && self.known.insert([statement.code, statement.value]) {
            self.further.push(statement);
        }
    }

    fn finish(self, facet: Facet) -> Stated<'m> {
        let all = self.first.into_iter().chain(self.further);
        Stated {
            observations: all.map(|statement| statement.observation).collect(),
            codes: self.words.codes(facet),
            has_unknown: self.words.has_unknown,
            contradicts_itself: self.contradict,
            has_further_terms: self.have_further_terms,
            ..Stated::default()
        }
    }
}

impl Words {
    /// The words of a value, and whether one repetition has several.
    fn read(facet: Facet, statement: &Statement<'_>) -> (Self, bool) {
        let (mut words, mut are_split) = (Self::default(), false);
        if !facet.is_word() {
            return (words, are_split);
        }
        for value in statement.observation.value().repetitions().filter(|value| !value.is_empty()) {
            let known = positions_in(facet.codes(), value).fold(0, |known, at| known | 1 << at);
            words.known |= known;
            words.has_unknown |= known == 0;
            are_split |= known.count_ones() > 1;
        }
        (words, are_split)
    }

    const fn and(self, other: Self) -> Self {
        Self { known: self.known | other.known, has_unknown: self.has_unknown || other.has_unknown }
    }

    const fn without(self, other: Self) -> Self {
        Self { known: self.known & !other.known, has_unknown: self.has_unknown && !other.has_unknown }
    }

    /// The position of the most dangerous word; beyond the table without one.
    const fn first(self) -> u32 {
        self.known.trailing_zeros()
    }

    fn codes(self, facet: Facet) -> Vec<&'static str> {
        let is_there = |at: &usize| self.known & (1 << at) != 0;
        facet.codes().iter().enumerate().filter(|(at, _)| is_there(at)).map(|(_, code)| *code).collect()
    }
}

/// The codes of a facet in OBX-8 of the event, and those of the facet itself: the most dangerous first.
pub(super) fn with_flags(facet: Facet, codes: &[&'static str], event: &Observation<'_>) -> Vec<&'static str> {
    let table = facet.codes();
    let flags: Vec<usize> = event.flag_words().filter_map(|flag| position_of(table, &flag)).collect();
    let is_there = |(at, code): &(usize, &&'static str)| codes.contains(code) || flags.contains(at);
    table.iter().enumerate().filter(is_there).map(|(_, code)| *code).collect()
}

/// Further statements of one facet at one place: more than all tables of facets have words.
const MAX_FURTHER: usize = 64;
