//! Signals, and what they mean for the work that is going on.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::PlatformError;
use crate::audit::ReloadedBy;
use crate::http::{ReloadRequests, Reloaded};

/// SIGTERM and SIGINT stop the platform in good order, a second one at once; SIGHUP reads the configuration again.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn listen() -> Result<Self, PlatformError> {
        let on = |kind| signal(kind).map_err(PlatformError::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::Stop,
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}

/// What a signal asks for.
enum Request {
    Stop,
    Reload,
}

/// How the serving came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything that had begun was finished.
    Finished,
    /// It was ended where it stood: what still has to be done must not take long.
    CutShort,
}

/// Runs `serving` until it ends by itself or a signal asks for it.
///
/// The first signal cancels `drain`; `serving` then has `grace` to finish what it has begun. A second signal, or the
/// end of that time, ends it where it stands: nothing that was acknowledged is lost by that.
pub(super) async fn until_stopped<R: Future<Output = Reloaded>>(
    serving: impl Future<Output = io::Result<()>>,
    mut signals: Signals,
    mut requests: ReloadRequests,
    drain: &CancellationToken,
    grace: Duration,
    reload: impl Fn(ReloadedBy) -> R,
) -> Result<Ending, PlatformError> {
    let finished = |ended: io::Result<()>| ended.map(|()| Ending::Finished).map_err(PlatformError::Listener);
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return finished(ended),
            () = drain.cancelled() => break,
            // One after the other, whoever asks: two reloads at once could publish halves of each other.
            Some(request) = requests.recv() => request.answer(reload(ReloadedBy::Http).await),
            request = signals.next() => match request {
                Request::Reload => drop(reload(ReloadedBy::Signal).await),
                Request::Stop => {
                    tracing::info!("stopping: finishing what is in flight");
                    drain.cancel();
                }
            },
        }
    }
    tokio::select! {
        ended = &mut serving => return finished(ended),
        _ = signals.next() => tracing::warn!("stopping at once: a second signal came"),
        () = tokio::time::sleep(grace) => {
            tracing::warn!(?grace, "stopping: some sessions did not finish in time");
        }
    }
    Ok(Ending::CutShort)
}
