//! The codes of findings.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::facts;

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

/// Declares [`Code`] and [`Facts`]: each line is a variant, its stable code, its usual severity and what an
/// operator does. `facts` has a structure of the name of the variant, whose members are the facts of the
/// code.
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

        /// The facts of a finding, by its code. As JSON: the members `code` and `facts`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(tag = "code", content = "facts", rename_all = "kebab-case")]
        pub enum Facts {
            $($(#[doc = $doc])+ $variant(facts::$variant),)+
        }

        impl Facts {
            /// The code of the finding.
            #[must_use]
            pub const fn code(&self) -> Code {
                match self {
                    $(Self::$variant(_) => Code::$variant,)+
                }
            }
        }

        /// One sentence with the facts, without a full stop.
        impl fmt::Display for Facts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(facts) => facts.fmt(f),)+
                }
            }
        }

        $(impl From<facts::$variant> for Facts {
            fn from(facts: facts::$variant) -> Self {
                Self::$variant(facts)
            }
        })+
    };
}

codes! {
    /// Keys of the file need a restart to apply.
    RestartPending, "restart-pending", Attention,
        "restart the platform at a quiet moment: devices connect again by themselves";
    /// The last reload was refused; the former configuration stays.
    ReloadRefused, "reload-refused", Attention,
        "correct the file: `pcd-platform check` names the place; then reload again";
    /// A certificate of the platform ends soon, or has ended.
    PlatformCertificateEnding, "platform-certificate-ending", Attention,
        "order a new certificate for the same key kind, install it, and reload";
    /// Browsers refuse the certificate that the admin listener shows.
    AdminCertificateUnfit, "admin-certificate-unfit", Urgent,
        "install a certificate for TLS servers with the name that people type, name it in `admin.certificate`, and reload";
    /// A root or issuing CA ends soon, or has ended.
    CaEnding, "ca-ending", Attention,
        "ask the owner of the CA for its successor, and install it beside the present one";
    /// An installed root is not used, because it is not fit to certify devices.
    RootUnfit, "root-unfit", Urgent,
        "remove the file from `tls.client-trust-anchors`, or install the right certificate";
    /// A CRL ends soon, or has ended.
    CrlEnding, "crl-ending", Attention,
        "install a later CRL, or make the distribution point reachable";
    /// An installed CRL is ignored, because a later one was seen.
    CrlOlder, "crl-older", Urgent,
        "install the latest CRL of its CA; where the CA begins its numbers again, follow the help page";
    /// A certificate of the platform has no OCSP response to staple (A10).
    StapleMissing, "staple-missing", Attention,
        "make the OCSP responder of the certificate reachable from this machine; where none is named, name it in \
         [[revocation.responders]], or have certificates issued that do";
    /// The platform's own certificate has been revoked.
    PlatformCertificateRevoked, "platform-certificate-revoked", Urgent,
        "install a new certificate now: clients refuse the present one";
    /// The store cannot be opened or written.
    StoreUnavailable, "store-unavailable", Urgent,
        "remove the cause that is named; senders keep their messages, and the platform recovers by itself";
    /// The role of the platform lacks a right in the store.
    StoreRightMissing, "store-right-missing", Urgent,
        "grant the right that is named (docs/howto/postgresql.md)";
    /// The store can lose, hide or change messages.
    StoreRisk, "store-risk", Urgent,
        "remove the risk; until then nothing is acknowledged, unless `store.accepted-risks` accepts it";
    /// The store does not contain what this node remembers of its audit chain.
    AuditChainBroken, "audit-chain-broken", Urgent,
        "find out who restored or changed the store; then `pcd-platform audit accept-end` goes on, for a changed row with `--node NODE --despite-faults`";
    /// The remembered end of the audit chain cannot be compared.
    AuditEndUnread, "audit-end-unread", Attention,
        "make the folder `audit.state-directory` readable and writable for the platform";
    /// A row of another node's chain does not verify.
    OtherChainBroken, "other-chain-broken", Urgent,
        "find out who wrote it: `pcd-platform audit verify`; once decided, `pcd-platform audit accept-end --node NODE`";
    /// A message was stored in the place of a copy that another program had put into the store.
    CopyReplaced, "copy-replaced", Attention,
        "find out who wrote to the database beside the platform; then `pcd-platform store check`";
    /// The clock differs from what it should show; retention pauses.
    ClockUnconfirmed, "clock-unconfirmed", Attention,
        "correct the clock; if it is right, confirm it: `pcd-platform store retention --force`";
    /// Clocks of nodes, or of the store's server, differ.
    ClockDifference, "clock-difference", Attention,
        "synchronise the clocks of all nodes and of the server (docs/reference/operations.md)";
    /// The disk of the store will be full soon.
    DiskFilling, "disk-filling", Urgent,
        "find out what grows on this disk (`du`); if it is the store, give it more space, or shorten `store.retain-messages`";
    /// Messages of a kind take nearly their limit by size, or are removed by it.
    SizeLimitNear, "size-limit-near", Attention,
        "give the kind more room (`store.retain-messages-size` and its like), or find the device that sends so much; `pcd-platform store retention` shows what goes";
    /// The last backup is old, or there is none.
    BackupOld, "backup-old", Attention,
        "make one: `pcd-platform store backup FILE`, and let a timer repeat it";
    /// Bytes of messages do not have the digest that is stored with them.
    MessageDamaged, "message-damaged", Attention,
        "name the messages: `pcd-platform store check`; examine the disk, and compare with an older backup";
    /// Connections, descriptors, handshakes or the queue of the store are nearly used up.
    LimitNear, "limit-near", Attention,
        "raise the limit that is named, or find out who uses it: `/api/sessions`";
    /// New connections are not accepted, for lack of descriptors or memory.
    NotAccepting, "not-accepting", Urgent,
        "give the process what it lacks, or find the peer that takes it: `/api/sessions`";
    /// The platform is shutting down.
    ShuttingDown, "shutting-down", Info,
        "wait, or start it again";
    /// A running part ended because of a fault.
    TaskFailed, "task-failed", Urgent,
        "keep the log, and report the fault; the service manager starts the platform again";
    /// A receiver of notifications does not take them.
    NotificationFailing, "notification-failing", Attention,
        "look at the error that is named; `pcd-platform notify test` tries again";
    /// An order was not carried out: it expired, was refused or is unconfirmed.
    OrderFailed, "order-failed", Urgent,
        "inform the person who ordered it; `pcd-platform order show ID` says what was answered";
    /// The platform of a gateway cannot be reached.
    PlatformUnreachable, "platform-unreachable", Attention,
        "look at the network, at the platform and at `[gateway]`; messages are kept here, and forwarded when it is reached";
    /// Nearly as many messages wait for the platform of a gateway as may.
    ForwardQueueFull, "forward-queue-full", Urgent,
        "end the outage, or raise `gateway.max-waiting`; beyond it devices are refused, and keep their messages";
    /// The platform of a gateway leaves out application acknowledgements.
    ResultMissing, "result-missing", Attention,
        "set MSH-16 of the devices to `NE` if they need no answer of the platform, or have the platform send it";
    /// The index of FHIR resources does not follow what is stored.
    FhirBehind, "fhir-behind", Attention,
        "`pcd-platform fhir status` shows which node writes the index, and the log why it does not";
    /// A request for a certificate waits for an operator.
    EnrolmentWaiting, "enrolment-waiting", Attention,
        "`pcd-platform enrol list --state pending` shows who asks; approve or reject it, also on the page `/enrolments`";
    /// The certificate of a hospital system ends soon, and it has come with no newer one.
    ReaderCertificateEnding, "reader-certificate-ending", Attention,
        "speak to those who run it; `pcd-platform reader add-certificate` adds the next one, where it is known by its SHA-256";
    /// Notifications of partners are written late.
    PartnerNotificationsBehind, "partner-notifications-behind", Attention,
        "`pcd-platform fhir status` shows which node writes the index and the notifications, and the log why it does not";
    /// Notifications of a partner wait for too long.
    PartnerNotificationsWaiting, "partner-notifications-waiting", Attention,
        "`pcd-platform subscription list` shows what waits, and `notification show ID` why; speak to the partner";
    /// Notifications of a partner were given up.
    PartnerNotificationsGivenUp, "partner-notifications-given-up", Attention,
        "`pcd-platform notification list --state dead` shows them; `notification replay NAME` delivers them again";
    /// The platform of a gateway refused a message of a device.
    ForwardRefused, "forward-refused", Attention,
        "correct what the reason names, mostly the entry of this gateway at the platform; `pcd-platform message list --forward refused-24h` lists all of them";
    /// Messages wait for the platform on a node of this gateway that is gone.
    ForwardStranded, "forward-stranded", Attention,
        "start the node that is named again; if it does not return, `pcd-platform store hand-over --from NODE --to NODE` gives what it has to a node that runs";
    /// The platform of a gateway cannot take a message, though it takes others.
    ForwardStuck, "forward-stuck", Attention,
        "the log of the platform says why it does not store the message; `pcd-platform message show ID` here shows it";
    /// A device of the directory connects, and is refused.
    DeviceLockedOut, "device-locked-out", Urgent,
        "`pcd-platform device why CN` says where it ends and what to do; look after the patient meanwhile";
    /// A device sends, and its messages are rejected.
    DeviceRejected, "device-rejected", Urgent,
        "`pcd-platform device why CN` names the reason and what to do; look after the patient meanwhile";
    /// A peer with a good certificate is in no directory.
    DeviceRefused, "device-refused", Attention,
        "if the device is yours, add it: `pcd-platform device add CN`; otherwise ask its CA why it certified it";
    /// The certificate of a device ends soon, or has ended.
    DeviceCertificateEnding, "device-certificate-ending", Attention,
        "order a new certificate for the device, and install it before the end";
    /// A device that sent regularly has stopped.
    DeviceSilent, "device-silent", Urgent,
        "look at the device and its network, and first at its gateway if it has one; `pcd-platform device why CN` shows its last connection and how it ended, or names the gateway";
    /// A device left monitoring by its heartbeat, and has sent nothing since.
    DeviceLeft, "device-left", Info,
        "nothing, if it was switched off; if a patient is connected to it, look at it";
    /// An expected device of the directory never sent anything.
    DeviceNeverSeen, "device-never-seen", Attention,
        "check the address and the certificate of the device, or say `device change CN --not-expected`";
}

impl Facts {
    /// The facts as JSON, without the code.
    #[must_use]
    pub fn values(&self) -> Value {
        let mut whole = serde_json::to_value(self).unwrap_or_default();
        whole.get_mut("facts").map(Value::take).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
