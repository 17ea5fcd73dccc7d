//! The facets of an alert.

use super::model::AlertFacets;
use super::reader::Reader;
use super::result_status;
use crate::pcd::{Alert, Observation};
use crate::view::sentence::{kind, priority};
use crate::view::value::Term;

impl Reader<'_> {
    pub(super) fn alert(&self, alert: &Alert<'_>) -> AlertFacets {
        let is_withdrawn = |facet: Option<Observation<'_>>| {
            facet.is_some_and(|facet| result_status::withdrawn(facet.status().raw()).is_some())
        };
        // What the sender withdrew is no phase or state; the observation itself is shown as withdrawn.
        let valid = |facet| self.facet(Some(facet).filter(|facet| !is_withdrawn(*facet)).flatten());
        let source = valid(alert.source);
        let withdrawn_facets =
            [("phase", alert.phase), ("state", alert.state), ("inactivation", alert.inactivation)];
        AlertFacets {
            event: alert.event.map_or(Term::default(), |event| self.term(event.identifier())),
            text: self.facet(alert.event),
            phase: valid(alert.phase),
            state: valid(alert.state),
            inactivation: valid(alert.inactivation),
            // The metric that facet 2 of a numeric alert measures (IHE PCD TF vol. 2, table B.8.5-1).
            source: if source.is_empty() { self.measured(alert).text() } else { source },
            priority: priority(alert).map(|stated| stated.text()).unwrap_or_default(),
            kind: kind(alert).map(|stated| stated.text()).unwrap_or_default(),
            withdrawn: alert.event.and_then(|event| result_status::withdrawn(event.status().raw())),
            withdrawn_facets: withdrawn_facets
                .into_iter()
                .filter(|(_, facet)| is_withdrawn(*facet))
                .map(|(name, _)| name)
                .collect(),
        }
    }

    fn facet(&self, facet: Option<Observation<'_>>) -> String {
        let facet = facet.filter(|facet| self.hidden(facet).is_none());
        facet.map(|facet| self.value(&facet).0).unwrap_or_default()
    }

    fn measured(&self, alert: &Alert<'_>) -> Term {
        alert.measured.map_or(Term::default(), |measured| self.term(measured.identifier()))
    }
}
