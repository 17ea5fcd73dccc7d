//! Metrics of the listener for hospital systems.

use std::time::Duration;

use prometheus::{HistogramVec, IntGauge};

use super::partners::Partners;
use super::registrar::{CounterVec, Registrar};

/// What hospital systems ask.
#[derive(Debug, Clone)]
pub struct Api {
    connections: IntGauge,
    /// Notifications of partners.
    pub partners: Partners,
    /// Registered clients.
    pub clients: IntGauge,
    refusals_total: CounterVec,
    requests_total: CounterVec,
    duration_seconds: HistogramVec,
}

impl Api {
    /// Why connections and requests are refused, besides what is wrong with a client.
    const REFUSED: [&str; 10] = [
        "connections",
        "displaced",
        "connections-per-address",
        "handshake",
        "handshake-timeout",
        "proxy-header",
        "health-check",
        "busy",
        "timeout",
        "body",
    ];

    /// What is asked: resources, or the CAs of the listener.
    const SURFACES: [&str; 3] = ["fhir", "partner", "pki"];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            partners: Partners::new(r)?,
            connections: r.gauge("api_connections", "Open connections of hospital systems")?,
            clients: r.gauge("api_clients", "Registered clients of hospital systems")?,
            refusals_total: r.counters("api_refusals_total", REFUSALS, &["reason"])?,
            requests_total: r.counters("api_requests_total", REQUESTS, &["surface", "status"])?,
            duration_seconds: r.durations("api_duration_seconds", DURATION, &["surface"])?,
        })
    }

    pub(super) fn start_at_zero(&self) {
        self.partners.start_at_zero();
        for reason in Self::REFUSED {
            self.refusals_total.with_label_values(&[reason]);
        }
        for surface in Self::SURFACES {
            self.requests_total.with_label_values(&[surface, "200"]);
        }
    }

    /// Starts the counters of refused clients at zero.
    pub fn start_refusals_at_zero(&self, reasons: &[&'static str]) {
        for reason in reasons {
            self.refusals_total.with_label_values(&[reason]);
        }
    }

    /// Counts a refused connection or request.
    pub fn refuse(&self, reason: &'static str) {
        self.refusals_total.with_label_values(&[reason]).inc();
    }

    /// Sets the number of open connections.
    pub fn set_connections(&self, count: usize) {
        self.connections.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts an answered request.
    pub fn answered(&self, surface: &'static str, status: u16, took: Duration) {
        self.requests_total.with_label_values(&[surface, &status.to_string()]).inc();
        self.duration_seconds.with_label_values(&[surface]).observe(took.as_secs_f64());
    }
}

const REFUSALS: &str = "Connections and requests of hospital systems that were refused";
const REQUESTS: &str = "Requests of hospital systems that were answered";
const DURATION: &str = "From the head of a request of a hospital system to its answer";
