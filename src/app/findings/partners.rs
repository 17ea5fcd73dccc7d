//! Findings about the notifications of partners.

use std::time::{Duration, Instant};

use super::super::Platform;
use crate::finding::facts::{
    GivenUpSubscription, PartnerNotificationsBehind, PartnerNotificationsGivenUp,
    PartnerNotificationsWaiting, WaitingSubscription,
};
use crate::finding::{Facts, Finding, Subject};
use crate::store::SubscriptionStanding;

/// How the subscriptions stood when they were last read.
#[derive(Debug, Default)]
pub(super) struct Partners {
    standings: Vec<SubscriptionStanding>,
    read: Option<Instant>,
}

impl Partners {
    /// Whether notifications are written late, wait for too long, or were given up.
    pub(super) async fn look(&mut self, platform: &Platform) -> Vec<Finding> {
        let instant = platform.clock.instant();
        let is_due = |read: Instant| instant.saturating_duration_since(read) >= READ_INTERVAL;
        // A store that does not answer is a finding of its own.
        if self.read.is_none_or(is_due)
            && let Ok(standings) = platform.store.subscription_standings().await
        {
            (self.standings, self.read) = (standings, Some(instant));
        }
        let found = [behind(platform), self.waiting(platform), self.given_up()];
        found.into_iter().flatten().map(|facts| Finding::new(Subject::Platform, facts)).collect()
    }

    fn waiting(&self, platform: &Platform) -> Option<Facts> {
        let allowed = platform.config.load().notifications.max_wait.as_secs();
        let now = platform.store.believed_now();
        let waits = |own: &SubscriptionStanding| {
            let seconds = u64::try_from(now.duration_since(own.oldest?).as_secs()).unwrap_or_default();
            (seconds > allowed).then(|| WaitingSubscription {
                subscription: own.subscription.to_string(),
                waiting: own.waiting,
                seconds,
                error: own.error.clone(),
            })
        };
        let subscriptions: Vec<_> = self.standings.iter().filter_map(waits).take(MAX_NAMED).collect();
        (!subscriptions.is_empty()).then(|| PartnerNotificationsWaiting { subscriptions, allowed }.into())
    }

    fn given_up(&self) -> Option<Facts> {
        let dead = self.standings.iter().filter(|own| own.dead > 0);
        let of = |own: &SubscriptionStanding| GivenUpSubscription {
            subscription: own.subscription.to_string(),
            given_up: own.dead,
        };
        let subscriptions: Vec<_> = dead.map(of).take(MAX_NAMED).collect();
        (!subscriptions.is_empty()).then(|| PartnerNotificationsGivenUp { subscriptions }.into())
    }
}

fn behind(platform: &Platform) -> Option<Facts> {
    let lag = platform.projection.notification_lag(platform.store.now())?;
    let seconds = u64::try_from(lag.as_secs()).unwrap_or_default();
    let allowed = platform.config.load().fhir.max_lag.as_secs();
    (seconds > allowed).then(|| PartnerNotificationsBehind { seconds, allowed }.into())
}

/// How often the notifications of subscriptions are counted.
const READ_INTERVAL: Duration = Duration::from_secs(15);
/// Subscriptions that one finding names.
const MAX_NAMED: usize = 16;
