//! Metrics of the operation: readiness, limits, sizes, and when something was done last.

use prometheus::{IntGauge, IntGaugeVec};

use super::registrar::{CounterVec, Registrar};

/// What alerts and dashboards ask besides the traffic. Sampled every few seconds, sizes every minute.
#[derive(Debug, Clone)]
pub struct Operation {
    info: IntGaugeVec,
    /// Whether each check of `/readyz` passes: 1 or 0.
    pub ready: IntGaugeVec,
    /// The limits that a busy platform meets first, by `what`: one of [`Operation::LIMITS`].
    pub limit: IntGaugeVec,
    /// What of them is used.
    pub in_use: IntGaugeVec,
    /// Bytes of the store: of its files, or of the database on the server.
    pub store_size_bytes: IntGauge,
    /// Free bytes of the disk of the store; absent for a server, which does not say it.
    pub store_free_bytes: IntGaugeVec,
    /// All bytes of that disk.
    pub store_disk_bytes: IntGaugeVec,
    /// Rows of the large tables, by `table`: an estimate.
    pub store_rows: IntGaugeVec,
    /// Entries that wait for the writer of the store.
    pub store_queue_entries: IntGauge,
    /// When `store backup` copied the store last, in seconds since 1970; 0: never. Absent for a server.
    pub store_last_backup_timestamp_seconds: IntGaugeVec,
    /// When the end of the audit trail was known to be signed last, in seconds since 1970.
    pub audit_signed_timestamp_seconds: IntGauge,
    /// When `audit verify` ended last, in seconds since 1970; 0: never.
    pub audit_verified_timestamp_seconds: IntGauge,
    /// What it found last, by `state`: `intact` or `broken` is 1.
    pub audit_verified: IntGaugeVec,
    /// Whether the last reload was published: 1, also before the first, or 0.
    pub config_last_reload_successful: IntGauge,
    /// Changed keys that wait for a restart.
    pub config_restart_pending: IntGauge,
    /// Sessions by the reason of their end.
    pub sessions_ended_total: CounterVec,
    /// Attempts to deliver notifications, by `result`: `delivered`, `failed`, `dead` (the last one).
    pub notifications_total: CounterVec,
    /// How long the oldest order has been waiting; 0 without one.
    pub southbound_oldest_seconds: IntGauge,
}

/// Something of which there is only so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The label `what` of `pcd_limit` and `pcd_in_use`.
    pub what: &'static str,
    /// For people.
    pub name: &'static str,
    /// Whether bytes are counted.
    pub is_bytes: bool,
    /// The configuration key; without a dot: who else sets it.
    pub key: &'static str,
}

impl Limit {
    const fn counted(what: &'static str, name: &'static str, key: &'static str) -> Self {
        Self { what, name, is_bytes: false, key }
    }
}

impl Operation {
    /// The checks of `/readyz`.
    pub const CHECKS: [&str; 4] = ["accepting", "store", "audit", "tasks"];

    /// What has a limit.
    pub const LIMITS: [Limit; 7] = [
        Limit::counted("connections", "Connections", "interface-a.max-connections"),
        Limit::counted(
            "handshakes",
            "Connections without a complete handshake",
            "interface-a.max-incomplete-connections",
        ),
        Limit::counted("store-queue", "Entries that wait for the store", "fixed"),
        Limit::counted("open-files", "Open files", "LimitNOFILE= of the service manager"),
        Limit {
            is_bytes: true,
            ..Limit::counted("frame-memory", "Memory of frames", "interface-a.frame-memory")
        },
        Limit::counted("feeds", "Devices behind gateways that are watched", "devices.max-feeds"),
        Limit::counted("audit-rows", "Audit rows that wait for the store", "audit.max-deferred-rows"),
    ];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        r.build_info()?;
        Ok(Self {
            info: r.gauges("info", "Always 1; what runs", &["version", "commit", "node", "store"])?,
            ready: r.gauges("ready", "1: this check of /readyz passes", &["check"])?,
            limit: r.gauges("limit", "Limits that a busy platform meets first", &["what"])?,
            in_use: r.gauges("in_use", "What of a limit is used", &["what"])?,
            store_size_bytes: r.gauge("store_size_bytes", "Bytes of the store")?,
            store_free_bytes: r.gauges("store_free_bytes", "Free bytes of the disk of the store", &[])?,
            store_disk_bytes: r.gauges("store_disk_bytes", "All bytes of the disk of the store", &[])?,
            store_rows: r.gauges("store_rows", "Rows of a table; an estimate", &["table"])?,
            store_queue_entries: r.gauge("store_queue_entries", QUEUE)?,
            store_last_backup_timestamp_seconds: r.gauges(LAST_BACKUP, LAST_BACKUP_HELP, &[])?,
            audit_signed_timestamp_seconds: r.gauge("audit_signed_timestamp_seconds", SIGNED)?,
            audit_verified_timestamp_seconds: r.gauge("audit_verified_timestamp_seconds", VERIFIED)?,
            audit_verified: r.gauges("audit_verified", "1: the last verification found this", &["state"])?,
            config_last_reload_successful: r.gauge("config_last_reload_successful", RELOADED)?,
            config_restart_pending: r.gauge("config_restart_pending", RESTART)?,
            sessions_ended_total: r.counters("sessions_ended_total", "Sessions that ended", &["why"])?,
            notifications_total: r.counters("notifications_total", NOTIFICATIONS, &["result"])?,
            southbound_oldest_seconds: r.gauge("southbound_oldest_seconds", OLDEST)?,
        })
    }

    pub(super) fn start_at_zero(&self) {
        for check in Self::CHECKS {
            self.ready.with_label_values(&[check]);
        }
        for Limit { what, .. } in Self::LIMITS {
            self.limit.with_label_values(&[what]);
            self.in_use.with_label_values(&[what]);
        }
        for state in ["intact", "broken"] {
            self.audit_verified.with_label_values(&[state]);
        }
        self.config_last_reload_successful.set(1);
    }

    /// What runs: the name of the node, and the kind of the store (`sqlite` or `postgres`).
    pub fn set_info(&self, node: &str, store: &str) {
        let commit = option_env!("PCD_COMMIT").unwrap_or("unknown");
        self.info.with_label_values(&[env!("CARGO_PKG_VERSION"), commit, node, store]).set(1);
    }

    /// What of a limit is used.
    pub fn set_use(&self, what: &str, used: usize, limit: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.limit.with_label_values(&[what]).set(number(limit));
        self.in_use.with_label_values(&[what]).set(number(used));
    }

    /// Each limit with what is used of it, and how much there is.
    pub fn limits(&self) -> impl Iterator<Item = (Limit, u64, u64)> {
        Self::LIMITS.into_iter().map(|of| {
            let (used, limit) = self.use_of(of.what);
            (of, used, limit)
        })
    }

    /// What of a limit is used, and the limit.
    #[must_use]
    pub fn use_of(&self, what: &str) -> (u64, u64) {
        let [used, limit] = [&self.in_use, &self.limit]
            .map(|gauges| u64::try_from(gauges.with_label_values(&[what]).get()).unwrap_or_default());
        (used, limit)
    }

    /// What `audit verify` found last, and when, in seconds since 1970.
    pub fn set_verified(&self, at: i64, is_intact: bool) {
        self.audit_verified_timestamp_seconds.set(at);
        self.audit_verified.with_label_values(&["intact"]).set(is_intact.into());
        self.audit_verified.with_label_values(&["broken"]).set((!is_intact).into());
    }
}

const QUEUE: &str = "Entries that wait for the writer of the store";
const LAST_BACKUP: &str = "store_last_backup_timestamp_seconds";
const LAST_BACKUP_HELP: &str = "When `store backup` copied the store last, in seconds since 1970; 0: never";
const SIGNED: &str = "When the end of the audit trail was known to be signed last, in seconds since 1970";
const VERIFIED: &str = "When `audit verify` ended last, in seconds since 1970; 0: never";
const RELOADED: &str = "1: the last reload was published, or there was none; 0: it was refused";
const RESTART: &str = "Changed keys of the configuration that wait for a restart";
const NOTIFICATIONS: &str = "Attempts to deliver notifications; dead: given up";
const OLDEST: &str = "How long the oldest order for a device has been waiting, in seconds; 0 without one";
