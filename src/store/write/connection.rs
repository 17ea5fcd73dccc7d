//! What a database offers to whoever writes a batch to it.

use crate::audit::ChainHead;
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::chain::ChainedEvent;
use crate::store::write::incoming::{IncomingMessage, WriteOutcome};

/// A connection that writes.
pub(in crate::store) trait Connection: Send {
    /// Opens a transaction that may write, and keeps other processes of `node` from its audit chain until it ends; where
    /// that chain ends. All in one, because each statement is a way to the database and back.
    fn begin(&mut self, node: &NodeName) -> impl Future<Output = Result<ChainHead, StoreError>> + Send;

    /// Runs a statement without parameters.
    fn run(&mut self, sql: &'static str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Runs a statement; the number of rows that it has changed.
    fn execute(&mut self, statement: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Stores those that are no resends; what became of each.
    fn insert_messages(
        &mut self,
        messages: &[IncomingMessage<'_>],
    ) -> impl Future<Output = Result<Vec<WriteOutcome>, StoreError>> + Send;

    /// Appends rows to the audit chain of `node`, in their order; `end` is the last of them.
    fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &ChainHead,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the audit chain of `node` has this row. Asked after a commit of which nobody knows; a database in the same
    /// process leaves nobody in doubt.
    fn holds(
        &mut self,
        _node: &NodeName,
        _link: &ChainHead,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(false))
    }
}
