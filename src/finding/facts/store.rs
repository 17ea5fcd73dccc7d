//! Facts about the store and the audit trail.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::time::At;
use crate::model::size_text;

/// Facts of `store-unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreUnavailable {
    /// What fails, and its causes
    pub error: String,
}

impl fmt::Display for StoreUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// Facts of `store-right-missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreRightMissing {
    /// Which right is missing, as far as it is known, and the error of the server
    pub error: String,
}

impl fmt::Display for StoreRightMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// Facts of `store-risk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StoreRisk {
    /// The risks: codes of risks of the store
    pub risks: Vec<String>,
    /// Whether the configuration accepts them (`store.accepted-risks`)
    pub accepted: bool,
    /// The same in words, with what was found
    pub detail: String,
}

impl fmt::Display for StoreRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accepted {
            f.write_str("store.accepted-risks accepts that the store can lose or hide messages: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// Facts of `audit-chain-broken`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditChainBroken {
    /// What differs, in words; absent where `audit verify` found it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The node of the chain
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The last row that the node remembers
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered_row: Option<u64>,
    /// The last row in the store
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_row: Option<u64>,
    /// When `audit verify` found it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<At>,
}

impl fmt::Display for AuditChainBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.verified) {
            (Some(error), _) => f.write_str(error),
            (None, Some(at)) => write!(
                f,
                "`audit verify` found at {at} that the trail is not intact; run it again for the place"
            ),
            (None, None) => f.write_str("the trail is not intact"),
        }
    }
}

/// Facts of `audit-end-unread`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AuditEndUnread {
    /// What fails
    pub error: String,
}

impl fmt::Display for AuditEndUnread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// Facts of `other-chain-broken`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OtherChainBroken {
    /// Rows that do not verify: three at most
    pub rows: Vec<BrokenRow>,
    /// Further ones
    pub more: u64,
}

/// A row of another node's chain that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BrokenRow {
    /// The node of the chain
    pub node: String,
    /// The number of the row in it
    pub row: u64,
    /// Whether it was verified once, and is gone or another one now
    pub gone: bool,
}

impl fmt::Display for BrokenRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, row, gone } = self;
        if *gone {
            write!(f, "row {row} of node {node} was there, and is gone or another one")
        } else {
            write!(f, "row {row} of node {node} does not continue the rows before it")
        }
    }
}

impl fmt::Display for OtherChainBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<_> = self.rows.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            parts.push(format!("and {} more", self.more));
        }
        f.write_str(&parts.join("; "))
    }
}

/// Facts of `copy-replaced`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CopyReplaced {
    /// Copies that were replaced in the last week
    pub copies: u64,
    /// Whether there are more than were counted
    pub or_more: bool,
    /// The message of the last one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
}

impl fmt::Display for CopyReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another program had put ")?;
        match (self.copies, self.or_more) {
            (1, false) => f.write_str("a copy")?,
            (copies, false) => write!(f, "{copies} copies")?,
            (copies, true) => write!(f, "{copies} copies or more")?,
        }
        f.write_str(" of messages into the store, and the platform stored what it received in the place")?;
        match &self.last_message {
            Some(last) => write!(f, "; the last one for message {last}"),
            None => Ok(()),
        }
    }
}

/// Facts of `disk-filling`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DiskFilling {
    /// Free bytes of the disk of the store
    pub free_bytes: u64,
    /// All bytes of it
    pub disk_bytes: u64,
    /// The rate at which it fills, where it is full within a day
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<DiskRate>,
}

/// The rate at which a disk fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DiskRate {
    /// Bytes that a day takes
    pub bytes_per_day: u64,
    /// Bytes of them by which the store grows
    pub store_bytes_per_day: u64,
    /// Minutes that were measured; 60: the last hour
    pub measured_minutes: u64,
    /// When the disk is full at this rate
    pub full_at: At,
}

impl fmt::Display for DiskFilling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, all) = (size_text(self.free_bytes), size_text(self.disk_bytes));
        write!(f, "the disk of the store has {free} of {all} free")?;
        let Some(DiskRate { bytes_per_day, store_bytes_per_day, measured_minutes, full_at }) = self.rate
        else {
            return Ok(());
        };
        let (day, store) = (size_text(bytes_per_day), size_text(store_bytes_per_day));
        f.write_str("; at the rate of the last ")?;
        match measured_minutes {
            60 => f.write_str("hour")?,
            minutes => write!(f, "{minutes} minutes")?,
        }
        write!(f, " ({day} a day, the store {store} of it) it is full at {full_at}")
    }
}

/// Facts of `size-limit-near`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SizeLimitNear {
    /// The kinds of messages that take nearly their limit
    pub kinds: Vec<SizedKind>,
}

/// A kind of messages with a limit by size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SizedKind {
    /// `accepted`, `rejected` or `large`
    pub kind: String,
    /// The key of the configuration that has its limit
    pub key: String,
    /// Bytes that its messages take
    pub bytes: u64,
    /// The limit in bytes
    pub limit_bytes: u64,
    /// Bytes of the last day
    pub bytes_per_day: u64,
    /// Hours whose messages are not measured yet
    pub unmeasured_hours: u64,
    /// What follows from it
    pub outlook: SizeOutlook,
    /// The time that belongs to it: what was received before it goes, or from when on the oldest go
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// What follows for a kind of messages from its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SizeOutlook {
    /// The last day alone takes more than the limit: nothing younger goes, and the limit does not hold.
    DoesNotHold,
    /// Some hours are not measured yet: nothing goes by size until they are.
    Unmeasured,
    /// What was received before `at` is removed before its age.
    Removing,
    /// The oldest are removed before their age.
    Steady,
    /// At the rate of the last day the oldest are removed before their age from `at` on.
    Reached,
    /// Nothing is removed by size within ten years.
    Far,
}

impl fmt::Display for SizedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, key, bytes, limit_bytes, bytes_per_day, unmeasured_hours, outlook, at } = self;
        let (bytes, limit, day) = (size_text(*bytes), size_text(*limit_bytes), size_text(*bytes_per_day));
        write!(f, "{kind} messages take {bytes} of {limit} ({key})")?;
        match (outlook, at) {
            (SizeOutlook::DoesNotHold, _) => write!(
                f,
                ", those of the last day alone {day}: nothing younger goes, and the limit does not hold"
            ),
            (SizeOutlook::Unmeasured, _) => {
                write!(f, "; {unmeasured_hours} hours are not measured yet, and nothing goes before they are")
            }
            (SizeOutlook::Removing, Some(at)) => {
                write!(f, ": what was received before {at} is removed before its age")
            }
            (SizeOutlook::Steady | SizeOutlook::Removing, _) => {
                f.write_str(": the oldest are removed before their age")
            }
            (SizeOutlook::Reached, Some(at)) => {
                write!(f, ": at {day} a day the oldest are removed before their age from {at} on")
            }
            (SizeOutlook::Far | SizeOutlook::Reached, _) => Ok(()),
        }
    }
}

impl fmt::Display for SizeLimitNear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

/// Facts of `message-damaged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MessageDamaged {
    /// When the copy of the store was made that has them as well
    pub found: At,
}

impl fmt::Display for MessageDamaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bytes of messages do not have their digest, in the store and in its copy of {}",
            self.found
        )
    }
}

/// Facts of `backup-old`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BackupOld {
    /// When the last one was made; absent: none was ever made
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<At>,
    /// The age in seconds that it may have (`store.max-backup-age`)
    pub allowed_seconds: u64,
}

impl fmt::Display for BackupOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(at) => write!(f, "the last backup of the store was made at {at}"),
            None => f.write_str("no backup of the store was ever made"),
        }
    }
}
