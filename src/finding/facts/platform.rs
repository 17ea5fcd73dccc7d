//! Facts about the platform as a whole.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::counted;

/// Facts of `restart-pending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RestartPending {
    /// The changed keys of the configuration
    pub keys: Vec<String>,
}

impl fmt::Display for RestartPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "changed keys take effect at the next start: {}", self.keys.join(", "))
    }
}

/// Facts of `reload-refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReloadRefused {
    /// What is wrong: `unreadable`, `syntax`, `values`, `identities`, `revocation`, `repository`, `store`,
    /// `receivers`
    pub fault: String,
    /// The keys of the configuration that it is about, as far as they are known
    pub keys: Vec<String>,
}

impl fmt::Display for ReloadRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.keys.is_empty() { String::new() } else { format!(" of {}", self.keys.join(", ")) };
        write!(f, "the last reload was refused ({}{keys}); the log has the reason", self.fault)
    }
}

/// Facts of `clock-unconfirmed`: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClockUnconfirmed {}

impl fmt::Display for ClockUnconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the clock is not believed, and retention pauses")
    }
}

/// Facts of `clock-difference`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClockDifference {
    /// The node whose clock differs from that of the store's server; absent: this one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The machine of that node
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Milliseconds by which its clock is ahead of that of the server; negative: behind
    pub milliseconds_ahead: i64,
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.node, &self.host) {
            (Some(node), Some(host)) => write!(f, "the clock of node {node} on {host}")?,
            (Some(node), None) => write!(f, "the clock of node {node}")?,
            (None, _) => f.write_str("the clock of this machine")?,
        }
        let (ahead, sign) = (self.milliseconds_ahead.unsigned_abs(), self.milliseconds_ahead < 0);
        let sign = if sign { "-" } else { "" };
        write!(f, " is {sign}{}.{:03} s from that of the store's server", ahead / 1000, ahead % 1000)
    }
}

/// Facts of `limit-near`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LimitNear {
    /// The limits of which more than 80 % are used
    pub limits: Vec<UsedLimit>,
}

/// A limit, and what of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct UsedLimit {
    /// The label `what` of `pcd_limit`
    pub limit: String,
    /// What is used: things, or bytes for `frame-memory`
    pub used: u64,
    /// What may be used
    pub allowed: u64,
}

impl fmt::Display for LimitNear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = self
            .limits
            .iter()
            .map(|UsedLimit { limit, used, allowed }| format!("{limit}: {used} of {allowed}"));
        write!(f, "more than 80 % of a limit is used: {}", near.collect::<Vec<_>>().join("; "))
    }
}

/// Facts of `not-accepting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NotAccepting {
    /// What is lacking, in words
    pub shortage: String,
}

impl fmt::Display for NotAccepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shortage)
    }
}

/// Facts of `shutting-down`: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShuttingDown {}

impl fmt::Display for ShuttingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the platform is shutting down")
    }
}

/// Facts of `task-failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TaskFailed {
    /// The running parts that ended, by their names in the table of tasks (operations.md)
    pub tasks: Vec<String>,
}

impl fmt::Display for TaskFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended because of a fault: {}", self.tasks.join(", "))
    }
}

/// Facts of `notification-failing`: one of the two lists is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NotificationFailing {
    /// Receivers that do not take notifications
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub failing: Vec<FailingReceiver>,
    /// Receivers for wards that no device of the directory has
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unknown_wards: Vec<ReceiverOfUnknownWards>,
}

/// A receiver that does not take notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FailingReceiver {
    /// Its name in the configuration
    pub receiver: String,
    /// Why the last attempt failed
    pub error: String,
}

/// A receiver for wards that no device has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ReceiverOfUnknownWards {
    /// Its name in the configuration
    pub receiver: String,
    /// The wards that no device has
    pub wards: Vec<String>,
}

impl fmt::Display for NotificationFailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing =
            self.failing.iter().map(|FailingReceiver { receiver, error }| format!("{receiver} ({error})"));
        let failing: Vec<_> = failing.collect();
        if !failing.is_empty() {
            return write!(f, "receivers do not take notifications: {}", failing.join("; "));
        }
        let unknown = self.unknown_wards.iter();
        let unknown = unknown
            .map(|ReceiverOfUnknownWards { receiver, wards }| format!("{receiver} ({})", wards.join(", ")));
        let unknown = unknown.collect::<Vec<_>>().join("; ");
        write!(f, "receivers name wards that no device of the directory has: {unknown}")
    }
}

/// Facts of `platform-unreachable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformUnreachable {
    /// Whole seconds since the outage began
    pub seconds: u64,
    /// Messages that wait for the platform
    pub waiting: u64,
    /// Why it is not reached
    pub error: String,
}

impl fmt::Display for PlatformUnreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = match self.seconds {
            seconds @ 0..60 => counted(seconds, "second"),
            seconds => counted(seconds / 60, "minute"),
        };
        let waiting = counted(self.waiting, "message");
        write!(f, "the platform is out of reach for {time}, with {waiting} waiting: {}", self.error)
    }
}

/// Facts of `result-missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ResultMissing {
    /// Messages without one, since the platform last sent one
    pub messages: u64,
    /// The last of them
    pub last: String,
}

impl fmt::Display for ResultMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, last } = self;
        let messages = counted(*messages, "message");
        write!(
            f,
            "the platform accepted {messages} and did not send the application acknowledgement in time, "
        )?;
        write!(f, "for {last} the last time")
    }
}

/// Facts of `fhir-behind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FhirBehind {
    /// Age of the oldest message that is not indexed, in seconds
    pub seconds: u64,
    /// How far the index may be behind (`fhir.max-lag`), in seconds
    pub allowed: u64,
}

impl fmt::Display for FhirBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the index of FHIR resources is {} s behind; {} s are allowed", self.seconds, self.allowed)
    }
}

/// Facts of `enrolment-waiting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EnrolmentWaiting {
    /// Requests that wait
    pub waiting: u64,
    /// How long the first of them has waited, in seconds
    pub seconds: u64,
    /// How long one may wait (`enrol.max-wait`), in seconds
    pub allowed: u64,
}

impl fmt::Display for EnrolmentWaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = counted(self.waiting, "request");
        write!(f, "{waiting} for certificates wait for an operator, the first for {} s", self.seconds)
    }
}

/// Facts of `forward-queue-full`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ForwardQueueFull {
    /// Messages that wait for the platform
    pub waiting: u64,
    /// How many may wait (`gateway.max-waiting`)
    pub allowed: u64,
}

impl fmt::Display for ForwardQueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} messages wait for the platform", self.waiting, self.allowed)
    }
}

/// Facts of `forward-stranded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ForwardStranded {
    /// The nodes of which no process runs
    pub nodes: Vec<String>,
    /// Messages that wait there for the platform
    pub messages: u64,
    /// Those of them that are alarms
    pub alarms: u64,
    /// Orders of the platform whose answers have not arrived there
    pub orders: u64,
    /// Age of the oldest message, in seconds; 0 without one
    pub seconds: u64,
}

impl fmt::Display for ForwardStranded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, messages, alarms, orders, seconds } = self;
        let (messages, orders) = (counted(*messages, "message"), counted(*orders, "order"));
        let nodes = nodes.join(", ");
        write!(
            f,
            "{messages} ({alarms} of them ALARMS) and {orders} wait on nodes that do not run: {nodes}; the oldest \
             message since {}",
            counted(seconds / 60, "minute")
        )
    }
}

/// Facts of `forward-stuck`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ForwardStuck {
    /// The oldest alarm among them, or else the oldest message
    pub message: String,
    /// Messages of the device that the platform cannot take
    pub messages: u64,
    /// Those of them that are alarms
    pub alarms: u64,
}

impl fmt::Display for ForwardStuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, messages, alarms } = self;
        let messages = counted(*messages, "message");
        write!(
            f,
            "the platform cannot take {messages} ({alarms} of them ALARMS), though it takes others: {message}"
        )
    }
}
