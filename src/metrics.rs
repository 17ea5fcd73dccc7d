//! What the platform counts: one registry, passed down; base units, labels with few values.

use prometheus::core::{AtomicU64, GenericCounterVec};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::model::{Refusal, Task};

/// Bounds of the histograms of durations, in seconds: 100 µs to 10 s.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Bounds of the histogram of batches: powers of two up to what one holds at most.
const BATCHES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

type CounterVec = GenericCounterVec<AtomicU64>;

/// Every metric of the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Sessions that are open now.
    pub connections_active: IntGauge,
    /// Connections by how they ended: a [`Refusal`], or how the session went.
    pub connections_total: CounterVec,
    /// Handshakes by `result` (`accepted`, `resumed`, `refused`) and `reason`.
    pub handshakes_total: CounterVec,
    /// From the accepted connection to the end of the handshake.
    pub handshake_duration_seconds: Histogram,
    /// Finished handshakes by version and suite.
    pub tls_negotiated_total: CounterVec,
    /// Devices and gateways in the directory that is in force.
    pub directory_devices: IntGauge,
    /// Devices that sent regularly and have stopped.
    pub feeds_silent: IntGauge,
    /// Frames by transaction and by the acknowledgement they got.
    pub messages_total: CounterVec,
    /// Frames that were not as MLLP wants them, by the stable word for how: read all the same, or rejected.
    pub frame_deviations_total: CounterVec,
    /// From the frame to the acknowledgement, by stage.
    pub message_duration_seconds: HistogramVec,
    /// When the platform's own certificates expire.
    pub certificate_not_after_timestamp_seconds: IntGaugeVec,
    /// Certificates that were checked for revocation, by `source` of the answer and `verdict`.
    pub revocation_checks_total: CounterVec,
    /// How long OCSP responders take to answer, or not to answer.
    pub ocsp_fetch_duration_seconds: Histogram,
    /// When the CRL of an issuer expires.
    pub crl_next_update_timestamp_seconds: IntGaugeVec,
    /// When the staple of a certificate of the platform expires.
    pub staple_next_update_timestamp_seconds: IntGaugeVec,
    /// Audit rows by event.
    pub audit_events_total: CounterVec,
    /// Rows of this node's audit trail that have not been sent to the repository.
    pub audit_repository_pending: IntGauge,
    /// Audit messages that were sent to it.
    pub audit_repository_sent_total: IntCounter,
    /// Whether it is connected.
    pub audit_repository_connected: IntGauge,
    /// How long commits of the store take, those that fail included.
    pub store_commit_duration_seconds: Histogram,
    /// Messages in one commit.
    pub store_batch_messages: Histogram,
    /// Messages for devices that wait: not sent, or not answered.
    pub southbound_pending: IntGauge,
    /// Messages for devices by what became of them: `acknowledged`, `refused`, `expired`.
    pub southbound_messages_total: CounterVec,
    /// What was taken out of the store because of its age, by `what`: `messages` or `audit`.
    pub retention_pruned_total: CounterVec,
    /// Panics that ended one connection: each is a fault of the platform.
    pub panics_total: IntCounter,
    /// Running parts that ended before the shutdown, by [`crate::model::Task`].
    pub task_failures_total: CounterVec,
}

impl Metrics {
    /// A registry with every metric in it.
    ///
    /// # Errors
    /// When two metrics have one name: a fault of ours.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("pcd".to_owned()), None)?;
        let metrics = Self {
            connections_active: IntGauge::new("connections_active", "Sessions that are open")?,
            connections_total: counter("connections_total", "Connections by outcome", &["outcome"])?,
            handshakes_total: counter("handshakes_total", "TLS handshakes by result", &["result", "reason"])?,
            handshake_duration_seconds: Histogram::with_opts(
                HistogramOpts::new("handshake_duration_seconds", "Duration of TLS handshakes")
                    .buckets(SECONDS.to_vec()),
            )?,
            tls_negotiated_total: counter(
                "tls_negotiated_total",
                "Finished handshakes by version and cipher suite",
                &["version", "suite"],
            )?,
            directory_devices: IntGauge::new(
                "directory_devices",
                "Devices in the directory that is in force",
            )?,
            feeds_silent: IntGauge::new("feeds_silent", "Devices that sent regularly and have stopped")?,
            messages_total: counter(
                "messages_total",
                "Frames by transaction and acknowledgement",
                &["transaction", "acknowledgement"],
            )?,
            frame_deviations_total: counter(
                "frame_deviations_total",
                "Frames that were not as MLLP wants them, by how",
                &["deviation"],
            )?,
            message_duration_seconds: HistogramVec::new(
                HistogramOpts::new("message_duration_seconds", "From a frame to its acknowledgement")
                    .buckets(SECONDS.to_vec()),
                &["stage"],
            )?,
            certificate_not_after_timestamp_seconds: IntGaugeVec::new(
                Opts::new(
                    "certificate_not_after_timestamp_seconds",
                    "When a certificate of the platform expires, in seconds since 1970",
                ),
                &["role", "key"],
            )?,
            revocation_checks_total: counter(
                "revocation_checks_total",
                "Certificates checked for revocation by source of the answer and verdict",
                &["source", "verdict"],
            )?,
            ocsp_fetch_duration_seconds: Histogram::with_opts(
                HistogramOpts::new("ocsp_fetch_duration_seconds", "Duration of requests to OCSP responders")
                    .buckets(SECONDS.to_vec()),
            )?,
            crl_next_update_timestamp_seconds: IntGaugeVec::new(
                Opts::new(
                    "crl_next_update_timestamp_seconds",
                    "When the CRL of an issuer expires, in seconds since 1970",
                ),
                &["issuer"],
            )?,
            staple_next_update_timestamp_seconds: IntGaugeVec::new(
                Opts::new(
                    "staple_next_update_timestamp_seconds",
                    "When the OCSP response stapled to a certificate expires, in seconds since 1970; 0: there is none",
                ),
                &["certificate"],
            )?,
            audit_events_total: counter("audit_events_total", "Audit rows by event", &["event"])?,
            audit_repository_pending: IntGauge::new(
                "audit_repository_pending",
                "Rows of this node's audit trail that have not been sent to the audit record repository",
            )?,
            audit_repository_sent_total: IntCounter::new(
                "audit_repository_sent_total",
                "Audit messages sent to the audit record repository",
            )?,
            audit_repository_connected: IntGauge::new(
                "audit_repository_connected",
                "Whether the audit record repository is connected",
            )?,
            store_commit_duration_seconds: Histogram::with_opts(
                HistogramOpts::new("store_commit_duration_seconds", "Duration of commits of the store")
                    .buckets(SECONDS.to_vec()),
            )?,
            store_batch_messages: Histogram::with_opts(
                HistogramOpts::new("store_batch_messages", "Messages in one commit of the store")
                    .buckets(BATCHES.to_vec()),
            )?,
            southbound_pending: IntGauge::new(
                "southbound_pending",
                "Messages for devices that are not sent or not answered, of all nodes",
            )?,
            southbound_messages_total: counter(
                "southbound_messages_total",
                "Messages for devices by what became of them on this node",
                &["outcome"],
            )?,
            retention_pruned_total: counter(
                "retention_pruned_total",
                "Rows that were removed because of their age",
                &["what"],
            )?,
            panics_total: IntCounter::new("panics_total", "Connections that a fault of the platform ended")?,
            task_failures_total: counter(
                "task_failures_total",
                "Running parts of the platform that ended before the shutdown",
                &["task"],
            )?,
            registry,
        };
        metrics.register()?;
        // A refusal that never happened reads zero, not nothing.
        for refusal in Refusal::ALL {
            metrics.handshakes_total.with_label_values(&["refused", refusal.code()]);
        }
        for task in Task::ALL {
            metrics.task_failures_total.with_label_values(&[task.name()]);
        }
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let build = IntGauge::with_opts(
            Opts::new("build_info", "Always 1; the label says which build this is")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        self.registry.register(Box::new(build))?;
        self.registry.register(Box::new(self.connections_active.clone()))?;
        self.registry.register(Box::new(self.connections_total.clone()))?;
        self.registry.register(Box::new(self.handshakes_total.clone()))?;
        self.registry.register(Box::new(self.handshake_duration_seconds.clone()))?;
        self.registry.register(Box::new(self.tls_negotiated_total.clone()))?;
        self.registry.register(Box::new(self.directory_devices.clone()))?;
        self.registry.register(Box::new(self.feeds_silent.clone()))?;
        self.registry.register(Box::new(self.messages_total.clone()))?;
        self.registry.register(Box::new(self.frame_deviations_total.clone()))?;
        self.registry.register(Box::new(self.message_duration_seconds.clone()))?;
        self.registry.register(Box::new(self.certificate_not_after_timestamp_seconds.clone()))?;
        self.registry.register(Box::new(self.revocation_checks_total.clone()))?;
        self.registry.register(Box::new(self.ocsp_fetch_duration_seconds.clone()))?;
        self.registry.register(Box::new(self.crl_next_update_timestamp_seconds.clone()))?;
        self.registry.register(Box::new(self.staple_next_update_timestamp_seconds.clone()))?;
        self.registry.register(Box::new(self.audit_events_total.clone()))?;
        self.registry.register(Box::new(self.audit_repository_pending.clone()))?;
        self.registry.register(Box::new(self.audit_repository_sent_total.clone()))?;
        self.registry.register(Box::new(self.audit_repository_connected.clone()))?;
        self.registry.register(Box::new(self.store_commit_duration_seconds.clone()))?;
        self.registry.register(Box::new(self.store_batch_messages.clone()))?;
        self.registry.register(Box::new(self.southbound_pending.clone()))?;
        self.registry.register(Box::new(self.southbound_messages_total.clone()))?;
        self.registry.register(Box::new(self.retention_pruned_total.clone()))?;
        self.registry.register(Box::new(self.panics_total.clone()))?;
        self.registry.register(Box::new(self.task_failures_total.clone()))
    }

    /// Everything in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be written: a fault of ours.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, prometheus::Error> {
    CounterVec::new(Opts::new(name, help), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_prefix_and_refusals_start_at_zero() {
        let metrics = Metrics::new().unwrap();
        metrics.tls_negotiated_total.with_label_values(&["TLSv1.2", "X"]).inc();
        let text = metrics.render().unwrap();
        assert!(text.contains("pcd_build_info{version="), "{text}");
        assert!(text.contains(r#"pcd_handshakes_total{reason="revoked",result="refused"} 0"#), "{text}");
        assert!(text.lines().filter(|line| !line.starts_with('#')).all(|line| line.starts_with("pcd_")));
    }
}
