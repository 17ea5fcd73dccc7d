//! The handle of an open store, and what every operation needs of it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, LongWork, NodeName, PatientKey, StoreRisks, StoreUrl};
use crate::store::deferred_audit::DeferredAudit;
use crate::store::error::StoreError;
use crate::store::fault_log::{FaultLog, Unwritten};
use crate::store::instance::Instance;
use crate::store::instance::process::ProcessId;
use crate::store::own_chain::OwnChain;
use crate::store::place::StorePlace;
use crate::store::postgres::location::{Access, Location};
use crate::store::progress::Progress;
use crate::store::read::reader::Reader;
use crate::store::server::risks::ObservedRisks;
use crate::store::write::capacity::MAX_QUEUED;
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::lanes::Lane;
use crate::store::write::queue::Queue;

/// An open store. Cheap to clone; clones share it. Several processes may have the same store open.
#[derive(Clone)]
pub struct Store(Arc<Inner>, Option<Arc<Reader>>);

struct Inner {
    queue: Queue,
    reader: Reader,
    url: StoreUrl,
    /// When it was opened: the working directory may change.
    place: Option<StorePlace>,
    chain: OwnChain,
    process: ProcessId,
    /// None for a process that does not serve the node: a command.
    instance: Option<Instance>,
    clock: Clock,
    fault_log: FaultLog,
    progress: Progress,
    work: LongWork,
    deferred_audit: DeferredAudit,
    risks: ObservedRisks,
    /// `None` for a file.
    server: Option<Location>,
    /// Once it is known.
    patient_key: OnceCell<PatientKey>,
    /// Cancelled when SQLite's checkpoint thread has ended; `None` on PostgreSQL.
    checkpointer_ended: Option<CancellationToken>,
}

/// What a reload changes of the access to the store, read and not yet applied.
pub struct StoreAccess {
    accepted_risks: StoreRisks,
    /// `None` for a file.
    server: Option<Access>,
}

/// What is known of the place of a store.
#[derive(Default)]
pub(in crate::store) struct Place {
    pub(in crate::store) risks: ObservedRisks,
    /// `None` for a file.
    pub(in crate::store) server: Option<Location>,
}

/// Who opens a store.
pub(in crate::store) struct Opener {
    /// The audit chain that is written.
    pub(in crate::store) chain: OwnChain,
    pub(in crate::store) process: ProcessId,
    /// The right to serve the node; commands have none.
    pub(in crate::store) instance: Option<Instance>,
}

impl Store {
    pub(in crate::store) fn new(
        queue: Queue,
        reader: Reader,
        url: StoreUrl,
        opener: Opener,
        clock: Clock,
        Place { risks, server }: Place,
        checkpointer_ended: Option<CancellationToken>,
    ) -> Self {
        let Opener { chain, process, instance } = opener;
        let fault_log = FaultLog::default();
        let inner = Inner {
            queue,
            reader,
            place: StorePlace::of(&url),
            url,
            chain,
            process,
            instance,
            clock,
            fault_log,
            progress: Progress::default(),
            work: LongWork::default(),
            deferred_audit: DeferredAudit::default(),
            risks,
            server,
            patient_key: OnceCell::new(),
            checkpointer_ended,
        };
        Self(Arc::new(inner), None)
    }

    /// Resolves when the writer has ended, for any reason. Before [`Store::close`] that is a fault.
    pub fn writer_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.queue.ended()
    }

    /// Cancelled when SQLite's checkpoint thread has ended; `None` on PostgreSQL.
    #[must_use]
    pub fn checkpointer_ended(&self) -> Option<CancellationToken> {
        self.0.checkpointer_ended.clone()
    }

    /// How far a verification, a check or a copy of the store has come.
    #[must_use]
    pub fn work(&self) -> &LongWork {
        &self.0.work
    }

    /// The node that this store was opened as.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        self.0.chain.node()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Option<&StorePlace> {
        self.0.place.as_ref()
    }

    /// Whether other nodes may write to it: it is a database of a server.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.server.is_some()
    }

    pub(in crate::store) fn patient_key_cell(&self) -> &OnceCell<PatientKey> {
        &self.0.patient_key
    }

    /// The audit chain of this node, as this process knows it.
    #[must_use]
    pub fn own_chain(&self) -> &OwnChain {
        &self.0.chain
    }

    /// Commits the queued entries and closes the store, for all clones. A process that serves the node
    /// gives the node back.
    pub async fn close(&self) {
        self.write_deferred_before_the_end().await;
        self.0.queue.close().await;
        self.0.reader.close().await;
        if let Some(instance) = &self.0.instance {
            instance.release().await;
        }
    }

    /// Keeps the node that this process serves until `done`: on a server it renews the lease every two
    /// seconds.
    ///
    /// # Errors
    /// [`StoreError::InstanceLost`] when another process has taken the node over. This process must stop;
    /// the store commits nothing more for it.
    pub fn keep_instance(
        &self,
        done: CancellationToken,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let store = self.clone();
        async move {
            match &store.0.instance {
                Some(instance) => instance.keep(&done).await,
                None => {
                    done.cancelled().await;
                    Ok(())
                }
            }
        }
    }

    /// Reports every later commit to `metrics`.
    pub fn report_to(&self, metrics: &Metrics) {
        self.0.queue.report_to(metrics.clone(), self.0.clock.clone());
        self.0.risks.report_to(metrics);
        if let Some(server) = &self.0.server {
            server.clock().report_to(metrics);
        }
    }

    /// The time by which orders expire: that of the server, which all nodes share. For a file it is the time
    /// of this machine.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.server.as_ref().map_or_else(|| self.0.clock.now(), |server| server.clock().now())
    }

    /// Reads what a reload changes of the access to the store: the accepted risks of `url`, and its password
    /// file. Changes nothing.
    ///
    /// # Errors
    /// When the password file cannot be used.
    pub fn prepare_access(&self, url: &StoreUrl) -> Result<StoreAccess, StoreError> {
        let is_server = self.0.server.is_some() && url.is_postgres();
        let server = if is_server { Some(Access::read(url)?) } else { None };
        Ok(StoreAccess { accepted_risks: url.accepted_risks(), server })
    }

    /// Applies it: to connections that are opened from now on.
    pub fn apply_access(&self, access: StoreAccess) {
        self.0.risks.accept(access.accepted_risks);
        if let (Some(server), Some(access)) = (&self.0.server, access.server) {
            server.apply(access);
        }
    }

    /// Whether callers wait for queue capacity, because entries of this device, or of all devices, arrive
    /// faster than they are committed. A session of the device should pause its reads meanwhile: the peer
    /// then waits, and memory does not grow.
    #[must_use]
    pub fn is_full(&self, device: &DeviceId) -> bool {
        self.0.queue.is_full(&Lane::Device(device.clone()))
    }

    /// How many entries wait for the writer, and how many may.
    #[must_use]
    pub fn queued(&self) -> (usize, usize) {
        (self.0.queue.waiting(), MAX_QUEUED)
    }

    /// Whether no other process can serve the node at this moment; always so for a process that does not
    /// serve it.
    pub(in crate::store) fn is_instance_fresh(&self) -> bool {
        self.0.instance.as_ref().is_none_or(Instance::is_fresh)
    }

    pub(in crate::store) fn process(&self) -> ProcessId {
        self.0.process
    }

    /// Whether the store is on a server, which can be away while the platform runs.
    #[must_use]
    pub fn is_on_server(&self) -> bool {
        self.0.server.is_some()
    }

    /// The server of the store; `None` for a file.
    pub(in crate::store) fn server(&self) -> Option<&Location> {
        self.0.server.as_ref()
    }

    pub(in crate::store) fn observed_risks(&self) -> &ObservedRisks {
        &self.0.risks
    }

    pub(in crate::store) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    pub(in crate::store) fn reader(&self) -> &Reader {
        self.1.as_deref().unwrap_or(&self.0.reader)
    }

    /// The same store for work that others decide how much there is of: it reads through connections of its
    /// own, so that the platform itself never waits for one.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::new(self.0.reader.another())))
    }

    pub(in crate::store) fn url(&self) -> &StoreUrl {
        &self.0.url
    }

    pub(in crate::store) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(in crate::store) async fn write(&self, write: Write) -> Result<WriteOutcome, StoreError> {
        self.write_at(self.0.clock.now(), write).await
    }

    /// The same for an event of the past.
    pub(in crate::store) async fn write_at(
        &self,
        at: Timestamp,
        write: Write,
    ) -> Result<WriteOutcome, StoreError> {
        let written = self.0.queue.write(Entry { at, write }).await;
        if written.is_ok() {
            self.0.fault_log.succeed(self.0.clock.instant());
        }
        written
    }

    pub(in crate::store) fn deferred_audit(&self) -> &DeferredAudit {
        &self.0.deferred_audit
    }

    /// Logs a failed write, or counts it for a later line.
    pub(in crate::store) fn log_unwritten(&self, unwritten: Unwritten, error: &StoreError) {
        self.0.fault_log.fail(unwritten, error, self.0.clock.instant());
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.url).finish()
    }
}
