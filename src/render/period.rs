//! The period of an alert: a report knows only its own time, and the first one when it began.

use jiff::Timestamp;

use super::read::Renderer;
use crate::fhir::{Observation, Period, Resource};
use crate::store::StoreError;

impl Renderer {
    /// Gives an alert that goes on or has ended the time at which its first report says it began, if that is
    /// still stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn join_period(&self, resource: &mut Resource, version: u64) -> Result<(), StoreError> {
        let Resource::Observation(alert) = resource else { return Ok(()) };
        if version < 2 || !lacks_its_begin(alert) {
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

/// Whether it is a later report of an alert, which knows only its own time.
fn lacks_its_begin(alert: &Observation) -> bool {
    let has_only_an_end = |period: &Period| period.start.is_none() && period.end.is_some();
    let goes_on = alert.status == "preliminary" && alert.effective_date_time.is_some();
    goes_on || alert.effective_period.as_ref().is_some_and(has_only_an_end)
}

/// Takes the beginning from the first report, unless that is later than this one.
fn join(alert: &mut Observation, begun: &Observation) {
    let Some(start) = begun.effective_period.as_ref().and_then(|period| period.start.clone()) else { return };
    let period = alert.effective_period.get_or_insert_default();
    let at = |written: &str| written.parse::<Timestamp>().ok();
    let own = period.end.as_deref().or(alert.effective_date_time.as_deref()).and_then(at);
    if at(&start).is_some_and(|start| own.is_some_and(|own| start <= own)) {
        period.start = Some(start);
        alert.effective_date_time = None;
    } else if *period == Period::default() {
        alert.effective_period = None;
    }
}
