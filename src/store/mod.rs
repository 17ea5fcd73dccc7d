//! What the platform keeps: messages, the device directory, the audit trail.
//!
//! A positive answer of the store means: on disk, synchronised. [`Store`] is the face; `writer` gathers what is to
//! be written into few transactions, and `batch` says what such a one does; `read` asks. `sqlite` and `postgres` are the
//! databases behind it: how each is opened, what its errors mean, and the statements in which they differ.

mod alert;
mod batch;
mod content;
mod directory;
mod error;
mod inspect;
mod message;
mod outbox;
mod postgres;
mod query;
mod read;
mod retention;
mod sqlite;
mod statement;
mod verify;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use alert::AlertOrigin;
pub(crate) use directory::device_kind;
pub use error::{DatabaseError, StoreError};
pub use inspect::Inspection;
pub use message::{CONTROL_ID_REUSED, MessageRecord, MessageSummary, Recorded, StoredMessage, Verdict};
pub use outbox::{OutboxEntry, OutboxFilter, QueuedMessage, WaitingMessage};
pub use query::{AuditFilter, AuditRow, MessageFilter, Page, SeenIdentity};
pub use verify::{ChainReport, HeadReport};

use tokio_util::sync::CancellationToken;

use crate::audit::{self, ChainHead, Signer, signed_bytes};
use crate::authz::{Device, DeviceStatus};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, Fingerprint, MessageId, NodeName, StoreUrl};
use content::Content;
use directory::DirectoryChange;
pub use read::DirectoryChanges;
use read::Reader;
use writer::{Entry, Queue, Write, Written};

/// The store. Cheap to clone; clones share it. Several processes may have the same store open.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    queue: Queue,
    reader: Reader,
    url: StoreUrl,
    node: NodeName,
    clock: Clock,
    /// Cancelled when the thread that checkpoints SQLite has ended; none on PostgreSQL.
    checkpointer_ended: Option<CancellationToken>,
}

impl Store {
    /// Opens the store at `url`: `sqlite:PATH`, which is made if there is none, or `postgres://USER@HOST/DATABASE`. Brings
    /// its schema up to date.
    ///
    /// # Errors
    /// When the URL is none of ours, the store cannot be opened, or its schema is of another version.
    pub async fn open(url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        Self::open_as(NodeName::from_hostname(), url, clock).await
    }

    /// Opens the store as the node of this name, which keeps an audit chain of its own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_as(node: NodeName, url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        let url = url.into();
        let (queue, reader, checkpointer_ended) = if url.is_postgres() {
            let (writer, reader) = postgres::open(postgres::Location::parse(&url)?, node.clone()).await?;
            (Queue::start(writer), reader, None)
        } else {
            let (writer, reader) = sqlite::open(sqlite::Location::parse(url.secret())?, node.clone()).await?;
            let ended = writer.checkpointer_ended();
            (Queue::start_on_its_own_thread(writer)?, reader, Some(ended))
        };
        Ok(Self(Arc::new(Inner { queue, reader, url, node, clock, checkpointer_ended })))
    }

    /// Resolves when the writer has ended, for whatever reason; before [`Store::close`] that is a fault.
    pub fn writer_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.queue.ended()
    }

    /// Cancelled when the thread that checkpoints SQLite has ended; none on PostgreSQL.
    #[must_use]
    pub fn checkpointer_ended(&self) -> Option<CancellationToken> {
        self.0.checkpointer_ended.clone()
    }

    /// The node as which it was opened.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.0.node
    }

    /// Finishes what is queued and closes the store, for all clones.
    pub async fn close(&self) {
        self.0.queue.close().await;
        self.0.reader.close().await;
    }

    /// Whether something can be written now: writes a row of no meaning.
    ///
    /// # Errors
    /// When that fails or takes longer than five seconds.
    pub async fn check(&self) -> Result<(), StoreError> {
        match tokio::time::timeout(CHECK_TIMEOUT, self.write(Write::Probe)).await {
            Ok(written) => written.map(drop),
            Err(_) => Err(StoreError::Timeout(CHECK_TIMEOUT)),
        }
    }

    /// From now on `metrics` are told of every commit.
    pub fn report_to(&self, metrics: &Metrics) {
        self.0.queue.report_to(metrics.clone(), self.0.clock.clone());
    }

    /// Whether what is handed in has to wait for room, because more comes than can be written. Whoever reads messages from a
    /// peer should not read more meanwhile: then the peer waits, and memory does not grow.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.queue.is_full()
    }

    /// Keeps a message, with its row in the audit trail; returns when both are durable.
    ///
    /// The same bytes under the same control id (MSH-10) and sending application (MSH-3) from the same certificate are
    /// a resend: nothing is stored twice. A rejected message is always stored.
    ///
    /// # Errors
    /// When the message has not been stored: the sender must keep it.
    pub async fn record(&self, record: impl Into<Box<MessageRecord>>) -> Result<Recorded, StoreError> {
        let mut record = record.into();
        let id = record.id;
        record.fit_columns();
        let digest = Fingerprint::sha256(&record.raw);
        // What is compressed need not wait uncompressed.
        let content = Content::of(&std::mem::take(&mut record.raw));
        match self.write(Write::Message { record, content, digest }).await? {
            Written::Anew | Written::Rows(_) => Ok(Recorded::Stored(id)),
            Written::Before { of, acknowledgement } => Ok(Recorded::Resend { of, acknowledgement }),
        }
    }

    /// Appends to the audit trail; returns when the row is durable.
    ///
    /// # Errors
    /// When the row has not been written.
    pub async fn audit(&self, event: audit::Event) -> Result<(), StoreError> {
        self.write(Write::Audit(event)).await.map(drop)
    }

    /// Appends to the audit trail; a trail that cannot be written is our own fault, and the log says so.
    pub async fn audit_or_log(&self, event: audit::Event) {
        let name = event.name();
        if let Err(error) = self.audit(event).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(event = name, error, "an audit row could not be written");
        }
    }

    /// Adds `device` to the directory on behalf of `actor`.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] when it is there already.
    pub async fn add_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.add_devices(vec![device], actor).await
    }

    /// Adds all of `devices` to the directory, or none.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] names the first that is there already, or twice in the list.
    pub async fn add_devices(&self, devices: Vec<Device>, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Add(devices), actor).await
    }

    /// Replaces kind, identities, acknowledgements and note of an entry of the directory; its status stays.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn describe_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Describe(device), actor).await
    }

    /// Suspends or resumes a device.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn set_device_status(
        &self,
        device: &DeviceId,
        status: DeviceStatus,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.change(DirectoryChange::SetStatus(device.clone(), status), actor).await
    }

    /// Removes an entry of the directory.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn remove_device(&self, device: &DeviceId, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Remove(device.clone()), actor).await
    }

    /// The whole directory, by Common Name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        self.0.reader.devices().await
    }

    /// One entry of the directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        self.0.reader.device(id).await
    }

    /// The identities that came in messages of `device` and that it was not allowed to speak for then, by identity. At
    /// most 256 of a device are remembered, those that came last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seen_identities(&self, device: &DeviceId) -> Result<Vec<SeenIdentity>, StoreError> {
        self.0.reader.seen_identities(device).await
    }

    /// A number that grows with every change of the directory, made by this process or another.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device_revision(&self) -> Result<u64, StoreError> {
        self.0.reader.device_revision().await
    }

    /// What waits for changes of the directory: at once on PostgreSQL, four times a second on SQLite.
    #[must_use]
    pub fn directory_changes(&self) -> DirectoryChanges {
        self.0.reader.directory_changes()
    }

    /// A page of messages, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageSummary>, StoreError> {
        self.0.reader.messages(filter).await
    }

    /// One message with its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        self.0.reader.message(id).await
    }

    /// A page of the audit trail.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit_rows(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.0.reader.audit_rows(filter).await
    }

    /// Rows of this node's own chain behind the row of number `after`, in their order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn own_audit_rows(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self.0.reader.audit_chain(&self.0.node, Some(after), limit).await?;
        rows.into_iter().map(|row| AuditRow::of(row, &self.0.node)).collect()
    }

    /// The last row of this node's own chain.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn own_audit_end(&self) -> Result<ChainHead, StoreError> {
        self.0.reader.audit_end(&self.0.node).await
    }

    /// Has `signer` vouch for the audit chain of this node as far as it goes, and writes that down in it. Returns the
    /// row that was signed; none when there is nothing new since the last signature.
    ///
    /// # Errors
    /// When the chain cannot be read, signed or written.
    pub async fn sign_audit(&self, signer: &dyn Signer) -> Result<Option<ChainHead>, StoreError> {
        let node = &self.0.node;
        let link = self.0.reader.audit_end(node).await?;
        let after = i64::try_from(link.number.saturating_sub(1)).unwrap_or(i64::MAX);
        let last = self.0.reader.audit_chain(node, Some(after), 1).await?;
        if last.first().is_none_or(|row| row.event == audit::Event::AUDIT_SIGNED) {
            return Ok(None);
        }
        let signature = signer.sign(&signed_bytes(node, &link))?;
        self.audit(audit::Event::AuditSigned { link, signature }).await?;
        Ok(Some(link))
    }

    #[cfg(test)]
    fn reader(&self) -> &Reader {
        &self.0.reader
    }

    async fn change(&self, change: DirectoryChange, actor: &str) -> Result<(), StoreError> {
        self.write(Write::Directory { change, actor: actor.to_owned() }).await.map(drop)
    }

    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        self.0.queue.write(Entry { at: self.0.clock.now(), write }).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.url).finish()
    }
}

/// How long the readiness check waits for its row.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
pub(crate) mod fixtures;

#[cfg(test)]
mod tests;
