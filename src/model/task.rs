//! The running parts of the platform.

use std::fmt;

/// A part of the platform that runs from its start to its shutdown: a task or a thread.
///
/// The metric label, the field of the log line and the readiness check derive from the variant. `app` decides
/// what the end of each means; `docs/reference/operations.md` has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Accepts connections on Interface A.
    InterfaceA,
    /// The runtime that runs handshakes.
    Handshakes,
    /// Follows the device directory in the store (A8).
    Directory,
    /// Checks the certificates of open sessions again (A9.4).
    Revocation,
    /// Renews OCSP responses and CRLs (A9.2).
    RevocationRefresh,
    /// The thread that writes OCSP responses and CRLs to the disk.
    RevocationDisk,
    /// Keeps the node: the lease that keeps a second process from serving it.
    Instance,
    /// Writes to the store.
    StoreWriter,
    /// The thread that moves SQLite's write-ahead log into the database file.
    StoreCheckpoint,
    /// Signs the audit trail.
    AuditSigning,
    /// Remembers the end of the audit chain outside of the database.
    AuditMemory,
    /// Reads the configuration again.
    Reload,
    /// Serves the admin listener.
    Admin,
    /// Renews the staples of the platform's certificates (A10).
    Stapling,
    /// Sends messages to devices.
    Dispatcher,
    /// Forwards messages to the platform of a gateway.
    Gateway,
    /// Sends the audit trail to an Audit Record Repository.
    AuditForwarder,
    /// Notices devices that have stopped sending.
    Liveness,
    /// Writes what was seen of devices and refused peers.
    Contacts,
    /// Removes messages and audit rows that have reached their age.
    Retention,
    /// Writes the index of FHIR resources.
    Projector,
    /// Serves hospital systems.
    Api,
    /// Finds what an operator should know.
    Findings,
    /// Reports what was found to receivers.
    Notifications,
    /// Posts the notifications of partners.
    Outbound,
    /// Reports to the service manager that the platform is healthy.
    ServiceManager,
}

impl Task {
    /// Every variant, for metrics that start at zero.
    pub const ALL: [Self; 26] = [
        Self::InterfaceA,
        Self::Handshakes,
        Self::Directory,
        Self::Revocation,
        Self::RevocationRefresh,
        Self::RevocationDisk,
        Self::Instance,
        Self::StoreWriter,
        Self::StoreCheckpoint,
        Self::AuditSigning,
        Self::AuditMemory,
        Self::Reload,
        Self::Admin,
        Self::Stapling,
        Self::Dispatcher,
        Self::Gateway,
        Self::AuditForwarder,
        Self::Liveness,
        Self::Contacts,
        Self::Retention,
        Self::Projector,
        Self::Api,
        Self::Findings,
        Self::Notifications,
        Self::Outbound,
        Self::ServiceManager,
    ];

    /// The stable name: the label in metrics, the field `task` of log lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InterfaceA => "interface-a",
            Self::Handshakes => "handshakes",
            Self::Directory => "directory",
            Self::Revocation => "revocation",
            Self::RevocationRefresh => "revocation-refresh",
            Self::RevocationDisk => "revocation-disk",
            Self::Instance => "instance",
            Self::StoreWriter => "store-writer",
            Self::StoreCheckpoint => "store-checkpoint",
            Self::AuditSigning => "audit-signing",
            Self::AuditMemory => "audit-memory",
            Self::Reload => "reload",
            Self::Admin => "admin",
            Self::Stapling => "stapling",
            Self::Dispatcher => "dispatcher",
            Self::Gateway => "gateway",
            Self::AuditForwarder => "audit-forwarder",
            Self::Liveness => "liveness",
            Self::Contacts => "contacts",
            Self::Retention => "retention",
            Self::Projector => "projector",
            Self::Api => "api",
            Self::Findings => "findings",
            Self::Notifications => "notifications",
            Self::Outbound => "outbound",
            Self::ServiceManager => "service-manager",
        }
    }

    /// The span that its log lines belong to. It is enabled at every level, so that a warning names its task
    /// as well.
    #[must_use]
    pub fn span(self) -> tracing::Span {
        tracing::error_span!("task", task = self.name())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
