//! The facets of an alert.

use super::model::AlertFacets;
use super::reader::Reader;
use super::result_status;
use crate::pcd::{Alert, Observation};
use crate::view::value::Term;

impl Reader<'_> {
    pub(super) fn alert(&self, alert: &Alert<'_>) -> AlertFacets {
        let shown = |facet: Option<Observation<'_>>| {
            let facet = facet.filter(|facet| self.hidden(facet).is_none());
            facet.map(|facet| self.value(&facet).0).unwrap_or_default()
        };
        let source = shown(alert.source);
        AlertFacets {
            event: alert.event.map_or(Term::default(), |event| self.term(event.identifier())),
            text: shown(alert.event),
            phase: shown(alert.phase),
            state: shown(alert.state),
            inactivation: shown(alert.inactivation),
            // The metric that facet 2 of a numeric alert measures (IHE PCD TF vol. 2, table B.8.5-1).
            source: if source.is_empty() { self.measured(alert).text() } else { source },
            withdrawn: alert.event.and_then(|event| result_status::withdrawn(event.status().raw())),
        }
    }

    fn measured(&self, alert: &Alert<'_>) -> Term {
        alert.measured.map_or(Term::default(), |measured| self.term(measured.identifier()))
    }
}
