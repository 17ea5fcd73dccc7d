//! An observation with what is compared of it.

use super::event::{self, Certainty, certainty, facet_number, names_part};
use super::facet::{Facet, facet, place_of};
use super::terms::{is_correction, is_void};
use crate::pcd::{Observation, ObservationPath};

/// An observation with what decides which alert it belongs to and what it adds. Each part is read once: an
/// observation is compared with many others, and its sender decides how long it is.
#[derive(Clone, Copy)]
pub(super) struct Statement<'m> {
    pub(super) observation: Observation<'m>,
    pub(super) facet: Option<Facet>,
    /// Its term is that of two facets.
    pub(super) names_two_facets: bool,
    pub(super) certainty: Option<Certainty>,
    /// OBX-4.
    pub(super) path: Option<ObservationPath>,
    /// The place in the device that facets of one alert share.
    pub(super) place: Option<[u32; 4]>,
    /// The place of the event that it belongs to, as far as its own path says it.
    pub(super) home: Option<[u32; 6]>,
    /// OBX-18; empty where it names none.
    pub(super) equipment: &'m [u8],
    /// OBX-3.1.
    pub(super) code: &'m [u8],
    /// OBX-5.
    pub(super) value: &'m [u8],
    /// What the event is, for comparison.
    pub(super) event_code: [&'m [u8]; 2],
    pub(super) is_void: bool,
    pub(super) is_correction: bool,
    /// Some senders put the measured value into the source.
    pub(super) is_number: bool,
    /// Facet 2, which is no part of the device.
    pub(super) is_second_facet: bool,
    /// The repetitions of the value are different words.
    pub(super) has_words: bool,
}

impl<'m> Statement<'m> {
    pub(super) fn read(observation: Observation<'m>) -> Self {
        let equipment = observation.equipment();
        let term = event::event_term(&observation);
        let (path, place) = (observation.path().ok(), place_of(&observation));
        let certainty = certainty(&observation);
        let facet = facet(&observation);
        let whole = path.filter(|_| certainty >= Some(Certainty::EventTerm)).map(|path| path.numbers());
        Self {
            observation,
            facet: facet.map(|(facet, _)| facet),
            names_two_facets: facet.is_some_and(|(_, is_other_too)| is_other_too),
            certainty,
            path,
            place,
            home: place.map(|[mds, vmd, channel, metric]| [mds, vmd, channel, metric, 0, 0]).or(whole),
            equipment: if equipment.is_empty() { &[] } else { equipment.trimmed() },
            code: observation.code().trimmed(),
            value: observation.value().trimmed(),
            event_code: [1, 2].map(|n| term.component(n).trimmed()),
            is_void: is_void(&observation),
            is_correction: is_correction(&observation),
            is_number: matches!(observation.value_type().trimmed(), b"NM" | b"SN"),
            is_second_facet: facet_number(&observation) == Some(2) && !names_part(&observation),
            has_words: has_words(&observation),
        }
    }

    /// Whether it has the term of an event.
    pub(super) fn is_event(&self) -> bool {
        self.certainty >= Some(Certainty::EventTerm)
    }

    /// Whether it stands at a place of the device where the event is not. A sender that writes fewer numbers
    /// says the place of neither.
    pub(super) fn is_apart_from(&self, event: &Self) -> bool {
        let Some(place) = event.place else { return false };
        match (self.place, self.path) {
            (Some(own), _) => own != place,
            (None, Some(path)) => path.place().iter().zip(place).any(|(own, of)| *own != 0 && *own != of),
            (None, None) => false,
        }
    }

    /// Whether both name their equipment, and not the same.
    pub(super) fn has_other_equipment(&self, other: &Self) -> bool {
        !self.equipment.is_empty() && !other.equipment.is_empty() && self.equipment != other.equipment
    }
}

/// Whether the repetitions of a value are different words.
fn has_words(facet: &Observation<'_>) -> bool {
    let mut words = facet.value().repetitions().map(|word| word.component(1).trimmed());
    let first = words.find(|word| !word.is_empty());
    first.is_some_and(|first| words.any(|word| !word.is_empty() && !word.eq_ignore_ascii_case(first)))
}
