//! The period of an alert: a report knows only its own time, and the first one when it began.

use jiff::Timestamp;

use super::read::Renderer;
use crate::fhir::{Observation, Resource};
use crate::store::StoreError;

impl Renderer {
    /// Gives an alert that has ended the time at which its first report says it began, if that is still
    /// stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn join_period(&self, resource: &mut Resource, version: u64) -> Result<(), StoreError> {
        let Resource::Observation(alert) = resource else { return Ok(()) };
        if version < 2 || !has_only_an_end(alert) {
            return Ok(());
        }
        let reference = format!("Observation/{}", alert.id);
        let Some(first) = self.store().resource_versions(&reference, Some(2), 1).await?.pop() else {
            return Ok(());
        };
        let rendered = self.render(&[first.message]).await?;
        let seen = rendered.get(&first.message).and_then(|it| it.seen(&reference, 1, first.projected_at));
        if let Some(Resource::Observation(begun)) = seen.map(|seen| seen.resource) {
            join(alert, &begun);
        }
        Ok(())
    }
}

fn has_only_an_end(alert: &Observation) -> bool {
    alert.effective_period.as_ref().is_some_and(|period| period.start.is_none() && period.end.is_some())
}

/// Takes the beginning from the first report, unless that is later than the end.
fn join(alert: &mut Observation, begun: &Observation) {
    let Some(start) = begun.effective_period.as_ref().and_then(|period| period.start.clone()) else { return };
    let Some(period) = &mut alert.effective_period else { return };
    let at = |written: &str| written.parse::<Timestamp>().ok();
    let end = period.end.as_deref().and_then(at);
    if at(&start).is_some_and(|start| end.is_some_and(|end| start <= end)) {
        period.start = Some(start);
    }
}
