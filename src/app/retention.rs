//! Takes out of the store what is older than the configuration wants it to be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Platform;
use crate::audit_forwarder;
use crate::config::{Retain, Retention};
use crate::store::Store;

/// How soon after its time something goes at the latest, if it is kept for days.
const INTERVAL: Duration = Duration::from_mins(1);
/// The shortest rest between two batches.
const REST: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
enum What {
    Messages,
    Audit,
}

impl Platform {
    /// Prunes again and again until `done`.
    pub(super) async fn prune(&self, done: &CancellationToken) {
        loop {
            let Retention { messages, audit } = self.config.load().retention;
            let shortest = [messages, audit].into_iter().filter_map(|retain| match retain {
                Retain::For(time) => Some(time / 10),
                Retain::Forever => None,
            });
            let pause = shortest.min().unwrap_or(INTERVAL).min(INTERVAL);
            let pass = async {
                self.prune_all(What::Messages, messages).await;
                self.prune_all(What::Audit, audit).await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = done.cancelled() => return,
                () = pass => {}
            }
        }
    }

    /// Batch by batch; rests as long as a batch took, so that senders have the store half of the time at least.
    async fn prune_all(&self, what: What, retain: Retain) {
        let Some(before) = self.oldest(retain) else { return };
        loop {
            let began = self.clock.instant();
            let pruned = match what {
                What::Messages => self.store.prune_messages(before).await,
                What::Audit => {
                    // What an Audit Record Repository is still to have stays until it has it.
                    let received = audit_forwarder::received(&self.config.load(), self.store.node());
                    self.store.prune_audit(before, received, &*self.acceptor).await
                }
            };
            match pruned {
                Ok(rows) => {
                    self.metrics.retention_pruned_total.with_label_values(&[what.label()]).inc_by(rows);
                    if rows < u64::from(Store::PRUNED_AT_ONCE) {
                        return;
                    }
                }
                // The next pass tries again.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(what = what.label(), error, "what is too old could not be removed");
                    return;
                }
            }
            tokio::time::sleep(self.clock.instant().saturating_duration_since(began).max(REST)).await;
        }
    }

    /// What came before is too old.
    fn oldest(&self, retain: Retain) -> Option<Timestamp> {
        match retain {
            Retain::Forever => None,
            Retain::For(time) => self.clock.now().checked_sub(SignedDuration::try_from(time).ok()?).ok(),
        }
    }
}

impl What {
    const fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Audit => "audit",
        }
    }
}
