//! The facets of an alert.

use super::model::{AlertFacets, DoubtedFacet};
use super::reader::Reader;
use super::result_status;
use crate::pcd::{Alert, Observation};
use crate::view::sentence::{INACTIVATIONS, PHASES, STATES, kind, meaning, priority};
use crate::view::standing::Standing;
use crate::view::value::Term;

impl Reader<'_> {
    pub(super) fn alert(&self, alert: &Alert<'_>) -> AlertFacets {
        let is_withdrawn = |facet: Option<Observation<'_>>| facet.is_some_and(|facet| facet.is_withdrawn());
        // What does not count is no phase or state; the observation itself is shown with its status.
        let valid =
            |facet: Option<Observation<'_>>| self.facet(facet.filter(|facet| !Standing::of(facet).is_void()));
        let source = valid(alert.source);
        let withdrawn_facets =
            [("phase", alert.phase), ("state", alert.state), ("inactivation", alert.inactivation)];
        let mut facets = AlertFacets {
            event: alert.event.map_or(Term::default(), |event| self.term(event.identifier())),
            text: self.facet(alert.event),
            phase: valid(alert.phase),
            state: valid(alert.state),
            inactivation: valid(alert.inactivation),
            // The metric that facet 2 of a numeric alert measures (IHE PCD TF vol. 2, table B.8.5-1).
            source: if source.is_empty() { self.measured(alert).text() } else { source },
            priority: priority(alert).map(|stated| stated.text()).unwrap_or_default(),
            kind: kind(alert).map(|stated| stated.text()).unwrap_or_default(),
            withdrawn: alert.event.and_then(|event| result_status::withdrawn(&event.status_code())),
            withdrawn_facets: withdrawn_facets
                .into_iter()
                .filter(|(_, facet)| is_withdrawn(*facet))
                .map(|(name, _)| name)
                .collect(),
            doubted_facets: doubted(alert),
            rows: Vec::new(),
        };
        facets.rows = rows(alert, &facets);
        facets
    }

    fn facet(&self, facet: Option<Observation<'_>>) -> String {
        let facet = facet.filter(|facet| self.hidden(facet).is_none());
        facet.map(|facet| self.value(&facet).0).unwrap_or_default()
    }

    fn measured(&self, alert: &Alert<'_>) -> Term {
        alert.measured_term().map_or(Term::default(), |term| self.term(term))
    }
}

/// The facets whose values do not count, or not surely.
fn doubted(alert: &Alert<'_>) -> Vec<DoubtedFacet> {
    let facets = [
        ("event", alert.event),
        ("value", alert.measured),
        ("phase", alert.phase),
        ("state", alert.state),
        ("inactivation", alert.inactivation),
        ("source", alert.source),
        ("priority", alert.priority),
        ("type", alert.kind),
    ];
    let doubt = |(facet, observation): (&'static str, Option<Observation<'_>>)| {
        let standing = Standing::of(&observation?);
        let doubt = standing.mark()?.to_owned();
        Some(DoubtedFacet { facet, doubt, counts: !standing.is_void() })
    };
    facets.into_iter().filter_map(doubt).collect()
}

/// The rows of the head: each facet as it was sent, with its meaning where a word could be misread.
fn rows(alert: &Alert<'_>, facets: &AlertFacets) -> Vec<(&'static str, String)> {
    let row = |key: &'static str, sent: &str, meaning: Option<String>| {
        let doubt = facets.doubted_facets.iter().find(|doubted| doubted.facet == key);
        match (doubt, meaning) {
            (Some(doubt), _) if !doubt.counts => doubt.doubt.clone(),
            (_, Some(meaning)) if !meaning.eq_ignore_ascii_case(sent) => format!("{sent} ({meaning})"),
            (Some(doubt), _) => format!("{sent} ({})", doubt.doubt),
            _ => sent.to_owned(),
        }
    };
    let meaning_of = |facet: Option<Observation<'_>>, table| meaning(facet, "meaning", table);
    let mut rows = vec![
        ("phase", row("phase", &facets.phase, meaning_of(alert.phase, PHASES))),
        ("state", row("state", &facets.state, meaning_of(alert.state, STATES))),
        // `enabled` means that the signals are on.
        ("signals", row("inactivation", &facets.inactivation, meaning_of(alert.inactivation, INACTIVATIONS))),
        ("priority", facets.priority.clone()),
        ("type", facets.kind.clone()),
        ("source", row("source", &facets.source, None)),
    ];
    if let Some(value) = facets.doubted_facets.iter().find(|doubted| doubted.facet == "value") {
        rows.push(("value", value.doubt.clone()));
    }
    if alert.contradicts_itself {
        rows.push(("warning", "a facet is stated twice, with different values".to_owned()));
    }
    if alert.has_further_events {
        rows.push(("warning", "a further event is among the observations".to_owned()));
    }
    rows
}
