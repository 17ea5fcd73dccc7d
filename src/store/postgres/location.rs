//! The servers of the store, and connections to the one of them that takes writes and whose commits are
//! durable.
//!
//! Each new connection reads the password file again, and tries the servers in the order of the URL,
//! beginning with the one that was used last. Open connections go on. So a new password needs no restart, and
//! after a failover the writer, the lease and the readers find the other server when they reconnect.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::address::Address;
use super::durability;
use super::endpoint::Endpoint;
use super::failure::classify;
use super::integrity::Expected;
use super::password::{Password, require_private};
use super::relay::Relay;
use crate::model::{Clock, SchemaName, StoreUrl, explained};
use crate::store::error::StoreError;
use crate::store::instance::process::ProcessId;
use crate::store::row::time_from_server;
use crate::store::server::clock::ServerClock;
use crate::store::server::risks::ObservedRisks;

/// The servers of a store and how to connect to them. Clones share everything but the process. `Debug` does
/// not show the password.
#[derive(Clone)]
pub(in crate::store) struct Location {
    servers: Arc<Servers>,
    /// The process that serves a node, for the fence of its writing connections: see
    /// [`crate::store::instance::lease`].
    process: Option<ProcessId>,
}

struct Servers {
    url: StoreUrl,
    address: Address,
    password: Mutex<Password>,
    /// The endpoint that took writes last; at first the first one.
    current: Mutex<Endpoint>,
    risks: ObservedRisks,
    clock: ServerClock,
    /// Whether the schema was found to be that of this program, so that each difference is a risk.
    is_current: AtomicBool,
}

/// What new connections of the readers use.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    password: Option<String>,
}

/// What a reload changes, read and not yet applied. There is no `Debug`: it holds a password.
pub(in crate::store) struct Access {
    password: Password,
}

impl Access {
    pub(in crate::store) fn read(url: &StoreUrl) -> Result<Self, StoreError> {
        Password::read(url.password_file()).map(|password| Self { password })
    }
}

impl Location {
    /// Parses the URL, and reads the password file if there is one.
    pub(in crate::store) fn parse(url: &StoreUrl, clock: &Clock) -> Result<Self, StoreError> {
        let address = Address::parse(url.secret())?;
        if let Some(variable) = address.overriding_variable() {
            return Err(StoreError::Environment(variable));
        }
        if let Some(key) = address.client_key() {
            require_private(key)?;
        }
        let first = address.endpoints.first().cloned().ok_or(StoreError::Url)?;
        let servers = Servers {
            url: url.clone(),
            address,
            password: Mutex::new(Password::read(url.password_file())?),
            current: Mutex::new(first),
            risks: ObservedRisks::new(url.accepted_risks()),
            clock: ServerClock::new(clock.clone()),
            is_current: AtomicBool::new(false),
        };
        Ok(Self { servers: Arc::new(servers), process: None })
    }

    /// The same place, for the process that serves a node.
    pub(in crate::store) fn for_process(self, process: Option<ProcessId>) -> Self {
        Self { process, ..self }
    }

    pub(in crate::store) fn url(&self) -> &StoreUrl {
        &self.servers.url
    }

    /// The risks of the server, as observed by the connections of this location and its clones.
    pub(in crate::store) fn risks(&self) -> &ObservedRisks {
        &self.servers.risks
    }

    /// The schema that holds the tables.
    pub(in crate::store) fn schema(&self) -> &SchemaName {
        self.url().schema()
    }

    /// What the tables have to be.
    pub(in crate::store) fn expected(&self) -> Expected {
        let is_current = self.servers.is_current.load(Ordering::Relaxed);
        if is_current { Expected::ThisVersion } else { Expected::AnyVersion }
    }

    /// From now on the tables have to be those of this program.
    ///
    /// # Errors
    /// [`StoreError::Risky`] when they are not, and that is not accepted.
    pub(super) async fn require_current(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        self.servers.is_current.store(true, Ordering::Relaxed);
        self.examine_risks(connection).await
    }

    /// Examines the server and the tables.
    pub(super) async fn examine_risks(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        self.observe_risks(connection).await?;
        self.risks().require_openable()
    }

    /// The same, whatever is found.
    pub(in crate::store) async fn observe_risks(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        self.risks().observe(durability::examine(connection, self.schema(), self.expected()).await?);
        Ok(())
    }

    /// Connects for a session that reads back what another one has written.
    pub(super) async fn connect_to_read_back(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        prepare(&mut connection, READ_BACK).await?;
        Ok(connection)
    }

    /// The clock of the server, as observed by the connections of this location and its clones.
    pub(in crate::store) fn clock(&self) -> &ServerClock {
        &self.servers.clock
    }

    /// The server that took writes last: `HOST:PORT`.
    pub(in crate::store) fn server(&self) -> String {
        self.current().to_string()
    }

    /// Applies a reload: for connections that are opened from now on.
    pub(in crate::store) fn apply(&self, access: Access) {
        *self.password() = access.password;
    }

    pub(super) fn route(&self) -> Route {
        let endpoint = self.current().clone();
        Route { endpoint, password: self.password().secret().map(str::to_owned) }
    }

    /// How to connect by this route.
    pub(super) fn options(&self, route: &Route) -> PgConnectOptions {
        self.servers.address.options(&route.endpoint, route.password.as_deref(), self.schema())
    }

    #[cfg(test)]
    pub(in crate::store) fn ssl_mode(&self) -> sqlx::postgres::PgSslMode {
        self.options(&self.route()).get_ssl_mode()
    }

    fn password(&self) -> MutexGuard<'_, Password> {
        self.servers.password.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> MutexGuard<'_, Endpoint> {
        self.servers.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the first server that takes writes, and checks that its commits are durable.
    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, StoreError> {
        self.password().refresh();
        let endpoints = &self.servers.address.endpoints;
        let count = endpoints.len();
        let first = endpoints.iter().position(|endpoint| *endpoint == *self.current()).unwrap_or_default();
        let limit = if count == 1 { CONNECT_TIMEOUT } else { CONNECT_TIMEOUT_OF_EACH };
        let mut failures = Vec::new();
        for endpoint in endpoints.iter().cycle().skip(first).take(count) {
            let connecting = tokio::time::timeout(limit, self.connect_to(endpoint));
            match connecting.await.unwrap_or(Err(StoreError::Timeout(limit))) {
                Ok(connection) => {
                    self.use_endpoint(endpoint);
                    return Ok(connection);
                }
                Err(error) => failures.push((endpoint, error)),
            }
        }
        Err(reason(failures))
    }

    fn use_endpoint(&self, endpoint: &Endpoint) {
        let mut current = self.current();
        if *current != *endpoint {
            endpoint.clone_into(&mut current);
            tracing::warn!(server = %endpoint, "connected to another server of the store");
        }
    }

    async fn connect_to(&self, endpoint: &Endpoint) -> Result<PgConnection, StoreError> {
        let Servers { address, url, .. } = &*self.servers;
        // The password is not locked while this waits.
        let mut options = address.options(endpoint, self.password().secret(), self.schema());
        let failed = |source| StoreError::Connect { place: url.clone(), source: Arc::new(source) };
        if let Some((host, port)) = endpoint.tcp() {
            let relay = Relay::connect(host, port).await.map_err(|error| failed(error.into()))?;
            if let Some(relay) = relay {
                options = options.socket(relay.folder());
                tokio::spawn(relay.carry(CONNECT_TIMEOUT));
            }
        }
        let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
        self.examine(&mut connection).await?;
        Ok(connection)
    }

    /// Connects, and sets the timeouts of the writer.
    pub(in crate::store) async fn connect_to_write(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        self.risks().require_accepted()?;
        prepare(&mut connection, WRITE).await?;
        durability::accept(&mut connection, self.risks().accepted()).await?;
        if self.clock().is_manual() {
            // The time of a test is that of its entries.
            prepare(&mut connection, "SET pcd.clock = 'caller'").await?;
        }
        if let Some(process) = self.process {
            // A UUID has no quotes.
            prepare(&mut connection, &format!("SET pcd.process = '{process}'")).await?;
        }
        Ok(connection)
    }

    /// Refuses a server whose commits are not durable, or that cannot store all messages.
    async fn examine(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let asked = self.clock().ask();
        let row = sqlx::query(EXAMINE).fetch_one(&mut *connection).await.map_err(classify)?;
        self.clock().observe(asked, time_from_server(&row, "now")?);
        if row.try_get::<bool, _>("takes_no_writes").map_err(classify)? {
            return Err(StoreError::ReadOnly);
        }
        if row.try_get::<String, _>("server_encoding").map_err(classify)? != "UTF8" {
            return Err(StoreError::Server(
                "using a database with another encoding than UTF8; create one with ENCODING 'UTF8'",
            ));
        }
        if row.try_get::<i32, _>("version").map_err(classify)? < MIN_SERVER_VERSION {
            return Err(StoreError::Server("older than PostgreSQL 13; upgrade it"));
        }
        self.examine_risks(connection).await
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.url(), f)
    }
}

/// Why no server can be used: the one error, or one that does not pass by itself, or all.
fn reason(failures: Vec<(&Endpoint, StoreError)>) -> StoreError {
    if let [(_, error)] = failures.as_slice() {
        return error.clone();
    }
    if let Some((_, error)) = failures.iter().find(|(_, error)| !error.may_pass()) {
        return error.clone();
    }
    let reasons = failures.iter().map(|(endpoint, error)| match error {
        StoreError::Connect { source, .. } => format!("{endpoint}: {}", explained(&**source)),
        error => format!("{endpoint}: {}", explained(error)),
    });
    StoreError::NoServer(reasons.collect::<Vec<_>>().join("; "))
}

/// Runs `settings` on a new connection. The server ends statements and locks that take too long as well, so
/// that a node that froze or lost its connection does not block the other nodes.
async fn prepare(connection: &mut PgConnection, settings: &str) -> Result<(), StoreError> {
    connection.execute(AssertSqlSafe(settings.to_owned())).await.map(drop).map_err(classify)
}

/// How long connecting to the server may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The same of each of several servers.
const CONNECT_TIMEOUT_OF_EACH: Duration = Duration::from_secs(3);

/// The tests run on a newer version; older ones are no longer maintained.
const MIN_SERVER_VERSION: i32 = 130_000;

/// Ends the timeouts that only newer servers have, too.
const EXAMINE: &str = "
SELECT pg_catalog.current_setting('server_encoding') AS server_encoding,
    pg_catalog.current_setting('server_version_num')::int AS version,
    (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS now,
    pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on' AS takes_no_writes,
    (
        SELECT pg_catalog.count(pg_catalog.set_config(name, '0', false)) FROM pg_catalog.pg_settings
        WHERE name IN ('idle_session_timeout', 'transaction_timeout')
    ) AS timeouts";

/// Shorter than the timeout of a commit, so that the server's error arrives first.
const WRITE: &str = "
SET lock_timeout = '4s'; SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '8s'";

/// By the primary key only: also where a plan is made for an empty table and used for a large one.
const READ_BACK: &str = "
SET default_transaction_read_only = on; SET lock_timeout = '4s'; SET statement_timeout = '8s';
SET enable_seqscan = off; SET jit = off";
