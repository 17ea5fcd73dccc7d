//! The address of the server, and connections to it whose commits are durable.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tracing::log::LevelFilter;

use super::durability;
use super::failure::classify;
use crate::filesystem::NotPrivate;
use crate::model::StoreUrl;
use crate::store::error::StoreError;
use crate::store::instance::process::ProcessId;
use crate::store::server::risks::ObservedRisks;

/// The address of the server and how to connect to it. `Debug` does not show the password.
#[derive(Clone)]
pub(in crate::store) struct Location {
    url: StoreUrl,
    options: PgConnectOptions,
    /// The process that serves a node, for the fence of its writing connections: see
    /// [`crate::store::instance::lease`].
    process: Option<ProcessId>,
    risks: ObservedRisks,
}

impl Location {
    /// Parses `postgres://USER@HOST/DATABASE`, and reads the password file if the URL has one.
    pub(in crate::store) fn parse(url: &StoreUrl) -> Result<Self, StoreError> {
        let (_, parameters) = url.secret().split_once('?').unwrap_or_default();
        let names = parameters.split('&').filter_map(|pair| pair.split('=').next());
        // sqlx ignores unknown parameters and writes them to the log.
        if names.filter(|name| !name.is_empty()).any(|name| !PARAMETERS.contains(&name)) {
            return Err(StoreError::Url);
        }
        let mut options = PgConnectOptions::from_str(url.secret()).map_err(|_| StoreError::Url)?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(StoreError::Url);
        }
        if let Some(file) = url.password_file() {
            options = options.password(&password(file)?);
        }
        // sqlx reads the client's key without a look at its permissions. It decodes the value; a path that
        // needs that is not found here.
        if let Some(key) = parameters.split('&').find_map(|pair| pair.strip_prefix("sslkey=")) {
            open_private(Path::new(key)).map(drop).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(unusable(Path::new(key), error)),
            })?;
        }
        let chosen = parameters.contains("sslmode=") || std::env::var_os("PGSSLMODE").is_some();
        if !chosen {
            // Messages contain patient data. A connection that does not leave the machine needs no TLS; any
            // other needs TLS and an authenticated server.
            let is_local = options.get_socket().is_some() || is_loopback(options.get_host());
            options = options.ssl_mode(if is_local { PgSslMode::Prefer } else { PgSslMode::VerifyFull });
        }
        let options = options.application_name("pcd-platform").log_statements(LevelFilter::Trace);
        let risks = ObservedRisks::new(url.accepted_risks());
        Ok(Self { url: url.clone(), options, process: None, risks })
    }

    /// The same place, for the process that serves a node.
    pub(in crate::store) fn for_process(self, process: Option<ProcessId>) -> Self {
        Self { process, ..self }
    }

    pub(in crate::store) const fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The risks of the server, as observed by the connections of this location and its clones.
    pub(in crate::store) const fn risks(&self) -> &ObservedRisks {
        &self.risks
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    #[cfg(test)]
    pub(in crate::store) fn ssl_mode(&self) -> PgSslMode {
        self.options.get_ssl_mode()
    }

    /// Connects, and checks that the server's commits are durable.
    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, async {
            let mut connection = PgConnection::connect_with(&self.options).await.map_err(|source| {
                StoreError::Connect { place: self.url.clone(), source: Arc::new(source) }
            })?;
            self.examine(&mut connection).await?;
            Ok(connection)
        });
        connecting.await.map_err(|_| StoreError::Timeout(CONNECT_TIMEOUT))?
    }

    /// Connects, and sets the timeouts of the writer.
    pub(in crate::store) async fn connect_to_write(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        prepare(&mut connection, WRITE).await?;
        durability::accept(&mut connection, self.risks.accepted()).await?;
        if let Some(process) = self.process {
            // A UUID has no quotes.
            prepare(&mut connection, &format!("SET pcd.process = '{process}'")).await?;
        }
        Ok(connection)
    }

    /// Refuses a server whose commits are not durable, or that cannot store all messages.
    async fn examine(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let row = sqlx::query(EXAMINE).fetch_one(&mut *connection).await.map_err(classify)?;
        if row.try_get::<String, _>("server_encoding").map_err(classify)? != "UTF8" {
            return Err(StoreError::Server(
                "using a database with another encoding than UTF8; create one with ENCODING 'UTF8'",
            ));
        }
        if row.try_get::<i32, _>("version").map_err(classify)? < MIN_SERVER_VERSION {
            return Err(StoreError::Server("older than PostgreSQL 13; upgrade it"));
        }
        if row.try_get::<bool, _>("standby").map_err(classify)? {
            return Err(StoreError::Server("a standby, which is read-only; connect to the primary"));
        }
        self.risks.observe(durability::examine(connection).await?);
        self.risks.require_accepted()
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.url, f)
    }
}

/// Runs `settings` on a new connection. The server ends statements and locks that take too long as well, so
/// that a node that froze or lost its connection does not block the other nodes.
async fn prepare(connection: &mut PgConnection, settings: &str) -> Result<(), StoreError> {
    connection.execute(AssertSqlSafe(settings.to_owned())).await.map(drop).map_err(classify)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The first line of the password file, which only its owner may read.
fn password(file: &Path) -> Result<String, StoreError> {
    let mut text = String::new();
    let read = open_private(file).and_then(|mut opened| opened.read_to_string(&mut text));
    read.map_err(|error| unusable(file, error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Opens a file that no other account can read or change.
fn open_private(file: &Path) -> io::Result<fs::File> {
    let opened = fs::File::open(file)?;
    match NotPrivate::find(&opened.metadata()?) {
        None => Ok(opened),
        Some(problem) => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the file {problem}"))),
    }
}

fn unusable(file: &Path, error: io::Error) -> StoreError {
    StoreError::Password { file: file.to_owned(), source: Arc::new(error) }
}

/// How long connecting to the server may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The tests run on a newer version; older ones are no longer maintained.
const MIN_SERVER_VERSION: i32 = 130_000;

const EXAMINE: &str = "
SELECT current_setting('server_encoding') AS server_encoding, current_setting('server_version_num')::int AS version,
    pg_is_in_recovery() AS standby";

/// Shorter than the timeout of a commit, so that the server's error arrives first.
const WRITE: &str = "
SET lock_timeout = '4s'; SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '8s'";

/// The parameters that the URL may have.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "user", "password", "dbname"];
