//! The facets of an alert.

use super::model::{AlertFacets, AlsoStated, DoubtedFacet};
use super::reader::Reader;
use super::result_status;
use crate::pcd::{Alert, Facet, Observation, Standing};
use crate::view::sentence::InWords;
use crate::view::value::Term;

impl Reader<'_> {
    pub(super) fn alert(&self, alert: &Alert<'_>) -> AlertFacets {
        let is_withdrawn = |facet: &Facet| {
            alert.facet(*facet).observation().is_some_and(|observation| observation.is_withdrawn())
        };
        let source = self.counted(alert, Facet::Source);
        let text = |facet| InWords::read(alert, facet).map(|stated| stated.text()).unwrap_or_default();
        let mut facets = AlertFacets {
            event: alert.event.map_or(Term::default(), |event| self.term(event.identifier())),
            text: self.facet(alert.event),
            phase: self.code(alert, Facet::Phase),
            state: self.code(alert, Facet::State),
            inactivation: self.code(alert, Facet::Inactivation),
            // The metric that facet 2 of a numeric alert measures (IHE PCD TF vol. 2, table B.8.5-1).
            source: if source.is_empty() { self.measured(alert).text() } else { source },
            priority: text(Facet::Priority),
            kind: text(Facet::Kind),
            also_stated: also_stated(alert),
            facets_elsewhere: WORDS
                .into_iter()
                .filter(|facet| alert.facet(*facet).is_elsewhere())
                .map(key)
                .collect(),
            withdrawn: alert.event.and_then(|event| result_status::withdrawn(&event.status_code())),
            withdrawn_facets: WITHDRAWABLE.into_iter().filter(is_withdrawn).map(key).collect(),
            doubted_facets: doubted(alert),
            rows: Vec::new(),
        };
        facets.rows = rows(alert, &facets);
        facets
    }

    /// The code of a facet that counts. What the tables do not have stands as it was sent; what does not
    /// count does not stand here, its observation is shown with its status.
    fn code(&self, alert: &Alert<'_>, facet: Facet) -> String {
        let code = InWords::read(alert, facet).and_then(|stated| stated.code);
        code.map_or_else(|| self.counted(alert, facet), str::to_owned)
    }

    /// The value of a facet, unless it does not count.
    fn counted(&self, alert: &Alert<'_>, facet: Facet) -> String {
        let observation = alert.facet(facet).observation();
        self.facet(observation.filter(|observation| !Standing::of(observation).is_void()))
    }

    fn facet(&self, facet: Option<Observation<'_>>) -> String {
        let facet = facet.filter(|facet| self.hidden(facet).is_none());
        facet.map(|facet| self.value(&facet).0).unwrap_or_default()
    }

    fn measured(&self, alert: &Alert<'_>) -> Term {
        alert.measured_term().map_or(Term::default(), |term| self.term(term))
    }
}

/// The key of a facet in JSON.
const fn key(facet: Facet) -> &'static str {
    match facet {
        Facet::Measured => "value",
        Facet::Source => "source",
        Facet::Phase => "phase",
        Facet::State => "state",
        Facet::Inactivation => "inactivation",
        Facet::Priority => "priority",
        Facet::Kind => "type",
        Facet::Text => "text",
    }
}

/// The codes that are stated besides those that count.
fn also_stated(alert: &Alert<'_>) -> Vec<AlsoStated> {
    let others = WORDS.into_iter().filter_map(|facet| {
        let codes = InWords::read(alert, facet)?.other_codes;
        (!codes.is_empty()).then(|| AlsoStated { facet: key(facet), codes })
    });
    others.collect()
}

/// The facets whose values do not count, or not surely.
fn doubted(alert: &Alert<'_>) -> Vec<DoubtedFacet> {
    let facets = DOUBTABLE.into_iter().map(|facet| (key(facet), alert.facet(facet).observation()));
    let doubt = |(facet, observation): (&'static str, Option<Observation<'_>>)| {
        let standing = Standing::of(&observation?);
        let doubt = standing.mark()?.to_owned();
        Some(DoubtedFacet { facet, doubt, counts: !standing.is_void() })
    };
    std::iter::once(("event", alert.event)).chain(facets).filter_map(doubt).collect()
}

/// The rows of the head: each facet with its meaning where its code could be misread.
fn rows(alert: &Alert<'_>, facets: &AlertFacets) -> Vec<(&'static str, String)> {
    let doubt_of = |key: &str| facets.doubted_facets.iter().find(|doubted| doubted.facet == key);
    let in_words = |facet, sent: &str| match InWords::read(alert, facet) {
        Some(stated) if stated.code.is_some() || sent.is_empty() => stated.with_code(),
        // A text that is in no table.
        Some(_) => format!("{sent} (meaning unknown)"),
        None => sent.to_owned(),
    };
    let source = match doubt_of("source") {
        Some(doubt) if !doubt.counts => doubt.doubt.clone(),
        Some(doubt) => format!("{} ({})", facets.source, doubt.doubt),
        None => facets.source.clone(),
    };
    let mut rows = vec![
        ("phase", in_words(Facet::Phase, &facets.phase)),
        ("state", in_words(Facet::State, &facets.state)),
        // `enabled` means that the signals are on.
        ("signals", in_words(Facet::Inactivation, &facets.inactivation)),
        ("priority", facets.priority.clone()),
        ("type", facets.kind.clone()),
        ("source", source),
    ];
    if let Some(value) = doubt_of("value") {
        rows.push(("value", value.doubt.clone()));
    }
    for (is_so, warning) in [
        (alert.contradicts_itself, "a facet is stated twice, with different values"),
        (alert.has_facets_elsewhere(), "a facet stands at another place of the device than the event"),
        (alert.has_further_events, "a further event is among the observations"),
    ] {
        if is_so {
            rows.push(("warning", warning.to_owned()));
        }
    }
    rows
}

/// The facets that are words of tables.
const WORDS: [Facet; 5] = [Facet::Phase, Facet::State, Facet::Inactivation, Facet::Priority, Facet::Kind];
/// Those that are empty where the sender withdrew them.
const WITHDRAWABLE: [Facet; 3] = [Facet::Phase, Facet::State, Facet::Inactivation];
const DOUBTABLE: [Facet; 7] = [
    Facet::Measured,
    Facet::Phase,
    Facet::State,
    Facet::Inactivation,
    Facet::Source,
    Facet::Priority,
    Facet::Kind,
];
