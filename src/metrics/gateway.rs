//! Metrics of gateway mode.

use prometheus::{IntCounter, IntGauge};

use super::registrar::{CounterVec, Registrar};

/// What is forwarded to the platform of a gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Open connections to the platform.
    pub connections: IntGauge,
    /// How long no connection to the platform has been open, in seconds; 0 while one is, and without gateway
    /// mode.
    pub outage_seconds: IntGauge,
    /// Connections that could not be made, or were lost.
    pub failures_total: IntCounter,
    /// Messages that the platform has not acknowledged.
    pub waiting: IntGauge,
    /// How long the oldest of them has been waiting; 0 without one.
    pub oldest_seconds: IntGauge,
    /// Messages that wait on other nodes of the gateway, of which no process runs.
    pub stranded: IntGauge,
    /// Messages on open connections whose devices wait for what the platform answers.
    pub awaited: IntGauge,
    /// Messages that the platform has answered, by `outcome`: `accepted`, `refused`.
    forwarded_total: CounterVec,
    /// Acknowledgements that no message waited for.
    pub unexpected_total: IntCounter,
    /// Messages that were accepted (CA), and whose application acknowledgement did not come in time.
    pub missing_results_total: IntCounter,
    /// Application acknowledgements that came after their time, by `outcome`: `accepted`, `refused`.
    late_results_total: CounterVec,
    /// Messages of the platform for devices, by `outcome`.
    pub orders_total: CounterVec,
}

impl Gateway {
    /// What becomes of a message of the platform.
    const ORDERS: [&str; 10] = [
        "sent",
        "device-unknown",
        "device-away",
        "device-busy",
        "pending",
        "dropped",
        "control-id-reused",
        "withdrawn",
        "unsendable",
        "answer-given-up",
    ];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            connections: r.gauge("gateway_connections", "Open connections to the platform of a gateway")?,
            outage_seconds: r.gauge("gateway_outage_seconds", OUTAGE)?,
            failures_total: r.counter("gateway_connection_failures_total", FAILURES)?,
            waiting: r.gauge("gateway_waiting_messages", WAITING)?,
            oldest_seconds: r.gauge("gateway_oldest_message_seconds", OLDEST)?,
            stranded: r.gauge("gateway_stranded_messages", STRANDED)?,
            awaited: r.gauge("gateway_awaited_answers", AWAITED)?,
            forwarded_total: r.counters("gateway_forwarded_total", FORWARDED, &["outcome"])?,
            unexpected_total: r.counter("gateway_unexpected_acknowledgements_total", UNEXPECTED)?,
            missing_results_total: r.counter("gateway_missing_results_total", MISSING)?,
            late_results_total: r.counters("gateway_late_results_total", LATE, &["outcome"])?,
            orders_total: r.counters("gateway_orders_total", ORDERS, &["outcome"])?,
        })
    }

    pub(super) fn start_at_zero(&self) {
        for outcome in ["accepted", "refused", "returned"] {
            self.forwarded_total.with_label_values(&[outcome]);
        }
        for outcome in ["accepted", "refused"] {
            self.late_results_total.with_label_values(&[outcome]);
        }
        for outcome in Self::ORDERS {
            self.orders_total.with_label_values(&[outcome]);
        }
    }

    /// Counts a message that the platform has answered. `is_returned`: its device gets the answer.
    pub fn settled(&self, is_accepted: bool, is_returned: bool) {
        let outcome = if !is_accepted && is_returned { "returned" } else { outcome(is_accepted) };
        self.forwarded_total.with_label_values(&[outcome]).inc();
    }

    /// Counts an application acknowledgement that came after its time.
    pub fn late(&self, is_accepted: bool) {
        self.late_results_total.with_label_values(&[outcome(is_accepted)]).inc();
    }
}

const fn outcome(is_accepted: bool) -> &'static str {
    if is_accepted { "accepted" } else { "refused" }
}

const MISSING: &str =
    "Messages that the platform of a gateway accepted, without the application acknowledgement in time";
const LATE: &str = "Application acknowledgements of the platform of a gateway that came after their time";
const OUTAGE: &str = "How long no connection to the platform of a gateway has been open; 0 while one is";
const FAILURES: &str = "Connections to the platform of a gateway that could not be made, or were lost";
const WAITING: &str = "Messages that wait for the platform of a gateway";
const OLDEST: &str = "How long the oldest message has been waiting for the platform of a gateway";
const STRANDED: &str = "Messages that wait on other nodes of the gateway, of which no process runs";
const AWAITED: &str =
    "Messages on open connections whose devices wait for what the platform of a gateway answers";
const FORWARDED: &str = "Messages that the platform of a gateway has answered";
const UNEXPECTED: &str = "Acknowledgements of the platform of a gateway that no message waited for";
const ORDERS: &str = "Messages of the platform of a gateway for devices";
