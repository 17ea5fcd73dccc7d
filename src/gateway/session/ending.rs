//! How a connection to the platform ends.

use std::time::Instant;

use futures_util::StreamExt as _;

use super::{Ended, Session, Settling};
use crate::gateway::history::{CLOSE_TIMEOUT, History};
use crate::gateway::job::Job;
use crate::gateway::passed::Passed;
use crate::gateway::suspects::Loss;
use crate::gateway::uplink::Uplink;
use crate::gateway::window::{Done, Window};
use crate::interface_b::{ClientError, Incoming};

impl Session<'_> {
    /// Ends the connection, as `ended` says. Of what was sent just before `closed_at` its end proves nothing.
    pub(super) async fn end(
        mut self,
        ended: Result<Ended, ClientError>,
        closed_at: Instant,
        history: &mut History,
    ) -> Result<Ended, ClientError> {
        let settling = std::mem::take(&mut self.settling);
        // What the platform has answered counts, also when the connection is lost. Devices do not wait for
        // what is recorded, or postponed; the end of the process does.
        if matches!(ended, Ok(Ended::Done)) {
            drain(settling).await;
        } else {
            tokio::spawn(drain(settling));
        }
        if matches!(ended, Err(ClientError::Reset)) && self.is_pardoned(history) {
            return Ok(Ended::Discarded);
        }
        match ended {
            Ok(ended) => match self.finish(&ended, closed_at, history).await {
                // Also if an acknowledgement is late: a clean end shows that the platform has skipped it. The
                // acknowledgement that did not come says more than how the connection ended.
                Ok(_) | Err(_) if matches!(ended, Ended::Late(_)) => Ok(ended),
                Ok(true) => Ok(ended),
                Ok(false) => Ok(Ended::Discarded),
                Err(error) => Err(error),
            },
            Err(error) => {
                lose(self.uplink, self.window, self.passed).await;
                let is_closed = self.is_answered && matches!(error, ClientError::Closed);
                if is_closed { Ok(Ended::Closed) } else { Err(error) }
            }
        }
    }

    /// Whether a reset is the platform's way to give up an order: no message is at fault, and what was under
    /// way is sent again.
    fn is_pardoned(&self, history: &mut History) -> bool {
        history.pardons.take(self.ordered, self.uplink.gateway.clock.instant())
    }

    /// Closes the connection. A platform that answers close_notify has taken everything that was sent well
    /// before `closed_at`. `false`: it has given up an order meanwhile.
    async fn finish(
        self,
        ended: &Ended,
        closed_at: Instant,
        history: &mut History,
    ) -> Result<bool, ClientError> {
        let (limits, ordered) = (self.limits(), self.ordered);
        // A message that waits for another connection does not wait for long, and the end of the process
        // neither.
        let is_proof = matches!(ended, Ended::Proved);
        let limit = if is_proof { history.close_timeout.get() } else { CLOSE_TIMEOUT };
        let Self { uplink, client, mut window, mut passed, .. } = self;
        let mut late = Vec::new();
        let finishing = client.finish(limit, |incoming| match incoming {
            Incoming::Answer(answer) => late.extend(window.hear_last(&answer)),
            Incoming::Broken => window.doubt(),
            Incoming::Message(_) => {}
        });
        let finished = finishing.await;
        let took = uplink.gateway.clock.instant().saturating_duration_since(closed_at);
        match finished {
            Ok(()) if is_proof => history.close_timeout.note(Some(took)),
            Err(ClientError::Timeout(_)) if is_proof => history.close_timeout.note(None),
            _ => {}
        }
        for (id, outcome) in late {
            uplink.correct(id, outcome).await;
        }
        if let Err(error) = finished {
            let now = uplink.gateway.clock.instant();
            if matches!(error, ClientError::Reset) && history.pardons.take(ordered, now) {
                return Ok(false);
            }
            // A reset, or a platform that says nothing, is no end that a platform makes.
            if matches!(error, ClientError::Cut) {
                uplink.orders.give_up(passed.taken_twice(closed_at)).await;
            }
            lose(uplink, window, passed).await;
            return Err(error);
        }
        uplink.orders.arrive(passed.proved_by_end(closed_at)).await;
        let recordings = window.finish(closed_at, limits).into_iter().map(|done| {
            let Done { job, mut outcomes, unanswered, .. } = done;
            outcomes.extend(uplink.give_up(&unanswered));
            uplink.queue.count(&outcomes);
            async move { job.record(outcomes, None).await }
        });
        futures_util::future::join_all(recordings.collect::<Vec<_>>()).await;
        Ok(true)
    }
}

/// Waits for what is being recorded, and gives back the jobs.
async fn drain(mut settling: Settling) {
    while let Some(job) = settling.next().await {
        drop(job);
    }
}

/// The connection is lost, with what was under way.
async fn lose(uplink: &Uplink, window: Window<Job>, passed: Passed) {
    let lost = window.lose();
    let unknown = lost.iter().map(|(_, unknown)| unknown.len()).sum::<usize>() + passed.len();
    let how = if unknown == 1 { Loss::Alone } else { Loss::WithOthers };
    passed.lost(&uplink.orders, &uplink.queue, how).await;
    for (job, unknown) in lost {
        job.lost(&unknown, how).await;
    }
}
