//! Reports to the service manager that the platform is healthy: systemd restarts it when the report stays
//! away (`WatchdogSec=`).
//!
//! A report follows two answers. The writer of the store has answered a probe, and every accept loop runs. A
//! store that fails has answered: another start would not help, and devices get a negative acknowledgement. A
//! server of the store that does not answer is not waited for either. What never answers is a thread or a
//! task that hangs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::live::LiveView;
use super::service_manager::{ServiceManager, watchdog_timeout};
use crate::http::Live as _;
use crate::interface_a::AcceptCheck;
use crate::store::Store;

/// Reports the health of the platform.
#[derive(Debug, Clone)]
pub(super) struct HealthReport {
    pub(super) manager: ServiceManager,
    pub(super) store: Store,
    pub(super) accept_check: AcceptCheck,
    pub(super) live: Arc<LiveView>,
    /// Cancelled when connections are no longer accepted.
    pub(super) drain: CancellationToken,
}

impl HealthReport {
    /// Reports until `done`.
    pub(super) async fn run(self, done: CancellationToken) {
        if !self.manager.is_there() {
            return done.cancelled().await;
        }
        // Three reports fit the time, so that one may be late.
        let interval = watchdog_timeout().map_or(INTERVAL, |timeout| (timeout / 3).min(INTERVAL));
        let reports = async {
            loop {
                self.await_answer("the store does not answer", interval, self.store.answer()).await;
                self.await_answer("no connection is accepted", interval, self.accepts()).await;
                self.manager.healthy(&self.status());
                tokio::time::sleep(interval).await;
            }
        };
        tokio::select! {
            () = done.cancelled() => {}
            () = reports => {}
        }
    }

    /// Waits for an answer, and lets the status say what is awaited.
    async fn await_answer(&self, missing: &str, interval: Duration, answer: impl Future<Output = ()>) {
        let mut answer = pin!(answer);
        while tokio::time::timeout(interval, answer.as_mut()).await.is_err() {
            self.manager.status(missing);
        }
    }

    async fn accepts(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.accept_check.answer() => {}
        }
    }

    fn status(&self) -> String {
        if self.drain.is_cancelled() {
            return "shutting down".to_owned();
        }
        let glance = self.live.glance();
        let findings = self.live.board().findings().len();
        let connected = format!("{} of {} devices connected", glance.connected, glance.devices);
        match (self.live.shortage(), findings) {
            (Some(shortage), _) => format!("{connected}; no connection is accepted: {shortage}"),
            (None, 0) => format!("serving: {connected}"),
            (None, count) => format!("serving: {connected}; findings: {count} (pcd-platform status)"),
        }
    }
}

/// How often the health is reported without a watchdog, and at least with one.
const INTERVAL: Duration = Duration::from_secs(10);
