//! Durable storage of messages, the device directory, the outbox and the audit trail.
//!
//! When a write of the store returns `Ok`, the row is on disk and synchronised. [`Store`] is the handle;
//! `open` assembles it, and `operations` holds its methods by subject. `write` groups entries into few
//! transactions and commits them; `read` runs queries. `sqlite` and `postgres` are the databases behind both:
//! how each is opened, what its errors mean, and the statements in which they differ. `records` are the
//! values that callers pass in and get back.

mod access;
mod backup_advice;
mod conflict;
mod content;
mod deferred_audit;
mod error;
mod fault_log;
mod handle;
mod instance;
mod migration;
mod open;
mod operations;
mod own_chain;
mod place;
mod postgres;
mod progress;
mod read;
mod records;
mod row;
mod server;
mod sqlite;
mod statement;
mod write;

pub use error::{ClientsConflict, DatabaseError, EnrolmentConflict, StoreError};
pub use handle::{Store, StoreAccess};
pub use instance::process::Holder;
pub use migration::plan::{MigrationLimits, MigrationPlan};
pub use migration::policy::MigrationPolicy;
pub use operations::audit::Recorded;
pub use operations::enrolment::Opened;
pub use operations::inspect::Inspection;
pub use operations::verify::{ChainReport, HeadReport};
pub use operations::volume::Volumes;
pub use own_chain::{ChainNote, Divergence, EndFile, OtherFault, OwnChain, RememberedEnd, WhenBehind};
pub use place::{FilePlace, Sameness, StorePlace};
pub use read::changes::DirectoryChanges;
pub use read::comparison::{Contents, NamedMessages, Unexplained};
pub use records::alert::{AlertOrigin, LatestAlert};
pub use records::audit::{AuditFilter, AuditRow, Page, WITHOUT_MESSAGES};
pub use records::clock::ConfirmedClock;
pub use records::contact::{Contact, Feed, MAX_REFUSED_PER_ROOM, Observations, RefusedRoom, RefusedRow};
pub use records::directory::SeenIdentity;
pub(crate) use records::directory::device_kind;
pub use records::forward::{
    ForwardBacklog, ForwardClass, ForwardFilter, ForwardLane, ForwardOutcome, ForwardState, Forwarding,
    REFUSED_SHOWN, RefusedForward, StrandedForwards, WaitingForward, WaitingForwards, WaitingLanes,
};
pub use records::grant::{AuthorizationWrite, Decision, NewAuthorization, NewToken, TokenWrite};
pub use records::message::{
    CONTROL_ID_REUSED, CUT, MessageFilter, MessageRecord, MessageSummary, RECONSIDERED, Reconsideration,
    Reconsidered, RecordOutcome, RejectedMessages, SearchEnd, StoredMessage, Verdict,
};
pub use records::milestone::{Milestone, Reached};
pub use records::notification::{NotificationChange, StoredNotification};
pub use records::outbox::{
    AwaitedResult, FailedOrder, OutboxEntry, OutboxFilter, QueuedBefore, QueuedMessage, RelayedOrder,
    WaitingMessage,
};
pub use records::partner::{
    Delivery, Due, EventRow, NotificationBatch, NotificationFilter, NotificationState,
    NotificationStateError, NotificationStep, PartnerCredential, PartnerNotification, PartnerProof,
    SubscriptionBatch, SubscriptionPosition, SubscriptionStanding, TrailEvent,
};
pub use records::projection::{
    FoundGroup, FoundResource, FoundVersion, GroupPage, GroupPlace, GroupRow, GroupsOf, PatientLink,
    ProjectedMessage, ProjectedTo, Projection, ProjectionLeader, Report, ReportKind, ReportPlace,
    ResourceRow, ResourcesOf, TrailRow,
};
pub use records::removals::{NextRemoval, Removals};
pub use records::scan::Scanned;
pub use records::size::{DiskSize, StoreSize};
pub use records::unfit_certificate::UnfitCertificate;
pub use records::volume::{HourVolume, Volume};
pub use server::clock::{ClockDifference, LARGE_CLOCK_DIFFERENCE};
pub use server::report::{NodeClock, ServerReport};

#[cfg(test)]
pub(crate) mod fixtures;

#[cfg(test)]
mod tests;
