//! What the platform keeps: messages, the device directory, the audit trail.
//!
//! A positive answer of the store means: on disk, synchronised. [`Store`] is the handle; `operations` has what it does, by subject.
//! `write` gathers what is to be written into few transactions; `read` asks. `sqlite` and `postgres` are the databases behind them:
//! how each is opened, what its errors mean, and the statements in which they differ.

mod content;
mod error;
mod handle;
mod open;
mod operations;
mod postgres;
mod read;
mod records;
mod row;
mod sqlite;
mod statement;
mod write;

pub use error::{DatabaseError, StoreError};
pub use handle::Store;
pub use operations::inspect::Inspection;
pub use operations::verify::{ChainReport, HeadReport};
pub use read::changes::DirectoryChanges;
pub use records::alert::AlertOrigin;
pub use records::audit::{AuditFilter, AuditRow, Page};
pub use records::directory::SeenIdentity;
pub(crate) use records::directory::device_kind;
pub use records::message::{
    CONTROL_ID_REUSED, MessageFilter, MessageRecord, MessageSummary, RecordOutcome, StoredMessage, Verdict,
};
pub use records::outbox::{OutboxEntry, OutboxFilter, QueuedMessage, WaitingMessage};

#[cfg(test)]
pub(crate) mod fixtures;

#[cfg(test)]
mod tests;
