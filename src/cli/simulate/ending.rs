//! When a simulation ends: after its time or at the first signal gracefully, at the second signal at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::simulate::Live;

/// Ends a simulation.
pub(super) struct Ending {
    /// Gracefully.
    stop: CancellationToken,
    /// A person or the service manager waits for the end.
    interrupted: CancellationToken,
    /// At once.
    abort: CancellationToken,
    timeout: AnswerTimeout,
    task: JoinHandle<()>,
}

impl Ending {
    /// After this time, or at Ctrl-C or SIGTERM. A signal bounds the time without an answer by `grace`.
    pub(super) fn after(length: Option<Duration>, grace: Duration) -> io::Result<Self> {
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let (stop, interrupted, abort) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(end(length, signals, stop.clone(), interrupted.clone(), abort.clone()));
        Ok(Self { stop, interrupted, abort, timeout: AnswerTimeout { grace, last: None }, task })
    }

    /// What ends the simulation gracefully, and what ends it at once.
    pub(super) fn tokens(&self) -> (CancellationToken, CancellationToken) {
        (self.stop.clone(), self.abort.clone())
    }

    /// Ends it when no answer came for too long after a signal.
    pub(super) fn look(&mut self, at: Duration, live: Live) {
        if self.interrupted.is_cancelled() && self.timeout.is_over(at, live.acknowledged) {
            self.abort.cancel();
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn end(
    length: Option<Duration>,
    mut signals: Signals,
    stop: CancellationToken,
    interrupted: CancellationToken,
    abort: CancellationToken,
) {
    if let Some(length) = length {
        tokio::select! {
            () = tokio::time::sleep(length) => {
                stop.cancel();
                signals.next().await;
            }
            () = signals.next() => {}
        }
    } else {
        signals.next().await;
    }
    interrupted.cancel();
    stop.cancel();
    signals.next().await;
    abort.cancel();
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// How long no answer may come.
struct AnswerTimeout {
    grace: Duration,
    /// When an answer had come, and how many had.
    last: Option<(Duration, u64)>,
}

impl AnswerTimeout {
    fn is_over(&mut self, at: Duration, answers: u64) -> bool {
        match self.last {
            Some((since, before)) if before == answers => at.saturating_sub(since) >= self.grace,
            _ => {
                self.last = Some((at, answers));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_simulation_waits_while_answers_come() {
        let mut timeout = AnswerTimeout { grace: Duration::from_secs(2), last: None };
        for (at, answers, is_over) in
            [(10, 5, false), (11, 5, false), (12, 6, false), (13, 6, false), (14, 6, true)]
        {
            assert_eq!(timeout.is_over(Duration::from_secs(at), answers), is_over, "{at}");
        }
    }
}
