//! Which facet of an alert an observation is (IHE PCD TF vol. 2, table B.8.5-1).

use super::terms::{INACTIVATIONS, KINDS, PHASES, PRIORITIES, STATES, positions_in};
use crate::pcd::Observation;

/// What an alert says of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Facet {
    /// The measured value to which the event refers: facet 2 of a numeric alert.
    Measured,
    /// MDC_ATTR_ALERT_SOURCE.
    Source,
    /// MDC_ATTR_EVENT_PHASE.
    Phase,
    /// MDC_ATTR_ALARM_STATE.
    State,
    /// MDC_ATTR_ALARM_INACTIVATION_STATE.
    Inactivation,
    /// MDC_ATTR_ALARM_PRIORITY; many devices have it in OBX-8 of the event only.
    Priority,
    /// MDC_ATTR_ALERT_TYPE; many devices have it in OBX-8 of the event only.
    Kind,
    /// MDC_ATTR_ALERT_TEXT.
    Text,
}

impl Facet {
    /// The facet that an observation is by its term, whether or not it belongs to an alert. The measured
    /// value has no term of its own.
    #[must_use]
    pub fn of(observation: &Observation<'_>) -> Option<Self> {
        facet(observation).map(|(facet, _)| facet)
    }

    /// The codes of its table, the most dangerous first; none for a facet that is no word of a table.
    #[must_use]
    pub const fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Phase => PHASES,
            Self::State => STATES,
            Self::Inactivation => INACTIVATIONS,
            Self::Priority => PRIORITIES,
            Self::Kind => KINDS,
            Self::Measured | Self::Source | Self::Text => &[],
        }
    }

    /// Whether its value is a word of a table.
    pub(super) const fn is_word(self) -> bool {
        !self.codes().is_empty()
    }
}

/// One of something for each facet.
#[derive(Default)]
pub(super) struct Each<T> {
    measured: T,
    source: T,
    phase: T,
    state: T,
    inactivation: T,
    priority: T,
    kind: T,
    text: T,
}

impl<T> Each<T> {
    pub(super) const fn of(&self, facet: Facet) -> &T {
        match facet {
            Facet::Measured => &self.measured,
            Facet::Source => &self.source,
            Facet::Phase => &self.phase,
            Facet::State => &self.state,
            Facet::Inactivation => &self.inactivation,
            Facet::Priority => &self.priority,
            Facet::Kind => &self.kind,
            Facet::Text => &self.text,
        }
    }

    pub(super) const fn of_mut(&mut self, facet: Facet) -> &mut T {
        match facet {
            Facet::Measured => &mut self.measured,
            Facet::Source => &mut self.source,
            Facet::Phase => &mut self.phase,
            Facet::State => &mut self.state,
            Facet::Inactivation => &mut self.inactivation,
            Facet::Priority => &mut self.priority,
            Facet::Kind => &mut self.kind,
            Facet::Text => &mut self.text,
        }
    }

    pub(super) fn map<U>(self, to: impl Fn(Facet, T) -> U) -> Each<U> {
        Each {
            measured: to(Facet::Measured, self.measured),
            source: to(Facet::Source, self.source),
            phase: to(Facet::Phase, self.phase),
            state: to(Facet::State, self.state),
            inactivation: to(Facet::Inactivation, self.inactivation),
            priority: to(Facet::Priority, self.priority),
            kind: to(Facet::Kind, self.kind),
            text: to(Facet::Text, self.text),
        }
    }

    pub(super) fn all(&self) -> [&T; 8] {
        let Self { measured, source, phase, state, inactivation, priority, kind, text } = self;
        [measured, phase, state, inactivation, source, priority, kind, text]
    }
}

/// A term of a facet.
struct Term {
    facet: Facet,
    number: &'static [u8],
    /// Its number in earlier messages. The nomenclature gives these to other terms now, so they count only
    /// with the name of the facet, or without a name.
    former: &'static [u8],
    names: &'static [&'static [u8]],
}

impl Term {
    /// Whether a component of OBX-3 names it.
    fn is_at(&self, place: &[u8]) -> bool {
        place == self.number || self.names.contains(&place)
    }
}

/// The facet that an observation states, by number or name, and whether its term names two. Older devices use
/// other numbers, or write the name first.
///
/// Of two facets it is the one whose table has the value: `68482^MDC_ATTR_EVENT_PHASE`, `start` is a phase.
/// Where that does not decide, it is the one of the reference id.
pub(super) fn facet(observation: &Observation<'_>) -> Option<(Facet, bool)> {
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    let [first, second] = places.map(|place| TERMS.iter().find(|term| term.is_at(place)));
    let (Some(first), Some(second)) = (first, second) else {
        let [code, name] = places;
        let former = || TERMS.iter().find(|term| term.former == code && !code.is_empty() && name.is_empty());
        return first.or(second).or_else(former).map(|term| (term.facet, false));
    };
    if first.facet == second.facet {
        return Some((first.facet, false));
    }
    let of_name = if first.names.contains(&places[0]) { first } else { second };
    let has_word = |term: &&Term| value_words(observation, term.facet).next().is_some();
    let chosen = match [first, second].map(|term| has_word(&term)) {
        [true, false] => first,
        [false, true] => second,
        [true, true] | [false, false] => of_name,
    };
    Some((chosen.facet, true))
}

/// The positions of the words of a value in the table of a facet.
fn value_words(observation: &Observation<'_>, facet: Facet) -> impl Iterator<Item = usize> {
    let value = observation.value();
    value.repetitions().flat_map(move |value| positions_in(facet.codes(), value))
}

const TERMS: [Term; 7] = [
    Term {
        facet: Facet::Source,
        number: b"68480",
        former: b"68164",
        names: &[b"MDC_ATTR_ALERT_SOURCE", b"MDC_ATTR_ALARM_SOURCE"],
    },
    Term {
        facet: Facet::Phase,
        number: b"68481",
        former: b"68165",
        names: &[b"MDC_ATTR_EVENT_PHASE", b"MDC_ATTR_EVT_PHASE"],
    },
    Term {
        facet: Facet::State,
        number: b"68482",
        former: b"68166",
        names: &[b"MDC_ATTR_ALARM_STATE", b"MDC_ATTR_ALERT_STATE"],
    },
    Term {
        facet: Facet::Inactivation,
        number: b"68483",
        former: b"68167",
        names: &[b"MDC_ATTR_ALARM_INACTIVATION_STATE", b"MDC_ATTR_ALERT_INACTIVATION_STATE"],
    },
    Term {
        facet: Facet::Priority,
        number: b"68484",
        former: b"68168",
        names: &[b"MDC_ATTR_ALARM_PRIORITY", b"MDC_ATTR_ALERT_PRIORITY"],
    },
    Term {
        facet: Facet::Kind,
        number: b"68485",
        former: b"",
        names: &[b"MDC_ATTR_ALERT_TYPE", b"MDC_ATTR_ALARM_TYPE"],
    },
    Term {
        facet: Facet::Text,
        number: b"68546",
        former: b"",
        names: &[b"MDC_ATTR_ALERT_TEXT", b"MDC_ATTR_ALARM_TEXT"],
    },
];

/// The place in the device to which an alert belongs: OBX-4 up to its fourth number, where it has a facet.
pub(super) fn place_of(observation: &Observation<'_>) -> Option<[u32; 4]> {
    let path = observation.path().ok()?;
    path.facet().map(|_| path.place())
}
