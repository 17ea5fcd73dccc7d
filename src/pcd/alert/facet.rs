//! Which facet of an alert an observation is (IHE PCD TF vol. 2, table B.8.5-1).

use crate::pcd::Observation;

/// A facet that has a term of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Facet {
    Source,
    Phase,
    State,
    Inactivation,
    Priority,
    Kind,
    Text,
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

/// The facet, by number or name: older devices use other numbers or write the name first.
pub(super) fn facet(observation: &Observation<'_>) -> Option<Facet> {
    let places = [observation.code().trimmed(), observation.name().trimmed()];
    let named = TERMS.iter().find(|term| places.iter().any(|place| term.names.contains(place)));
    let numbered = || TERMS.iter().find(|term| places.contains(&term.number));
    let former = || {
        let [code, name] = places;
        TERMS.iter().find(|term| !term.former.is_empty() && term.former == code && name.is_empty())
    };
    named.or_else(numbered).or_else(former).map(|term| term.facet)
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
