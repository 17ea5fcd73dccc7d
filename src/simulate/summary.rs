//! What a simulation reports in the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::{Counters, Fault, Latencies};

/// The result of a simulation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Simulated devices and gateways.
    pub devices: u64,
    /// Seconds from the start to the end.
    pub seconds: f64,
    /// Seconds until the devices began to end: what is late after that has no part in rates.
    pub sending_seconds: f64,
    /// Seconds until all devices without a fault were connected for the first time; none if they never were.
    pub first_connection_seconds: Option<f64>,
    /// Devices without a fault that were not connected at the end.
    pub not_connected_at_end: u64,
    /// TLS handshakes that succeeded.
    pub handshakes: u64,
    /// Sessions that ended before the simulation did.
    pub lost_sessions: u64,
    /// Messages; one that is sent again counts once.
    pub sent: u64,
    /// Messages with a positive acknowledgement.
    pub acknowledged: u64,
    /// Messages that were sent again after a lost session.
    pub repeated: u64,
    /// Messages without any answer until the end.
    pub in_doubt: u64,
    /// Messages of devices with a fault that were rejected; `faults` says why.
    pub rejected_with_fault: u64,
    /// Messages of devices without a fault that were rejected, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Failed attempts to connect and lost sessions of devices without a fault, by reason.
    pub failures: BTreeMap<String, u64>,
    /// By transaction.
    pub transactions: BTreeMap<&'static str, TransactionSummary>,
    /// Orders that devices took, by answer.
    pub orders: BTreeMap<&'static str, u64>,
    /// From a message to its acknowledgement.
    pub latency: LatencySummary,
    /// Devices with a fault.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<&'static str, FaultSummary>,
    /// When most sessions were lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
}

/// Messages of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TransactionSummary {
    /// Messages.
    pub sent: u64,
    /// Those with a positive acknowledgement.
    pub acknowledged: u64,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LatencySummary {
    /// Half of all are not longer.
    pub p50_ms: f64,
    /// 95 % are not longer.
    pub p95_ms: f64,
    /// 99 % are not longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Up to how many milliseconds, and how many messages.
    pub histogram: Vec<(f64, u64)>,
}

/// What came of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultSummary {
    /// Devices with it.
    pub devices: u64,
    /// What the platform did, and how often.
    pub platform: BTreeMap<String, u64>,
    /// Whether that is what it has to do.
    pub as_expected: bool,
}

/// A loss of most sessions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outage {
    /// Whether all devices were connected again before the end.
    pub is_over: bool,
    /// Sessions that were lost.
    pub lost: u64,
    /// Seconds until the first one was back, or until the end if none was.
    pub away_seconds: f64,
    /// Seconds from the first one to the last; none if the outage was not over at the end.
    pub back_after_seconds: Option<f64>,
    /// This time, divided by that of as many handshakes at the rate of the first connection.
    pub ratio: Option<f64>,
}

impl Outage {
    pub(super) fn new(lost: u64, away: Duration, back_after: Duration, rate: f64) -> Self {
        let back_after_seconds = back_after.as_secs_f64();
        let ratio = back_after_seconds * rate / (lost.max(1) as f64);
        Self {
            is_over: true,
            lost,
            away_seconds: away.as_secs_f64(),
            back_after_seconds: Some(back_after_seconds),
            ratio: Some(ratio),
        }
    }

    /// One that was not over at the end.
    pub(super) const fn unfinished(lost: u64, away: Duration) -> Self {
        Self { is_over: false, lost, away_seconds: away.as_secs_f64(), back_after_seconds: None, ratio: None }
    }
}

impl Summary {
    /// Whether messages were sent and every one was acknowledged, every fault was answered as it has to be,
    /// and all devices without a fault were connected, also at the end.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.first_connection_seconds.is_some()
            && self.not_connected_at_end == 0
            && self.sent > 0
            && self.in_doubt == 0
            && self.faults.values().all(|fault| fault.as_expected)
            && self.rejected.is_empty()
    }

    pub(super) fn new(
        (devices, sound): (u64, u64),
        (elapsed, sending): (Duration, Duration),
        first_connection: Option<Duration>,
        counters: &Counters,
        outages: Vec<Outage>,
        faulty: &BTreeMap<Fault, u32>,
    ) -> Self {
        let named = counters.named().clone();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let transactions = named.transactions.into_iter();
        let faults = faulty.iter().map(|(fault, count)| {
            let platform = named.faults.get(fault).cloned().unwrap_or_default();
            let as_expected = fault.is_answered_by(&platform);
            (fault.name(), FaultSummary { devices: u64::from(*count), platform, as_expected })
        });
        Self {
            devices,
            seconds: elapsed.as_secs_f64(),
            sending_seconds: sending.as_secs_f64(),
            first_connection_seconds: first_connection.map(|time| time.as_secs_f64()),
            not_connected_at_end: sound.saturating_sub(read(&counters.connected_at_end)),
            handshakes: read(&counters.handshakes),
            lost_sessions: read(&counters.lost),
            sent: read(&counters.sent),
            acknowledged: read(&counters.acknowledged),
            repeated: read(&counters.repeated),
            in_doubt: read(&counters.in_doubt),
            rejected_with_fault: read(&counters.rejected_with_fault),
            rejected: named.rejected,
            failures: named.failures,
            transactions: transactions
                .map(|(name, (sent, acknowledged))| (name, TransactionSummary { sent, acknowledged }))
                .collect(),
            orders: named.orders,
            latency: LatencySummary::of(counters.latencies()),
            faults: faults.collect(),
            outages,
        }
    }
}

impl LatencySummary {
    fn of(latencies: &Latencies) -> Self {
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Self {
            p50_ms: millis(latencies.quantile(0.5)),
            p95_ms: millis(latencies.quantile(0.95)),
            p99_ms: millis(latencies.quantile(0.99)),
            max_ms: millis(latencies.longest()),
            histogram: latencies.histogram().into_iter().map(|(bound, n)| (millis(bound), n)).collect(),
        }
    }
}
