//! Signals, and what they do to the running platform.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::PlatformError;
use crate::model::Clock;

/// The signals that the platform handles: SIGTERM and SIGINT shut it down, SIGHUP reads the configuration
/// again.
#[derive(Debug)]
pub struct Signals {
    stop: StopSignals,
    reload: Signal,
}

/// SIGTERM and SIGINT. The first one begins a graceful shutdown; a later one ends it at once.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Replaces the default actions of the signals.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn listen() -> Result<Self, PlatformError> {
        let on = |kind| signal(kind).map_err(PlatformError::Signals);
        let stop =
            StopSignals { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? };
        Ok(Self { stop, reload: on(SignalKind::hangup())? })
    }

    /// Waits for SIGTERM or SIGINT, before the platform serves.
    pub async fn stop_requested(&mut self) {
        self.stop.next().await;
    }

    pub(super) fn split(self) -> (StopSignals, Signal) {
        (self.stop, self.reload)
    }
}

impl StopSignals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a signal that comes later than [`SAME_REQUEST`] after the first one, which came at `first`
    /// or is yet to come.
    async fn next_request(&mut self, mut first: Option<std::time::Instant>, clock: &Clock) {
        loop {
            self.next().await;
            let now = clock.instant();
            if now.saturating_duration_since(*first.get_or_insert(now)) >= SAME_REQUEST {
                return;
            }
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Every session has ended.
    Finished,
    /// Sessions were still open: the rest of the shutdown must not take long.
    CutShort,
}

/// Waits until every session has ended, which `served` says, or must not be waited for any more.
///
/// The first signal cancels `drain`; the sessions then have `drain_timeout` to finish. A second signal, or
/// the end of that time, ends the wait: nothing that was acknowledged is lost by that.
pub(super) async fn until_stopped(
    served: impl Future<Output = ()>,
    mut signals: StopSignals,
    drain: &CancellationToken,
    drain_timeout: impl FnOnce() -> Duration,
    clock: &Clock,
) -> Ending {
    tokio::pin!(served);
    let mut first = None;
    tokio::select! {
        () = &mut served => return Ending::Finished,
        () = drain.cancelled() => {}
        () = signals.next() => {
            tracing::info!("platform is shutting down: messages in flight are acknowledged");
            first = Some(clock.instant());
            drain.cancel();
        }
    }
    // A reload may have changed it since the start.
    let drain_timeout = drain_timeout();
    tokio::select! {
        () = &mut served => return Ending::Finished,
        () = signals.next_request(first, clock) => {
            tracing::warn!("a second signal came; open sessions are not awaited");
        }
        () = tokio::time::sleep(drain_timeout) => {
            tracing::warn!(?drain_timeout, "drain timeout expired; open sessions are not awaited");
        }
    }
    Ending::CutShort
}

/// Signals within this time are one request: timeout(1) sends two, to the process and to its group.
const SAME_REQUEST: Duration = Duration::from_secs(1);
