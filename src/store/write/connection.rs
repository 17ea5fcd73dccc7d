//! The operations of a database connection that writing a batch needs.

use jiff::Timestamp;

use crate::audit::{ChainHead, ChainRow};
use crate::model::{MessageId, NodeName, SearchKey};
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::chain::ChainedEvent;
use crate::store::write::incoming::{IncomingMessage, Insertion};

/// A connection that writes. SQLite and PostgreSQL implement it.
pub(in crate::store) trait Connection: Send {
    /// Opens a write transaction, locks the audit chain of `node` against other processes of the node until
    /// the transaction ends, and returns the head of the chain. One method, because each statement is a round
    /// trip.
    fn begin(&mut self, node: &NodeName) -> impl Future<Output = Result<ChainHead, StoreError>> + Send;

    /// Waits until no other node is in a transaction with contended entries, and keeps others from it until
    /// this one ends: so two nodes never hold the rows that the other one needs. A file has one writer.
    ///
    /// Fails soon with [`StoreError::Contended`] where another node does not end its transaction.
    fn exclude_other_nodes(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// The time by which an order expires and by which it is claimed: that of the server, which all nodes
    /// share. A file has no other time than its only node, which has read `at`.
    fn now(&mut self, at: Timestamp) -> impl Future<Output = Result<Timestamp, StoreError>> + Send {
        std::future::ready(Ok(at))
    }

    /// Runs a statement without parameters.
    fn run(&mut self, sql: &'static str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the store has one node at a time, so that every other one is gone.
    const HAS_ONE_NODE: bool;

    /// Ends a SELECT whose rows must stay until the transaction ends. SQLite has one transaction at a time.
    const LOCK_KEY: &'static str;

    /// Ends a SELECT whose rows must stay as they are until the transaction ends. The role of the platform
    /// needs UPDATE on each table of it.
    const LOCK_ROWS: &'static str;

    /// Runs a statement that returns the identifiers of rows, in order.
    fn identifiers(
        &mut self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<MessageId>, StoreError>> + Send;

    /// Runs a statement. Returns the number of rows that changed.
    fn execute(&mut self, statement: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs what waits for the end of the transaction, such as a deferred trigger. SQLite has no such thing.
    fn run_deferred(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Runs a SELECT. Returns the number of its rows.
    fn count(&mut self, statement: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs a SELECT of rows of the audit trail.
    fn trail_rows(
        &mut self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<ChainRow>, StoreError>> + Send;

    /// Whether messages may be removed. In a file they may; a server grants it where retention removes them.
    fn may_remove_messages(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(true))
    }

    /// Inserts the messages of which no copy is stored. Returns what it found for each.
    fn insert_messages(
        &mut self,
        messages: &[IncomingMessage<'_>],
    ) -> impl Future<Output = Result<Vec<Insertion>, StoreError>> + Send;

    /// Inserts keys of messages into the index of searches.
    fn insert_keys(
        &mut self,
        rows: &[(SearchKey, MessageId)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Appends rows to the audit chain of `node`, in order; `end` is the last of them.
    fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &ChainHead,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the audit chain of `node` contains this row. Queried when the chain does not end where this
    /// process left it, and after a commit in doubt.
    fn has_audit_row(
        &mut self,
        node: &NodeName,
        link: &ChainHead,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
