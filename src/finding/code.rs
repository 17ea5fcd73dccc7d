//! The codes of findings.

use std::fmt;

/// How soon a finding needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is to be done.
    Info,
    /// Today, within working hours.
    Attention,
    /// Now: a device cannot send, or a message can be lost, or will soon.
    Urgent,
}

impl Severity {
    /// Every severity, the lightest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Attention, Self::Urgent];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Attention => "attention",
            Self::Urgent => "urgent",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Declares [`Code`]: each line is a variant, its stable code, its usual severity and what an operator does.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident, $code:literal, $severity:ident, $to_do:literal;)+) => {
        /// What is found.
        ///
        /// Closed on purpose: `check`, `/readyz`, `status`, the page, the log, alerts and notifications
        /// derive from the variant, so that they always agree; each has a help page of the name of its code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code, which is also the name of the help page.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The severity that a finding of this code has unless its facts say otherwise.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)+
                }
            }

            /// What an operator does about it: one sentence.
            #[must_use]
            pub const fn what_to_do(self) -> &'static str {
                match self {
                    $(Self::$variant => $to_do,)+
                }
            }
        }
    };
}

codes! {
    /// The configuration cannot be used.
    ConfigurationInvalid, "configuration-invalid", Urgent,
        "correct the file at the place that is named, and run `pcd-platform check` again";
    /// The file was changed, and the running platform has not read it.
    ReloadPending, "reload-pending", Info,
        "reload: `POST /reload` or SIGHUP";
    /// Keys of the file need a restart to apply.
    RestartPending, "restart-pending", Attention,
        "restart the platform at a quiet moment: devices connect again by themselves";
    /// The last reload was refused; the former configuration stays.
    ReloadRefused, "reload-refused", Attention,
        "correct the file at the place that is named, and reload again";
    /// Devices with only RSA, or only ECC, cipher suites cannot connect (A5).
    IdentityMissing, "identity-missing", Attention,
        "configure the other identity (`tls.ecc`, `tls.rsa`), or ignore this if no device needs it";
    /// An identity, a root or a key cannot be used.
    TrustUnusable, "trust-unusable", Urgent,
        "replace the file that is named; `pcd-platform pki inspect FILE` shows what it holds";
    /// A certificate of the platform ends soon, or has ended.
    PlatformCertificateEnding, "platform-certificate-ending", Attention,
        "order a new certificate for the same key kind, install it, and reload";
    /// A root or issuing CA ends soon, or has ended.
    CaEnding, "ca-ending", Attention,
        "ask the owner of the CA for its successor, and install it beside the present one";
    /// An installed root is not used, because it is not fit to certify devices.
    RootUnfit, "root-unfit", Urgent,
        "remove the file from `tls.client-trust-anchors`, or install the right certificate";
    /// A CRL ends soon, or has ended.
    CrlEnding, "crl-ending", Attention,
        "install a later CRL, or make the distribution point reachable";
    /// Nothing is installed that answers while responders are out of reach (A9.1).
    NoInstalledCrl, "no-installed-crl", Attention,
        "install the CRLs of the issuing CAs (`revocation.installed-crls`)";
    /// Sources of revocation information cannot be used.
    RevocationUnusable, "revocation-unusable", Urgent,
        "correct `[revocation]` as the reason says, and reload";
    /// A certificate of the platform has no OCSP response to staple (A10).
    StapleMissing, "staple-missing", Attention,
        "make the OCSP responder of the certificate reachable from this machine";
    /// The platform's own certificate has been revoked.
    PlatformCertificateRevoked, "platform-certificate-revoked", Urgent,
        "install a new certificate now: clients refuse the present one";
    /// There is no store yet.
    StoreMissing, "store-missing", Attention,
        "`serve` or `pcd-platform store migrate` creates it; nothing else is to be done";
    /// The store has the schema of an earlier version.
    MigrationPending, "migration-pending", Attention,
        "make a backup; then `serve` migrates, or `pcd-platform store migrate` does";
    /// A migration is too large to be made without being asked for, or lacks space.
    MigrationRefused, "migration-refused", Urgent,
        "plan the time that is named, make a backup, and run `pcd-platform store migrate`";
    /// The store cannot be opened or written.
    StoreUnavailable, "store-unavailable", Urgent,
        "remove the cause that is named; senders keep their messages, and the platform recovers by itself";
    /// The role of the platform lacks a right in the store.
    StoreRightMissing, "store-right-missing", Urgent,
        "grant the right that is named (docs/store.md)";
    /// The store can lose, hide or change messages.
    StoreRisk, "store-risk", Urgent,
        "remove the risk; until then nothing is acknowledged, unless `store.accepted-risks` accepts it";
    /// The store does not contain what this node remembers of its audit chain.
    AuditChainBroken, "audit-chain-broken", Urgent,
        "find out who restored or changed the store; then `pcd-platform audit accept-end` goes on";
    /// The remembered end of the audit chain cannot be compared.
    AuditEndUnread, "audit-end-unread", Attention,
        "make the folder `audit.state-directory` readable and writable for the platform";
    /// The audit trail was not signed for a long time.
    AuditUnsigned, "audit-unsigned", Attention,
        "look for the reason in the log: the key, its token, or the store";
    /// Audit rows were lost while the store failed.
    AuditRowsLost, "audit-rows-lost", Attention,
        "note the outage in your own records: the trail says how many rows are missing";
    /// The audit record repository does not take messages.
    RepositoryAway, "repository-away", Attention,
        "make the repository reachable; rows wait in the store and are sent later";
    /// The clock differs from what it should show; retention pauses.
    ClockUnconfirmed, "clock-unconfirmed", Attention,
        "correct the clock; if it is right, confirm it: `pcd-platform store retention --force`";
    /// Clocks of nodes, or of the store's server, differ.
    ClockDifference, "clock-difference", Attention,
        "synchronise the clocks of all nodes and of the server (docs/operations.md)";
    /// Retention is behind.
    RetentionBacklog, "retention-backlog", Attention,
        "nothing if the disk has space; `pcd-platform store retention --force` removes the rest at once";
    /// The disk of the store will be full soon.
    DiskFilling, "disk-filling", Urgent,
        "give the store more space, or shorten `store.retain-messages`";
    /// The last backup is old, or there is none.
    BackupOld, "backup-old", Attention,
        "make one: `pcd-platform store backup FILE`, and let a timer repeat it";
    /// New connections are not accepted, for lack of descriptors or memory.
    NotAccepting, "not-accepting", Urgent,
        "give the process what it lacks, or find the peer that takes it: `/api/sessions`";
    /// The platform is shutting down.
    ShuttingDown, "shutting-down", Info,
        "wait, or start it again";
    /// A running part ended because of a fault.
    TaskFailed, "task-failed", Urgent,
        "keep the log, and report the fault; the service manager starts the platform again";
    /// An active device connects, and is refused.
    DeviceLockedOut, "device-locked-out", Urgent,
        "`pcd-platform audit list --event connection-refused` names the cause, which has a help page";
    /// A device that sent regularly has stopped.
    DeviceSilent, "device-silent", Urgent,
        "look at the device and its network; `pcd-platform audit list` shows its last connection";
    /// An expected device of the directory never sent anything.
    DeviceNeverSeen, "device-never-seen", Attention,
        "check the address and the certificate of the device, or say `device change CN --not-expected`";
    /// The certificate of a device ends soon, or has ended.
    DeviceCertificateEnding, "device-certificate-ending", Attention,
        "give the device a new certificate before the day that is named";
    /// A device is suspended and goes on connecting.
    SuspendedDeviceTries, "suspended-device-tries", Info,
        "resume it, or switch it off";
    /// A device uses identities that the directory does not allow.
    IdentityNotAllowed, "identity-not-allowed", Attention,
        "if the device may speak for them, allow them: `device change CN --speaks-for IDENTITY`";
    /// One device is in the directory more than once, in several spellings.
    DuplicateDevice, "duplicate-device", Attention,
        "merge the entries: `pcd-platform device merge`";
    /// A device that is not in the directory connects, with a certificate that chains to an installed root.
    UnknownDeviceTries, "unknown-device-tries", Attention,
        "if it is yours, add it: `pcd-platform device add CN`";
    /// Messages of a device are rejected.
    MessagesRejected, "messages-rejected", Attention,
        "`pcd-platform message list --rejected` shows them with their reasons";
    /// An order was not carried out: it expired, was refused or is unconfirmed.
    OrderFailed, "order-failed", Urgent,
        "`pcd-platform order show ID` says why; inform the person who ordered it";
    /// Descriptors, connections or the queue of the store are nearly used up.
    LimitNear, "limit-near", Attention,
        "raise the limit that is named, or find out who uses it";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
