//! The metrics of the process: one registry, passed down. Base units; labels with few values.

mod api;
mod fhir;
mod gateway;
mod operation;
mod partners;
mod registrar;
mod start_time;

use jiff::Timestamp;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Gauge, Histogram, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::model::{Clock, StoreRisk, Task};
pub use api::Api;
pub use fhir::Fhir;
pub use gateway::Gateway;
pub use operation::{Limit, Operation};
pub use partners::Partners;
pub use registrar::DescribedMetric;
use registrar::{CounterVec, PREFIX, Registrar};

/// Every metric of the process. Clones share the values.
///
/// The owner of a labelled counter starts it at zero for every label that is known in advance: an alert on
/// the increase of a counter does not see the event that creates it.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// CPU time, memory, files and threads of the process, under the names that every program uses.
    process: Registry,
    started: Timestamp,
    /// Open sessions.
    pub connections_active: IntGauge,
    /// Connections by how they ended: a [`Refusal`](crate::model::Refusal) or a session end.
    pub connections_total: CounterVec,
    /// Handshakes by `result` (`accepted`, `resumed`, `refused`) and `reason`.
    pub handshakes_total: CounterVec,
    /// Connections without an audit row, by `reason`: `silent` (no byte came), `health-check`.
    pub unrecorded_connections_total: CounterVec,
    /// Headers of the PROXY protocol, by `command`: `relayed` (a device's connection), `local` (a health
    /// check).
    pub proxy_headers_total: CounterVec,
    /// How often connections were not taken for a while, by `reason`: a
    /// [`Shortage`](crate::interface_a::Shortage).
    pub accept_pauses_total: CounterVec,
    /// What of the memory of the control group with the least room is used; 0 where none has a limit.
    pub memory_used_bytes: IntGauge,
    /// The limit of that control group; 0 where none has a limit.
    pub memory_limit_bytes: IntGauge,
    /// Connections whose handshake is not complete.
    pub incomplete_connections: IntGauge,
    /// Connections that were closed before their handshake was complete, because there were too many.
    pub displaced_connections_total: IntCounter,
    /// Refused connections in the audit trail, by `row`: `own`, `counted` (of one peer), `others`.
    pub recorded_refusals_total: CounterVec,
    /// From the ClientHello to the end of the handshake.
    pub handshake_duration_seconds: Histogram,
    /// Finished handshakes by version and suite.
    pub tls_negotiated_total: CounterVec,
    /// Devices and gateways in the current directory.
    pub directory_devices: IntGauge,
    /// Devices that sent regularly and have stopped.
    pub feeds_silent: IntGauge,
    /// Expected devices of which no message was ever stored.
    pub devices_missing: IntGauge,
    /// Devices behind gateways that are watched.
    pub feeds_behind: IntGauge,
    /// Messages about a device that is not watched.
    pub feeds_not_watched_total: IntCounter,
    /// Frames by transaction and acknowledgement.
    pub messages_total: CounterVec,
    /// Frames that deviate from MLLP, by the stable code of the deviation; some are read, others rejected.
    pub frame_deviations_total: CounterVec,
    /// Memory of the frames that are not complete.
    pub frame_memory_bytes: IntGauge,
    /// How often reads of a session were paused, by `reason`: `frame-memory`, `message-rate`.
    pub read_pauses_total: CounterVec,
    /// Rejected messages by `reason`: the code that is stored and sent in ERR-5.
    pub rejections_total: CounterVec,
    /// Rejected messages that were answered and not stored: the device had too many of them.
    pub rejections_not_stored_total: IntCounter,
    /// From the frame to the acknowledgement, by stage.
    pub message_duration_seconds: HistogramVec,
    /// Expiry of the platform's own certificates.
    pub certificate_not_after_timestamp_seconds: IntGaugeVec,
    /// Certificates that were checked for revocation, by `source` of the answer and `verdict`.
    pub revocation_checks_total: CounterVec,
    /// Failed attempts to get revocation data, by `source` and `reason`.
    pub revocation_failures_total: CounterVec,
    /// Duration of OCSP requests, failed ones included.
    pub ocsp_fetch_duration_seconds: Histogram,
    /// Expiry of the CRL of an issuer.
    pub crl_next_update_timestamp_seconds: IntGaugeVec,
    /// Expiry of the staple of a platform certificate; 0 without one.
    pub staple_next_update_timestamp_seconds: IntGaugeVec,
    /// Audit rows by event.
    pub audit_events_total: CounterVec,
    /// Rows of this node's audit trail that have not been sent to the repository.
    pub audit_repository_pending: IntGauge,
    /// Audit messages that were sent to the repository.
    pub audit_repository_sent_total: IntCounter,
    /// Whether the repository is connected: 1 or 0.
    pub audit_repository_connected: IntGauge,
    /// Duration of the store's commits, failed ones included.
    pub store_commit_duration_seconds: Histogram,
    /// Messages in one commit.
    pub store_batch_messages: Histogram,
    /// Whether the store can lose or hide messages, by `risk`: 1 or 0.
    pub store_risks: IntGaugeVec,
    /// The clock of this machine less that of the store's server.
    pub store_clock_difference_seconds: Gauge,
    /// Messages for devices that are not sent or not answered.
    pub southbound_pending: IntGauge,
    /// Messages for devices by outcome: `acknowledged`, `refused`, `expired`, `unconfirmed`.
    pub southbound_messages_total: CounterVec,
    /// Messages for devices whose outcome a later answer changed, by the new outcome.
    pub southbound_corrections_total: CounterVec,
    /// Those of retention, the clock, the audit trail's end and waiting rows and the admin listener.
    pub housekeeping: Housekeeping,
    /// Those of the operation: readiness, limits, sizes, and when something was done last.
    pub operation: Operation,
    /// Those of the index of FHIR resources.
    pub fhir: Fhir,
    /// Those of the listener for hospital systems.
    pub api: Api,
    /// Those of gateway mode.
    pub gateway: Gateway,
    /// Panics that ended one connection: each is a fault of the platform.
    pub panics_total: IntCounter,
    /// Running parts that ended before the shutdown, by [`Task`].
    pub task_failures_total: CounterVec,
}

/// Metrics of retention, of the clock, of audit rows that wait, and of the admin listener.
#[derive(Debug, Clone)]
pub struct Housekeeping {
    /// Audit rows that wait in memory for the store to recover.
    pub audit_deferred_rows: IntGauge,
    /// Audit rows that were lost while the store failed.
    pub audit_lost_rows_total: IntCounter,
    /// Findings about the end of this node's audit chain, by their code.
    pub audit_chain_findings_total: CounterVec,
    /// Whether nothing is written because the store does not contain the end of the chain: 1 or 0.
    pub audit_chain_refused: IntGauge,
    /// Rows that reached their age and were removed, by `what`: `messages`, `rejected` or `audit`.
    pub retention_pruned_total: CounterVec,
    /// Whether the clock is believed: 1 or 0. While it is 0, retention removes nothing.
    pub clock_confirmed: IntGauge,
    /// How far retention is behind, in seconds, by `what`: `messages`, `rejected` or `audit`.
    pub retention_backlog_seconds: IntGaugeVec,
    /// Rows that were removed by passes in which a limit by size decided; `what` is `accepted`, `rejected` or
    /// `large`.
    pub retention_by_size_total: CounterVec,
    /// Bytes of the messages of all hours that have ended, where there is a limit by size; by `what`.
    pub retention_size_bytes: IntGaugeVec,
    /// The limit, in bytes; 0: none.
    pub retention_size_limit_bytes: IntGaugeVec,
    /// Present findings, by [`Code`](crate::finding::Code).
    pub findings: IntGaugeVec,
    /// Devices of the directory by `state`: a [`DeviceState`](crate::fleet::DeviceState).
    pub devices: IntGaugeVec,
    /// Active devices whose certificate, as it was seen last, ends `within` 7d, 30d or 90d, or has ended.
    pub device_certificates_ending: IntGaugeVec,
    /// Requests and connections that the admin listener refused, by `reason`: `host`, `web-page`,
    /// `connections`.
    pub admin_refusals_total: CounterVec,
}

impl Metrics {
    /// A registry with every metric in it.
    ///
    /// # Errors
    /// When two metrics have one name: a fault of the platform.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let metrics = Self::create(&Registrar::new(&registry), registry.clone())?;
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// Every metric of the platform by name, without those that each process has (`process_…`).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn described() -> Result<Vec<DescribedMetric>, prometheus::Error> {
        let registry = Registry::new();
        let registrar = Registrar::new(&registry);
        Self::create(&registrar, registry.clone())?;
        Ok(registrar.into_described())
    }

    fn create(r: &Registrar<'_>, registry: Registry) -> Result<Self, prometheus::Error> {
        let (reason, failure) = (&["reason"], &["source", "reason"]);
        Ok(Self {
            connections_active: r.gauge("connections_active", "Open sessions")?,
            connections_total: r.counters("connections_total", "Connections by outcome", &["outcome"])?,
            handshakes_total: r.counters("handshakes_total", "TLS handshakes", &["result", "reason"])?,
            unrecorded_connections_total: r.counters("unrecorded_connections_total", UNRECORDED, reason)?,
            proxy_headers_total: r.counters("proxy_headers_total", PROXY_HEADERS, &["command"])?,
            accept_pauses_total: r.counters("accept_pauses_total", ACCEPT_PAUSES, reason)?,
            memory_used_bytes: r.gauge("memory_used_bytes", MEMORY_USED)?,
            memory_limit_bytes: r.gauge("memory_limit_bytes", MEMORY_LIMIT)?,
            incomplete_connections: r.gauge("incomplete_connections", INCOMPLETE)?,
            displaced_connections_total: r.counter("displaced_connections_total", DISPLACED)?,
            recorded_refusals_total: r.counters("recorded_refusals_total", RECORDED, &["row"])?,
            handshake_duration_seconds: r.duration("handshake_duration_seconds", "TLS handshakes")?,
            tls_negotiated_total: r.counters("tls_negotiated_total", NEGOTIATED, &["version", "suite"])?,
            directory_devices: r.gauge("directory_devices", "Devices in the current directory")?,
            feeds_silent: r.gauge("feeds_silent", "Devices that sent regularly and have stopped")?,
            devices_missing: r.gauge("devices_missing", DEVICES_MISSING)?,
            feeds_behind: r.gauge("feeds_behind", "Devices behind gateways that are watched")?,
            feeds_not_watched_total: r.counter(
                "feeds_not_watched_total",
                "Messages about a device behind a gateway that is not watched: a limit is reached",
            )?,
            messages_total: r.counters("messages_total", "Frames", &["transaction", "acknowledgement"])?,
            frame_deviations_total: r.counters("frame_deviations_total", DEVIATIONS, &["deviation"])?,
            frame_memory_bytes: r.gauge("frame_memory_bytes", FRAME_MEMORY)?,
            read_pauses_total: r.counters("read_pauses_total", PAUSES, reason)?,
            rejections_total: r.counters("rejections_total", "Rejected messages", reason)?,
            rejections_not_stored_total: r.counter("rejections_not_stored_total", NOT_STORED)?,
            message_duration_seconds: r.durations(MESSAGE_SECONDS, MESSAGE_DURATION, &["stage"])?,
            certificate_not_after_timestamp_seconds: r.gauges(CERTIFICATE, EXPIRY, ROLE_AND_KEY)?,
            revocation_checks_total: r.counters("revocation_checks_total", CHECKS, &["source", "verdict"])?,
            revocation_failures_total: r.counters("revocation_failures_total", FAILURES, failure)?,
            ocsp_fetch_duration_seconds: r.duration(OCSP_FETCH, "Requests to responders")?,
            crl_next_update_timestamp_seconds: r.gauges(CRL_NEXT_UPDATE, CRL_EXPIRY, &["issuer"])?,
            staple_next_update_timestamp_seconds: r.gauges(STAPLE, STAPLE_EXPIRY, &["certificate"])?,
            audit_events_total: r.counters("audit_events_total", "Audit rows by event", &["event"])?,
            audit_repository_pending: r.gauge("audit_repository_pending", PENDING_ROWS)?,
            audit_repository_sent_total: r.counter("audit_repository_sent_total", "Audit messages sent")?,
            audit_repository_connected: r.gauge("audit_repository_connected", "1: it is connected")?,
            store_commit_duration_seconds: r.duration("store_commit_duration_seconds", "Commits")?,
            store_batch_messages: r.histogram("store_batch_messages", "Messages in one commit", &BATCHES)?,
            store_clock_difference_seconds: r.seconds("store_clock_difference_seconds", DIFFERENCE)?,
            store_risks: r.gauges("store_risks", RISKS, &["risk"])?,
            southbound_pending: r.gauge("southbound_pending", PENDING_MESSAGES)?,
            southbound_messages_total: r.counters("southbound_messages_total", SOUTHBOUND, OUTCOME)?,
            southbound_corrections_total: r.counters("southbound_corrections_total", CORRECTED, OUTCOME)?,
            housekeeping: Housekeeping::new(r)?,
            operation: Operation::new(r)?,
            fhir: Fhir::new(r)?,
            api: Api::new(r)?,
            gateway: Gateway::new(r)?,
            panics_total: r.counter("panics_total", "Connections that a fault of the platform ended")?,
            task_failures_total: r.counters("task_failures_total", TASK_FAILURES, &["task"])?,
            process: process()?,
            started: Clock::system().now(),
            registry,
        })
    }

    fn start_at_zero(&self) {
        for task in Task::ALL {
            self.task_failures_total.with_label_values(&[task.name()]);
        }
        for risk in StoreRisk::ALL {
            self.store_risks.with_label_values(&[risk.code()]);
        }
        self.operation.start_at_zero();
        self.fhir.start_at_zero();
        self.api.start_at_zero();
        self.gateway.start_at_zero();
    }

    /// All metrics in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be encoded: a fault of the platform.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut families = self.process.gather();
        start_time::complete(&mut families, self.started);
        families.extend(self.registry.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

/// The collector of the process, without the prefix of the others.
fn process() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

impl Housekeeping {
    fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            audit_deferred_rows: r.gauge("audit_deferred_rows", DEFERRED)?,
            audit_lost_rows_total: r.counter("audit_lost_rows_total", LOST)?,
            audit_chain_findings_total: r.counters("audit_chain_findings_total", CHAIN_FINDINGS, FINDING)?,
            audit_chain_refused: r.gauge("audit_chain_refused", CHAIN_REFUSED)?,
            retention_pruned_total: r.counters("retention_pruned_total", PRUNED, &["what"])?,
            clock_confirmed: r.gauge("clock_confirmed", CLOCK)?,
            retention_backlog_seconds: r.gauges("retention_backlog_seconds", BACKLOG, &["what"])?,
            retention_by_size_total: r.counters("retention_by_size_total", BY_SIZE, &["what"])?,
            retention_size_bytes: r.gauges("retention_size_bytes", SIZE_BYTES, &["what"])?,
            retention_size_limit_bytes: r.gauges("retention_size_limit_bytes", SIZE_LIMIT, &["what"])?,
            findings: r.gauges("findings", FINDINGS, &["code"])?,
            devices: r.gauges("devices", DEVICES, &["state"])?,
            device_certificates_ending: r.gauges(DEVICE_CERTIFICATES, ENDING, &["within"])?,
            admin_refusals_total: r.counters("admin_refusals_total", ADMIN_REFUSALS, &["reason"])?,
        })
    }
}

const UNRECORDED: &str = "Connections without an audit row: no byte came, or a health check";
const PROXY_HEADERS: &str = "Headers of the PROXY protocol by which load balancers state an address";
const ACCEPT_PAUSES: &str = "How often no connections were taken for a while, by reason";
const DEVICES_MISSING: &str = "Expected devices of which nothing was ever stored";
const MEMORY_USED: &str = "Used memory of the control group with the least room; 0 without a limit";
const MEMORY_LIMIT: &str = "Limit of the control group with the least room; 0 without a limit";
const INCOMPLETE: &str = "Connections whose handshake is not complete";
const DISPLACED: &str = "Connections that gave way to new ones before their handshake was complete";
const RECORDED: &str = "Refused connections in the audit trail, by the kind of their row";
const NEGOTIATED: &str = "Finished handshakes by version and cipher suite";
const CERTIFICATE: &str = "certificate_not_after_timestamp_seconds";
const ROLE_AND_KEY: &[&str] = &["role", "key"];
const STAPLE: &str = "staple_next_update_timestamp_seconds";
const STAPLE_EXPIRY: &str =
    "Expiry of the OCSP response stapled to a certificate, in seconds since 1970; 0: there is none";
const EXPIRY: &str =
    "Earliest expiry of the certificates with this role and kind of key, in seconds since 1970";
const CRL_NEXT_UPDATE: &str = "crl_next_update_timestamp_seconds";
const CRL_EXPIRY: &str = "Expiry of the CRL of an issuer, in seconds since 1970";
const DEVIATIONS: &str = "Frames that deviate from MLLP, by deviation";
const FRAME_MEMORY: &str = "Memory of frames that are not complete, and of large ones that are not stored";
const OCSP_FETCH: &str = "ocsp_fetch_duration_seconds";
const MESSAGE_SECONDS: &str = "message_duration_seconds";
const PAUSES: &str = "How often reads of a session were paused because of a limit";
const NOT_STORED: &str = "Rejected messages that were answered and not stored: there were too many";
const MESSAGE_DURATION: &str = "Duration in seconds: from a frame to its acknowledgement, by stage";
const FAILURES: &str = "Failed attempts to get an OCSP response, a CRL or a staple, by reason";
const CHECKS: &str = "Certificates checked for revocation by source of the answer and verdict";
const CHAIN_FINDINGS: &str = "Findings about the end of this node's audit chain";
const FINDING: &[&str] = &["finding"];
const CHAIN_REFUSED: &str =
    "1: nothing is written, because the store does not contain the end of the audit chain";
const PENDING_ROWS: &str =
    "Rows of this node's audit trail that have not been sent to the audit record repository";
const DIFFERENCE: &str = "The clock of this machine less that of the store's server";
const RISKS: &str = "1: the store has this risk, with which it can lose or hide acknowledged messages";
const PENDING_MESSAGES: &str = "Messages for devices that are not sent or not answered, of all nodes";
const SOUTHBOUND: &str = "Messages for devices by outcome on this node";
const OUTCOME: &[&str] = &["outcome"];
const CORRECTED: &str = "Messages for devices whose outcome a later answer changed, by the new outcome";
const PRUNED: &str = "Rows that reached their age and were removed";
const CLOCK: &str = "1: the clock of the machine is believed; 0: it is not, and retention removes nothing";
const BACKLOG: &str = "By how much the oldest row exceeds its age, in seconds";
const BY_SIZE: &str = "Rows that were removed by passes in which a limit by size decided";
const SIZE_BYTES: &str = "Bytes of the messages of all hours that have ended, where there is a limit by size";
const SIZE_LIMIT: &str = "The limit by size, in bytes; 0: none";
const DEVICES: &str = "Devices of the directory, by how they stand";
const DEVICE_CERTIFICATES: &str = "device_certificates_ending";
const ENDING: &str =
    "Active devices whose certificate, as it was seen last, ends within this time or has ended";
const FINDINGS: &str = "Present findings that `pcd-platform status` lists, by code";
const ADMIN_REFUSALS: &str = "Requests and connections that the admin listener refused";
const DEFERRED: &str = "Audit rows that wait in memory for the store to recover";
const LOST: &str = "Audit rows that were lost while the store failed: there were too many";
const TASK_FAILURES: &str = "Running parts of the platform that ended before the shutdown";

/// Buckets of the batch sizes: powers of two up to the largest batch.
const BATCHES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_prefix_and_task_failures_start_at_zero() {
        let metrics = Metrics::new().unwrap();
        metrics.tls_negotiated_total.with_label_values(&["TLSv1.2", "X"]).inc();
        let text = metrics.render().unwrap();
        assert!(text.contains("pcd_build_info{version="), "{text}");
        assert!(text.contains(r#"pcd_task_failures_total{task="directory"} 0"#), "{text}");
        let names = |line: &str| line.starts_with("pcd_") || line.starts_with("process_");
        assert!(text.lines().filter(|line| !line.starts_with('#')).all(names), "{text}");
        assert!(
            text.contains("process_resident_memory_bytes ") && text.contains("process_open_fds "),
            "{text}"
        );
    }
}
