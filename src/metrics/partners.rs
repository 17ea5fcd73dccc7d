//! Metrics of the notifications of partners.

use prometheus::{IntGauge, IntGaugeVec};

use super::registrar::{CounterVec, Registrar};

/// The notifications of partners.
#[derive(Debug, Clone)]
pub struct Partners {
    /// Notifications by what became of them: `made`, `delivered`, `failed`, `acknowledged`, `dead`.
    pub notifications_total: CounterVec,
    /// How far notifications are behind what happened.
    pub lag_seconds: IntGauge,
    waiting: IntGaugeVec,
    dead: IntGaugeVec,
    age_seconds: IntGaugeVec,
}

impl Partners {
    const RESULTS: [&str; 5] = ["made", "delivered", "failed", "acknowledged", "dead"];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            notifications_total: r.counters("partner_notifications_total", NOTIFICATIONS, &["result"])?,
            lag_seconds: r.gauge("partner_notification_lag_seconds", LAG)?,
            waiting: r.gauges("partner_notifications_waiting", WAITING, &["subscription"])?,
            dead: r.gauges("partner_notifications_dead", DEAD, &["subscription"])?,
            age_seconds: r.gauges("partner_notification_age_seconds", AGE, &["subscription"])?,
        })
    }

    pub(super) fn start_at_zero(&self) {
        for result in Self::RESULTS {
            self.notifications_total.with_label_values(&[result]);
        }
    }

    /// Counts notifications.
    pub fn count(&self, result: &'static str, number: u64) {
        self.notifications_total.with_label_values(&[result]).inc_by(number);
    }

    /// Replaces the values of the subscriptions: the number that waits, the number that was given up, and the
    /// age in seconds of the oldest that waits. The node that writes the index measures them.
    pub fn measure<'s>(&self, standings: impl IntoIterator<Item = (&'s str, u64, u64, i64)>) {
        self.waiting.reset();
        self.dead.reset();
        self.age_seconds.reset();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (subscription, waiting, dead, age) in standings {
            self.waiting.with_label_values(&[subscription]).set(number(waiting));
            self.dead.with_label_values(&[subscription]).set(number(dead));
            self.age_seconds.with_label_values(&[subscription]).set(age);
        }
    }
}

const NOTIFICATIONS: &str = "Notifications of partners, by what became of them";
const LAG: &str = "Age of the oldest event that was not looked at for notifications; 0 without one";
const WAITING: &str = "Notifications of a subscription that wait for the partner, counted up to 10000";
const DEAD: &str = "Notifications of a subscription that were given up, counted up to 10000";
const AGE: &str = "Age of the oldest notification of a subscription that waits; 0 without one";
