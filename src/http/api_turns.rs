//! How many requests of `/api` are answered at once.
//!
//! Their queries share the connections that read the store with what the platform itself reads: the
//! directory, and the orders that wait. So at most two of them run, and one that reads what is in messages,
//! and the platform always has a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::metrics::Metrics;

/// What a request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// What the store and the platform know.
    Lists,
    /// What is in messages. A sender decides how long that takes: no probe and no list waits for it.
    Content,
}

/// The turns of all requests.
#[derive(Debug, Clone)]
pub(super) struct ApiTurns {
    lists: Turns,
    content: Turns,
}

/// The turns of one kind.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    longest_wait: Duration,
    metrics: Metrics,
}

impl ApiTurns {
    pub(super) fn new(metrics: Metrics) -> Self {
        let of = |number| Turns {
            turns: Arc::new(Semaphore::new(number)),
            longest_wait: LONGEST_WAIT,
            metrics: metrics.clone(),
        };
        Self { lists: of(LISTS_AT_ONCE), content: of(CONTENT_AT_ONCE) }
    }

    /// Those of this kind.
    pub(super) fn of(&self, turn: Turn) -> Turns {
        match turn {
            Turn::Lists => self.lists.clone(),
            Turn::Content => self.content.clone(),
        }
    }
}

impl Turns {
    /// A turn; `None` when the request would wait too long.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(self.longest_wait, Arc::clone(&self.turns).acquire_owned());
        turn.await.ok()?.ok()
    }
}

/// Answers the request in its turn, or with 503 when it would wait too long.
pub(super) async fn wait(State(turns): State<Turns>, request: Request, next: Next) -> Response {
    let Some(_turn) = turns.take().await else {
        turns.metrics.housekeeping.admin_refusals_total.with_label_values(&["busy"]).inc();
        return Problem::busy().into_response();
    };
    next.run(request).await
}

/// Both together are fewer than the connections that read the store (four).
const LISTS_AT_ONCE: usize = 2;
const CONTENT_AT_ONCE: usize = 1;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_most_two_requests_are_answered_at_once_and_none_waits_for_long() {
        let longest_wait = Duration::from_secs(3);
        let all = ApiTurns::new(Metrics::new().unwrap());
        let content = all.of(Turn::Content).take().await;
        assert!(content.is_some());
        // A look at a message, however long it takes, takes none of them.
        let turns = Turns { longest_wait, ..all.of(Turn::Lists) };
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
