//! The index of FHIR resources: what the projector writes, and what readers find.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{DeviceId, MessageId, NodeName};

/// How far the audit chain of a node is projected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectedTo {
    /// The number of the last row; 0: none.
    pub number: u64,
    /// The revision of the mapping and of the index that projects.
    pub revision: u32,
    /// While rows are projected again: the last one of them.
    pub again: u64,
    /// The last row that is projected again; those behind it are new. 0: none is.
    pub again_to: u64,
}

impl ProjectedTo {
    /// The same under this revision: what another one projected is projected again.
    #[must_use]
    pub const fn under(self, revision: u32) -> Self {
        if self.revision == revision {
            self
        } else {
            Self { revision, again: 0, again_to: self.number, ..self }
        }
    }

    /// How many rows are still to be projected again.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.again_to.saturating_sub(self.again)
    }

    /// The same when rows up to this one are projected again.
    #[must_use]
    pub const fn projected_again(self, number: u64) -> Self {
        let is_done = number >= self.again_to;
        if is_done { Self { again: 0, again_to: 0, ..self } } else { Self { again: number, ..self } }
    }
}

/// The node that projects, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionLeader {
    /// The node; empty: none has ever.
    pub holder: String,
    /// A number that grows with each takeover.
    pub fence: u64,
    /// Until when another node leaves it alone.
    pub until: Timestamp,
    /// The last sequence number that was given out.
    pub last_seq: u64,
    /// The latest time that was given to a row.
    pub last_at: Timestamp,
}

/// A message that the trail says was accepted.
#[derive(Debug, Clone)]
pub struct ProjectedMessage {
    /// Its id.
    pub id: MessageId,
    /// The sender.
    pub device: DeviceId,
    /// When the platform received it.
    pub received_at: Timestamp,
    /// The received bytes.
    pub raw: Bytes,
    /// Whether it was accepted, and its bytes are those that were received.
    pub is_sound: bool,
}

/// A row of a trail, as the projector reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailRow {
    /// Its number in the chain.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The message that it says was accepted.
    pub message: Option<MessageId>,
    /// Whether it had been rejected when it came: newer ones may have been accepted before it.
    pub is_reconsidered: bool,
}

/// A device, metric, patient or alert of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRow {
    /// `TYPE/ID`.
    pub reference: String,
    /// The message that has it.
    pub message: MessageId,
    /// Equal for equal contents.
    pub hash: i64,
    /// Whether it replaces nothing that is there: the message only names it, or is older than its id says.
    pub yields: bool,
    /// Of an alert: what decides which report counts.
    pub report: Option<Report>,
    /// What readers find it by, besides its reference.
    pub keys: Vec<i64>,
}

/// A report of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its own time.
    pub at: Timestamp,
    /// What it says.
    pub kind: ReportKind,
}

/// What a report says of its alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// Its own time alone counts: the end of an alert that was accepted long after it came. Measurements have
    /// this kind.
    Timed,
    /// The alert goes on.
    GoesOn,
    /// The alert has ended.
    End,
}

impl ReportKind {
    /// In the table.
    pub(in crate::store) const fn number(self) -> i64 {
        match self {
            Self::Timed => 0,
            Self::GoesOn => 1,
            Self::End => 2,
        }
    }

    /// The same, when nothing follows from the order in which reports came.
    #[must_use]
    pub const fn without_arrival(self) -> Self {
        if matches!(self, Self::End) { Self::Timed } else { self }
    }
}

/// The place of a report among those of its alert.
///
/// The latest by its own time counts, in whatever order they come: devices send again what was not
/// acknowledged. But the end of an alert counts after each report that came before it, although the device's
/// clock was put back between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportPlace {
    /// The message.
    pub message: MessageId,
    /// What it says.
    pub report: Report,
}

impl ReportPlace {
    /// That of the row of an alert.
    #[must_use]
    pub fn of(row: &ResourceRow) -> Option<Self> {
        Some(Self { message: row.message, report: row.report? })
    }

    /// Whether this report stays when the other one is written after it. [`crate::store`] has the same as a
    /// condition of a statement.
    #[must_use]
    pub fn outlasts(&self, other: &Self) -> bool {
        let is_later = (self.report.at, self.message) > (other.report.at, other.message);
        let came_later = self.message > other.message;
        match (self.report.kind, other.report.kind) {
            (ReportKind::GoesOn, ReportKind::End) => is_later && came_later,
            (ReportKind::End, ReportKind::GoesOn) => is_later || came_later,
            _ => is_later,
        }
    }
}

/// The observations of one message that have one subject and one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The message.
    pub message: MessageId,
    /// `Patient/ID`, or the device.
    pub subject: String,
    /// `Device/ID` of the MDS.
    pub device: String,
    /// `Observation/ID` of an alert, whose earlier report this one replaces.
    pub alert: Option<String>,
    /// Of measurements of one message that are far apart in time: 0 has the latest.
    pub part: u32,
    /// The latest time of the observations.
    pub at: Timestamp,
    /// Equal for equal contents.
    pub hash: i64,
    /// `meta.versionId` of measurements: the revision of the mapping, or more where they had that already
    /// with another content.
    pub version: u32,
    /// What a report says of its alert.
    pub kind: ReportKind,
}

/// The rows of a batch, and the position that they move.
#[derive(Debug, Clone)]
pub struct Projection {
    /// The node whose chain was read.
    pub node: NodeName,
    /// The position before.
    pub from: ProjectedTo,
    /// The position after.
    pub to: ProjectedTo,
    /// The leader that writes, as it was before.
    pub leader: ProjectionLeader,
    /// When the rows are projected; not before [`ProjectionLeader::last_at`].
    pub at: Timestamp,
    /// Resources, before the groups that refer to them.
    pub resources: Vec<ResourceRow>,
    /// Groups.
    pub groups: Vec<GroupRow>,
    /// Groups that the messages of the batch do not have any more, by their place in the order of changes:
    /// another mapping made them.
    pub stale: Vec<u64>,
}

impl Projection {
    /// The last sequence number after the batch: each row may use one.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        let rows = self.resources.len() + self.groups.len();
        self.leader.last_seq.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX))
    }
}

/// A resource as a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundResource {
    /// `TYPE/ID`.
    pub reference: String,
    /// Its place in the index: the order of the first messages.
    pub number: u64,
    /// Its place in the order of changes.
    pub seq: u64,
    /// The message that it is rendered from.
    pub message: MessageId,
    /// `meta.versionId`.
    pub version: u64,
    /// `meta.lastUpdated`.
    pub projected_at: Timestamp,
}

/// A group as a reader finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGroup {
    /// Its place in the order of changes.
    pub seq: u64,
    /// The message that it is rendered from.
    pub message: MessageId,
    /// `TYPE/ID` of the subject.
    pub subject: String,
    /// `Device/ID` of the MDS.
    pub device: String,
    /// `Observation/ID` of an alert.
    pub alert: Option<String>,
    /// Of measurements of one message that are far apart in time: 0 has the latest.
    pub part: u32,
    /// The latest time of its observations.
    pub at: Timestamp,
    /// `meta.versionId`: of measurements the revision of the mapping that last changed them.
    pub version: u64,
    /// `meta.lastUpdated`.
    pub projected_at: Timestamp,
}

/// Which groups a reader wants, in which order.
#[derive(Debug, Clone, Copy)]
pub struct GroupPage<'q> {
    /// Of a subject, of a device, or in the order of changes.
    pub of: GroupsOf<'q>,
    /// The first one: none is before it in this order.
    pub from: Option<GroupPlace>,
    /// Only groups of this time and later, and alerts that go on.
    pub since: Option<Timestamp>,
    /// Only groups before this time.
    pub before: Option<Timestamp>,
    /// The earliest first.
    pub ascending: bool,
    /// The maximum number.
    pub limit: u32,
}

/// What groups are found by.
#[derive(Debug, Clone, Copy)]
pub enum GroupsOf<'q> {
    /// `Patient/ID`, or a device.
    Subject(&'q str),
    /// Several patients who are one.
    Subjects(&'q [String]),
    /// `Device/ID` of an MDS.
    Device(&'q str),
    /// The order of changes: only `from`, `ascending` and `limit` count.
    Changes,
}

/// The place of a group: its time, and its place in the order of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPlace {
    /// Its time.
    pub at: Timestamp,
    /// Its place in the order of changes.
    pub seq: u64,
}

/// Which resources a reader wants, in the order of the index.
#[derive(Debug, Clone, Copy)]
pub enum ResourcesOf<'q> {
    /// With this key.
    Key(i64),
    /// Whose reference begins so (`Device/`), in the order of changes.
    Changes(&'q str),
    /// The same in the order of their references.
    All(&'q str),
}

/// A patient whom an operator has linked to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientLink {
    /// `Patient/ID` of the one who is replaced.
    pub patient: String,
    /// `Patient/ID` of the one who replaces; another one may replace that.
    pub replaced_by: String,
}

impl PatientLink {
    /// How many patients are one at most: each search of one of them reads the index of all.
    pub const MAX_LINKED: u32 = 32;
}

/// A version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVersion {
    /// Its number: 1 is the first.
    pub version: u64,
    /// The message that it is rendered from.
    pub message: MessageId,
    /// When the index got it.
    pub projected_at: Timestamp,
}
