//! Posts notifications to partners that have a webhook (N000-7).
//!
//! Each subscription posts one notification at a time, the one that has waited for the longest time first: a
//! slow receiver delays its own subscription alone, and a notification that a receiver refuses delays itself
//! alone. Every node posts. A delivery begins with a write of the
//! store that succeeds on one node, so no two nodes deliver the same one; when a node ends in between, the
//! visibility timeout delivers it again. A failed attempt is no delivery: it is repeated, ever more slowly,
//! for as long as the message is stored.

mod error;
mod target;
mod webhook;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clients::{ReceiptHandle, RegistryHandle, Subscription, SubscriptionName, Webhook};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::{Clock, explained};
use crate::render::notification_body;
use crate::store::{Delivery, Due, PartnerNotification, Store, StoreError};
use error::WebhookError;

/// Posts notifications until shutdown.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// The current configuration.
    pub config: ConfigHandle,
    /// The store, with connections of its own.
    pub store: Store,
    /// Which partner may see which devices.
    pub registry: RegistryHandle,
    /// The metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Clock,
    /// Which receivers fail.
    pub receivers: Receivers,
}

/// The receivers that fail. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Receivers(Arc<Mutex<HashMap<Key, Failing>>>);

/// Name and time of a subscription: one that is added again has another receiver.
type Key = (SubscriptionName, Timestamp);

/// A receiver that fails.
#[derive(Debug, Clone)]
struct Failing {
    /// Attempts in a row.
    attempts: u32,
    /// When the next one follows.
    next: Instant,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Posted {
    /// The receiver has it, or another node posts it.
    Taken,
    /// The receiver does not take this one.
    Refused,
    /// There is none, or the receiver fails.
    Nothing,
}

impl Outbound {
    /// Posts until `done`.
    pub async fn run(self, done: CancellationToken) {
        let (mut posting, mut active) = (JoinSet::new(), HashSet::new());
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            while let Some(ended) = posting.try_join_next() {
                match ended {
                    Ok(name) => drop(active.remove(&name)),
                    // A fault of one of them: all are looked at again.
                    Err(_) => active.clear(),
                }
            }
            let Ok(subscriptions) = self.store.subscriptions().await else { continue };
            for subscription in subscriptions.into_iter().filter(|own| own.webhook.is_some()) {
                if self.receivers.is_due(&subscription, self.clock.instant())
                    && active.insert(subscription.name.clone())
                {
                    let own = self.clone();
                    posting.spawn(async move { own.post_due(subscription).await });
                }
            }
        }
    }

    /// Posts what a subscription has, until the receiver fails, refuses many or nothing is left.
    async fn post_due(&self, subscription: Subscription) -> SubscriptionName {
        let Some(webhook) = &subscription.webhook else { return subscription.name };
        let mut refused = 0;
        for _ in 0..MAX_POSTS {
            // What the receiver refuses, or fails at, does not hold up what it was never asked to take.
            let is_new_first = refused > 0 || self.receivers.is_failing(&subscription);
            match self.post_next(&subscription, webhook, is_new_first).await {
                Ok(Posted::Taken) => {}
                Ok(Posted::Refused) if refused < MAX_REFUSED => refused += 1,
                Ok(Posted::Refused | Posted::Nothing) => break,
                Err(error) => {
                    tracing::debug!(error = %explained(&error), "a notification could not be recorded");
                    break;
                }
            }
        }
        subscription.name
    }

    /// The next notification: of those that were never posted without success first, if `is_new_first`.
    async fn next(
        &self,
        subscription: &Subscription,
        is_new_first: bool,
    ) -> Result<Option<PartnerNotification>, StoreError> {
        // What none of the organisation's clients may read is not posted to it either.
        let devices = self.registry.load().devices_of(&subscription.organisation);
        let due = Due {
            organisation: &subscription.organisation,
            subscriptions: std::slice::from_ref(&subscription.name),
            devices: devices.as_deref(),
            max_deliveries: self.config.load().notifications.deliveries,
            is_new: is_new_first,
            limit: 1,
        };
        let found = self.store.due_notifications(&due).await?.pop();
        if found.is_some() || !is_new_first {
            return Ok(found);
        }
        Ok(self.store.due_notifications(&Due { is_new: false, ..due }).await?.pop())
    }

    /// Posts the next notification.
    async fn post_next(
        &self,
        subscription: &Subscription,
        webhook: &Webhook,
        is_new_first: bool,
    ) -> Result<Posted, StoreError> {
        let config = self.config.load_full();
        let Some(found) = self.next(subscription, is_new_first).await? else { return Ok(Posted::Nothing) };
        // One of this name may have been added since, for another receiver. What was found before is not
        // of that one.
        if !self.store.subscriptions().await?.contains(subscription) {
            return Ok(Posted::Nothing);
        }
        let Ok((handle, receipt)) = ReceiptHandle::generate() else { return Ok(Posted::Nothing) };
        let visibility =
            SignedDuration::try_from(config.notifications.visibility).unwrap_or(SignedDuration::ZERO);
        let delivery = Delivery { id: found.id, known: found.receipt, receipt };
        // Another node may have begun it meanwhile.
        let Some(begun) = self.store.begin_deliveries(vec![delivery], visibility, None).await?.pop() else {
            return Ok(Posted::Taken);
        };
        // This delivery counts once it is answered.
        let begun = PartnerNotification { deliveries: begun.deliveries + 1, ..begun };
        let body = notification_body(&begun, &handle).to_string();
        match webhook::post(webhook, &config.notifications, &self.clock, (&begun.id.to_string(), body)).await
        {
            Ok(()) => {
                self.responds(subscription);
                self.store.note_answer(begun.id, receipt).await?;
                self.metrics.api.partners.count("delivered", 1);
                Ok(Posted::Taken)
            }
            Err(error) => {
                self.metrics.api.partners.count("failed", 1);
                let (pause, posted) = if error.is_of_the_notification() {
                    self.responds(subscription);
                    (
                        backoff(u32::try_from(begun.attempts).unwrap_or(u32::MAX).saturating_add(1)),
                        Posted::Refused,
                    )
                } else {
                    (self.fail(subscription, &error), Posted::Nothing)
                };
                let pause = SignedDuration::try_from(pause).unwrap_or_default();
                self.store.note_failure((begun.id, receipt), pause, error.to_string()).await?;
                Ok(posted)
            }
        }
    }

    /// The receiver has answered, whatever it thinks of this notification.
    fn responds(&self, subscription: &Subscription) {
        if self.receivers.succeed(subscription) {
            tracing::info!(subscription = %subscription.name, "the receiver of a partner responds again");
        }
    }

    /// The receiver fails. Returns the pause that follows.
    fn fail(&self, subscription: &Subscription, error: &WebhookError) -> Duration {
        // Once for each outage.
        if self.receivers.fail(subscription, self.clock.instant()) {
            tracing::warn!(
                subscription = %subscription.name,
                %error,
                "a notification was not delivered to the receiver of a partner; it is repeated"
            );
        }
        self.receivers.pause(subscription)
    }
}

impl Receivers {
    fn with<T>(&self, then: impl FnOnce(&mut HashMap<Key, Failing>) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_due(&self, of: &Subscription, now: Instant) -> bool {
        self.with(|failing| failing.get(&key(of)).is_none_or(|own| own.next <= now))
    }

    fn is_failing(&self, of: &Subscription) -> bool {
        self.with(|failing| failing.contains_key(&key(of)))
    }

    /// Notes a failed attempt. True: the first in a row.
    fn fail(&self, of: &Subscription, now: Instant) -> bool {
        self.with(|failing| {
            let own = failing.entry(key(of)).or_insert(Failing { attempts: 0, next: now });
            own.attempts = own.attempts.saturating_add(1);
            own.next = now + backoff(own.attempts);
            own.attempts == 1
        })
    }

    /// Notes a response. True: attempts had failed before.
    fn succeed(&self, of: &Subscription) -> bool {
        self.with(|failing| failing.remove(&key(of)).is_some())
    }

    /// The pause after the last failed attempt.
    fn pause(&self, of: &Subscription) -> Duration {
        self.with(|failing| backoff(failing.get(&key(of)).map_or(1, |own| own.attempts)))
    }
}

fn key(subscription: &Subscription) -> Key {
    (subscription.name.clone(), subscription.created_at)
}

/// From a second to five minutes, twice as long each time.
fn backoff(attempts: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.clamp(1, MAX_PAUSE_SECONDS))
}

/// How often is looked for notifications.
const INTERVAL: Duration = Duration::from_secs(1);
/// Notifications of a subscription before its definition is read again.
const MAX_POSTS: usize = 100;
/// Refused notifications of a subscription in one look; one more ends it.
const MAX_REFUSED: u32 = 5;
/// The longest pause between attempts.
const MAX_PAUSE_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::EventFilter;

    #[test]
    fn n000_7_attempts_are_repeated_ever_more_slowly() {
        let pauses: Vec<u64> = [1, 2, 3, 8, 9, 10, 64, 65, u32::MAX].map(|at| backoff(at).as_secs()).to_vec();
        assert_eq!(pauses, [1, 2, 4, 128, 256, 300, 300, 300, 300]);
        let (receivers, now) = (Receivers::default(), Clock::system().instant());
        let own = Subscription {
            name: "ward".parse().unwrap(),
            organisation: "2.25.1".parse().unwrap(),
            filter: EventFilter::default(),
            webhook: None,
            created_at: Timestamp::UNIX_EPOCH,
        };
        assert!(receivers.is_due(&own, now) && receivers.fail(&own, now) && !receivers.fail(&own, now));
        assert!(!receivers.is_due(&own, now + Duration::from_millis(1999)));
        assert!(receivers.is_due(&own, now + Duration::from_secs(2)));
        let again = Subscription { created_at: Timestamp::MAX, ..own.clone() };
        assert!(receivers.is_due(&again, now), "one that is added again has another receiver");
        assert!(receivers.succeed(&own) && !receivers.succeed(&own) && receivers.is_due(&own, now));
    }
}
