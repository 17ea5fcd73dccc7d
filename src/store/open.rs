//! Opens a store: assembles the database, the queue in front of its writer, and the readers.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::Connection as _;

use crate::model::{Clock, NodeName, StoreUrl};
use crate::store::error::StoreError;
use crate::store::handle::{Opener, Place, Store};
use crate::store::instance::Instance;
use crate::store::instance::file_lock::Purpose;
use crate::store::instance::process::ProcessId;
use crate::store::migration::plan::MigrationPlan;
use crate::store::migration::policy::MigrationPolicy;
use crate::store::own_chain::OwnChain;
use crate::store::postgres::location::Location;
use crate::store::read::reader::Reader;
use crate::store::server::risks::ObservedRisks;
use crate::store::sqlite::database_file::DatabaseFile;
use crate::store::write::queue::Queue;
use crate::store::{postgres, sqlite};

impl Store {
    /// Opens the store at `url`, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`, as the node with the name
    /// of this machine. Creates it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// When the URL is neither, the store cannot be opened, or a later version has migrated it.
    pub async fn open(url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        Self::open_as(NodeName::from_hostname(), url, clock).await
    }

    /// The same as the node of this name, which has an audit chain of its own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_as(node: NodeName, url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        Self::open_within(OwnChain::new(node), &url.into(), MigrationPolicy::Always, clock).await
    }

    /// Opens a store that is there and needs no migration, for a command. Creates and migrates nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Outdated`] and [`StoreError::Newer`] say what to do; others as
    /// [`Store::open`].
    pub async fn open_existing(
        node: NodeName,
        url: impl Into<StoreUrl>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Self::open_within(OwnChain::new(node), &url.into(), MigrationPolicy::Never, clock).await
    }

    /// The same to read it, whatever its risks ([`Store::risks`]), and with what the node remembers of its
    /// chain outside of the store. Nothing is written to a store with a risk that is not accepted
    /// ([`StoreError::Risky`]), nor to one that does not contain what is remembered
    /// ([`StoreError::Diverged`]).
    ///
    /// # Errors
    /// As [`Store::open_existing`].
    pub async fn open_to_read(
        chain: OwnChain,
        url: impl Into<StoreUrl>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let url = url.into();
        let database = Database::parse(&url, &clock)?;
        database.risks().open_to_read();
        Self::open_at(chain, url, database, MigrationPolicy::Never, clock).await
    }

    /// Opens the store for the one process that serves `node`; see [`Store::keep_instance`]. Creates or
    /// migrates it as far as `policy` allows. On a server it waits up to eleven seconds for the lease of a
    /// process that has died.
    ///
    /// # Errors
    /// [`StoreError::AlreadyServed`] names the process that serves the node; [`StoreError::TooLarge`] when
    /// `policy` does not allow the migration; others as [`Store::open`].
    pub async fn serve(
        node: NodeName,
        url: impl Into<StoreUrl>,
        policy: MigrationPolicy,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Self::serve_chain(OwnChain::new(node), url, policy, clock).await
    }

    /// The same, with what the node remembers of its chain outside of the store.
    ///
    /// # Errors
    /// [`StoreError::Diverged`] when the store does not contain that; others as [`Store::serve`].
    pub async fn serve_chain(
        chain: OwnChain,
        url: impl Into<StoreUrl>,
        policy: MigrationPolicy,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let node = chain.node().clone();
        let (url, process) = (url.into(), ProcessId::new(clock.now()));
        let database = Database::parse(&url, &clock)?;
        let instance = match &database {
            Database::Server(location) => {
                let lease =
                    postgres::open::prepare_to_serve(location, policy, &node, process, &clock).await?;
                Instance::Server(Box::new(lease))
            }
            Database::File(location) => {
                let lock = sqlite::open::lock(location, &node, Purpose::Serve)?;
                sqlite::open::prepare(location, policy).await?;
                Instance::File(lock, Box::new(DatabaseFile::open(location)?))
            }
        };
        let opener = Opener { chain, process, instance: Some(instance) };
        let store = Self::assemble(url, database, opener, clock).await?;
        if let Err(error) = store.require_own_end().await {
            store.close().await;
            return Err(error);
        }
        store.release_former_claims().await?;
        Ok(store)
    }

    /// Whether there is no store at `url`: no file, or a database without the tables of the platform. Creates
    /// nothing.
    ///
    /// # Errors
    /// When the file or the server cannot be used.
    pub async fn is_missing(url: &StoreUrl, clock: &Clock) -> Result<bool, StoreError> {
        match Database::parse(url, clock)? {
            Database::File(location) => location.is_missing(),
            Database::Server(location) => postgres::schema::is_missing(&location).await,
        }
    }

    /// Waits until the server of `url` can be used, for at most `limit`; a file is not waited for. `report`
    /// gets each error, and the time that is left.
    ///
    /// # Errors
    /// The last error after that time, or the first one that does not pass by itself, such as a wrong
    /// password.
    pub async fn await_server(
        url: &StoreUrl,
        limit: Duration,
        clock: &Clock,
        mut report: impl FnMut(&StoreError, Duration),
    ) -> Result<(), StoreError> {
        if !url.is_postgres() {
            return Ok(());
        }
        let location = Location::parse(url, clock)?;
        let began = clock.instant();
        loop {
            let error = match location.connect().await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(error) => error,
            };
            let left = limit.saturating_sub(clock.instant().saturating_duration_since(began));
            if left.is_zero() || !error.may_pass() {
                return Err(error);
            }
            report(&error, left);
            tokio::time::sleep(SERVER_RETRY_DELAY.min(left)).await;
        }
    }

    /// The file of the store at `url`; `None` for a server, or a URL that cannot be used.
    #[must_use]
    pub fn file_at(url: &StoreUrl) -> Option<PathBuf> {
        if url.is_postgres() {
            return None;
        }
        sqlite::location::Location::parse(url).ok().map(|location| location.path().to_owned())
    }

    /// What [`Store::migrate`] would do to the store at `url`. Changes nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or a later version has migrated it.
    pub async fn plan_migration(url: impl Into<StoreUrl>) -> Result<MigrationPlan, StoreError> {
        let url = url.into();
        if url.is_postgres() {
            postgres::schema::plan(&Location::parse(&url, &Clock::system())?).await
        } else {
            sqlite::schema::plan(&sqlite::location::Location::parse(&url)?).await
        }
    }

    /// Creates the store at `url`, or brings its schema up to date, whatever its size; what was done.
    ///
    /// # Errors
    /// [`StoreError::AlreadyServed`] when a process serves the file, [`StoreError::Migrating`] when one
    /// migrates it; others as [`Store::open`].
    pub async fn migrate(node: &NodeName, url: impl Into<StoreUrl>) -> Result<MigrationPlan, StoreError> {
        let url = url.into();
        if url.is_postgres() {
            let location = Location::parse(&url, &Clock::system())?;
            return postgres::open::prepare(&location, MigrationPolicy::Always).await;
        }
        let location = sqlite::location::Location::parse(&url)?;
        let plan = sqlite::schema::plan(&location).await?;
        if !plan.is_pending() {
            return Ok(plan);
        }
        let _lock = sqlite::open::lock(&location, node, Purpose::Migrate)?;
        let plan = sqlite::open::prepare(&location, MigrationPolicy::Always).await?;
        Ok(MigrationPlan { serving: Vec::new(), ..plan })
    }

    async fn open_within(
        chain: OwnChain,
        url: &StoreUrl,
        policy: MigrationPolicy,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let database = Database::parse(url, &clock)?;
        Self::open_at(chain, url.clone(), database, policy, clock).await
    }

    async fn open_at(
        chain: OwnChain,
        url: StoreUrl,
        database: Database,
        policy: MigrationPolicy,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        match &database {
            Database::Server(location) => drop(postgres::open::prepare(location, policy).await?),
            Database::File(location) => drop(sqlite::open::prepare(location, policy).await?),
        }
        let opener = Opener { chain, process: ProcessId::new(clock.now()), instance: None };
        Self::assemble(url, database, opener, clock).await
    }

    /// Opens a store whose schema is up to date.
    async fn assemble(
        url: StoreUrl,
        database: Database,
        opener: Opener,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let (chain, risks) = (opener.chain.clone(), database.risks().clone());
        let (queue, reader, server, checkpointer_ended) = match database {
            Database::Server(location) => {
                let process = opener.instance.as_ref().map(|_| opener.process);
                let server = location.clone();
                let (writer, pool) =
                    postgres::open::open(location.for_process(process), chain, clock.clone()).await?;
                (Queue::start(writer), Reader::Postgres(pool), Some(server), None)
            }
            Database::File(location) => {
                let (writer, pool) = sqlite::open::open(location, chain)?;
                let ended = writer.checkpointer_ended();
                (Queue::start_on_its_own_thread(writer)?, Reader::Sqlite(pool), None, Some(ended))
            }
        };
        Ok(Self::new(queue, reader, url, opener, clock, Place { risks, server }, checkpointer_ended))
    }
}

/// Where a store is.
enum Database {
    Server(Location),
    File(sqlite::location::Location),
}

impl Database {
    fn parse(url: &StoreUrl, clock: &Clock) -> Result<Self, StoreError> {
        if url.is_postgres() {
            Location::parse(url, clock).map(Self::Server)
        } else {
            sqlite::location::Location::parse(url).map(Self::File)
        }
    }

    fn risks(&self) -> &ObservedRisks {
        match self {
            Self::Server(location) => location.risks(),
            Self::File(location) => location.risks(),
        }
    }
}

/// How often a server is tried that cannot be used yet.
const SERVER_RETRY_DELAY: Duration = Duration::from_secs(1);
