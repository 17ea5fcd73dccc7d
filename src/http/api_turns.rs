//! How many requests of `/api` are answered at once.
//!
//! Their queries share the connections that read the store with what the platform itself reads: the
//! directory, and the orders that wait. So at most two of them run, and the platform always has connections
//! of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::metrics::Metrics;

/// The turns.
#[derive(Debug, Clone)]
pub(super) struct ApiTurns {
    turns: Arc<Semaphore>,
    longest_wait: Duration,
    metrics: Metrics,
}

impl ApiTurns {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), longest_wait: LONGEST_WAIT, metrics }
    }

    /// A turn; `None` when the request would wait too long.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.longest_wait, Arc::clone(&self.turns).acquire_owned());
        turn.await.ok()?.ok()
    }
}

/// Answers the request in its turn, or with 503 when it would wait too long.
pub(super) async fn wait(State(turns): State<ApiTurns>, request: Request, next: Next) -> Response {
    let Some(_turn) = turns.take().await else {
        turns.metrics.housekeeping.admin_refusals_total.with_label_values(&["busy"]).inc();
        return Problem::busy().into_response();
    };
    next.run(request).await
}

/// Fewer than the connections that read the store (four).
const AT_ONCE: usize = 2;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_most_two_requests_are_answered_at_once_and_none_waits_for_long() {
        let longest_wait = Duration::from_secs(3);
        let turns = ApiTurns { longest_wait, ..ApiTurns::new(Metrics::new().unwrap()) };
        let requests: Vec<_> = (0..8)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move {
                    let _turn = turns.take().await?;
                    tokio::time::sleep(longest_wait * 2 / 5).await;
                    Some(turns.turns.available_permits())
                })
            })
            .collect();
        let mut answered = Vec::new();
        for request in requests {
            answered.push(request.await.unwrap().is_some());
        }
        assert_eq!(answered, [true, true, true, true, true, true, false, false]);
    }
}
