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
    /// Requests for certificates that wait for an operator.
    pub pending_enrolments: IntGauge,
    enrolments_total: CounterVec,
    refusals_total: CounterVec,
    requests_total: CounterVec,
    tokens_total: CounterVec,
    authorizations_total: CounterVec,
    duration_seconds: HistogramVec,
}

impl Api {
    /// Why connections and requests are refused, besides what is wrong with a client.
    const REFUSED: [&str; 11] = [
        "connections",
        "displaced",
        "connections-per-address",
        "connections-per-certificate",
        "handshake",
        "handshake-timeout",
        "proxy-header",
        "health-check",
        "busy",
        "timeout",
        "body",
    ];

    /// What is asked: resources, files, tokens, services of partners, certificates, or the CAs.
    const SURFACES: [&str; 6] = ["fhir", "files", "oauth", "partner", "est", "pki"];

    /// How a client that asks for a token proves who it is (RFC 8414).
    const METHODS: [&str; 3] = ["tls_client_auth", "private_key_jwt", "client_secret_basic"];

    /// What becomes of a person whom an application asks.
    const AUTHORIZED: [&str; 3] = ["asked", "allowed", "denied"];

    /// What is answered to a request for a certificate that is taken.
    const ENROLLED: [&str; 4] = ["requested", "pending", "issued", "renewed"];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            partners: Partners::new(r)?,
            connections: r.gauge("api_connections", "Open connections of hospital systems")?,
            clients: r.gauge("api_clients", "Registered clients of hospital systems")?,
            pending_enrolments: r.gauge("enrolments_pending", PENDING)?,
            enrolments_total: r.counters("enrolment_requests_total", ENROLMENTS, &["result"])?,
            refusals_total: r.counters("api_refusals_total", REFUSALS, &["reason"])?,
            requests_total: r.counters("api_requests_total", REQUESTS, &["surface", "status"])?,
            tokens_total: r.counters("oauth_tokens_total", TOKENS, &["method", "result"])?,
            authorizations_total: r.counters("oauth_authorizations_total", AUTHORIZATIONS, &["result"])?,
            duration_seconds: r.durations("api_duration_seconds", DURATION, &["surface"])?,
        })
    }

    pub(super) fn start_at_zero(&self) {
        self.partners.start_at_zero();
        for reason in Self::REFUSED {
            self.refusals_total.with_label_values(&[reason]);
        }
        for result in Self::ENROLLED {
            self.enrolments_total.with_label_values(&[result]);
        }
        for surface in Self::SURFACES {
            self.requests_total.with_label_values(&[surface, "200"]);
        }
        for result in Self::AUTHORIZED {
            self.authorizations_total.with_label_values(&[result]);
        }
        for method in Self::METHODS {
            for result in ["granted", "refused"] {
                self.tokens_total.with_label_values(&[method, result]);
            }
        }
    }

    /// Counts a request for a token: whether it was granted.
    pub fn token(&self, method: &'static str, is_granted: bool) {
        let result = if is_granted { "granted" } else { "refused" };
        self.tokens_total.with_label_values(&[method, result]).inc();
    }

    /// Counts a person who was asked, or who decided: `asked`, `allowed` or `denied`.
    pub fn authorization(&self, result: &'static str) {
        self.authorizations_total.with_label_values(&[result]).inc();
    }

    /// Starts the counters of refused clients at zero.
    pub fn start_refusals_at_zero(&self, reasons: &[&'static str]) {
        for reason in reasons {
            self.refusals_total.with_label_values(&[reason]);
        }
    }

    /// Counts a request for a certificate that was taken: `requested`, `pending`, `issued` or `renewed`.
    pub fn enrolled(&self, result: &'static str) {
        self.enrolments_total.with_label_values(&[result]).inc();
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

const PENDING: &str = "Requests for certificates that wait for an operator";
const ENROLMENTS: &str = "Requests for certificates that were taken, by what was answered";
const REFUSALS: &str = "Connections and requests of hospital systems that were refused";
const REQUESTS: &str = "Requests of hospital systems that were answered";
const TOKENS: &str = "Requests of hospital systems for access tokens";
const AUTHORIZATIONS: &str = "People whom applications of hospital systems asked, and what they decided";
const DURATION: &str = "From the head of a request of a hospital system to its answer";
