//! Where the server is, and a connection to it that keeps what it says it keeps.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tracing::log::LevelFilter;

use super::failure::failure;
use crate::model::StoreUrl;
use crate::store::error::StoreError;

/// Where the store is and how to get in. Shown without password.
#[derive(Clone)]
pub(in crate::store) struct Location {
    url: StoreUrl,
    options: PgConnectOptions,
}

impl Location {
    /// Reads `postgres://USER@HOST/DATABASE`, and the password's file when there is one.
    pub(in crate::store) fn parse(url: &StoreUrl) -> Result<Self, StoreError> {
        let (_, parameters) = url.secret().split_once('?').unwrap_or_default();
        let names = parameters.split('&').filter_map(|pair| pair.split('=').next());
        // The library passes over what it does not know, and writes it into the log.
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
        let chosen = parameters.contains("sslmode=") || std::env::var_os("PGSSLMODE").is_some();
        if !chosen {
            // Messages are about patients. What does not leave the machine needs no TLS; everything else does, and a
            // server that proves who it is.
            let near = options.get_socket().is_some() || is_loopback(options.get_host());
            options = options.ssl_mode(if near { PgSslMode::Prefer } else { PgSslMode::VerifyFull });
        }
        let options = options.application_name("pcd-platform").log_statements(LevelFilter::Trace);
        Ok(Self { url: url.clone(), options })
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    #[cfg(test)]
    pub(in crate::store) fn ssl_mode(&self) -> PgSslMode {
        self.options.get_ssl_mode()
    }

    /// A connection to a server that can be relied on.
    pub(super) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, async {
            let mut connection = PgConnection::connect_with(&self.options).await.map_err(|source| {
                StoreError::Connect { place: self.url.clone(), source: Arc::new(source) }
            })?;
            self.examine(&mut connection).await?;
            Ok(connection)
        });
        connecting.await.map_err(|_| StoreError::Timeout(CONNECT_TIMEOUT))?
    }

    /// The same, with limits for whoever writes.
    pub(in crate::store) async fn connect_to_write(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        prepare(&mut connection, WRITE).await?;
        Ok(connection)
    }

    /// Acknowledged means on disk: a server that does not keep that is refused.
    async fn examine(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let row = sqlx::query(EXAMINE).fetch_one(&mut *connection).await.map_err(failure)?;
        let setting = |column: &str| row.try_get::<String, _>(column).map_err(failure);
        if setting("fsync")? != "on" {
            return Err(StoreError::Server(
                "fsync = off: what it acknowledges is lost when its machine fails; set fsync = on",
            ));
        }
        if setting("server_encoding")? != "UTF8" {
            return Err(StoreError::Server(
                "a database of another encoding than UTF8; make one with ENCODING 'UTF8'",
            ));
        }
        if row.try_get::<i32, _>("version").map_err(failure)? < MIN_SERVER_VERSION {
            return Err(StoreError::Server("a version older than 13"));
        }
        if row.try_get::<bool, _>("standby").map_err(failure)? {
            return Err(StoreError::Server("a standby, which takes no rows; name the primary"));
        }
        // Whatever waits for more than the local disk may stay as it is.
        if setting("synchronous_commit")? == "off" {
            prepare(connection, "SET synchronous_commit = on").await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.url, f)
    }
}

/// What a connection of ours is told before its first use. A statement or a lock that takes too long ends on the server as
/// well, so that a node that lost its connection, or froze, does not hold up the others.
async fn prepare(connection: &mut PgConnection, settings: &'static str) -> Result<(), StoreError> {
    connection.execute(AssertSqlSafe(settings)).await.map(drop).map_err(failure)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The first line of a file that nobody but its owner may read.
fn password(file: &Path) -> Result<String, StoreError> {
    let cannot = |source| StoreError::Password { file: file.to_owned(), source: Arc::new(source) };
    let mut opened = fs::File::open(file).map_err(cannot)?;
    let mode = opened.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(cannot(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others than its owner may read it",
        )));
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).map_err(cannot)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// How long it may take to reach the server.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the tests run on is newer; older ones are not maintained any more.
const MIN_SERVER_VERSION: i32 = 130_000;

const EXAMINE: &str = "
SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('server_encoding') AS server_encoding, current_setting('server_version_num')::int AS version,
    pg_is_in_recovery() AS standby";

/// Shorter than what the writer waits for an answer.
const WRITE: &str = "
SET lock_timeout = '4s'; SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '8s'";

/// What may follow the `?` of the URL.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "user", "password", "dbname"];
