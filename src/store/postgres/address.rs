//! The address of the store's servers, as `[store] url` says it and nothing else: no variable of the
//! environment and no `~/.pgpass` changes it.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tracing::log::LevelFilter;

use super::endpoint::{Endpoint, decoded, endpoints};
use crate::model::SchemaName;
use crate::store::error::StoreError;

/// Where the servers are and how to connect to them. There is no `Debug`: it holds a password.
#[derive(Clone)]
pub(in crate::store) struct Address {
    /// At least one.
    pub(in crate::store) endpoints: Vec<Endpoint>,
    user: Option<String>,
    password: Option<String>,
    database: String,
    ssl_mode: Option<PgSslMode>,
    root_certificate: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
}

impl Address {
    /// Parses `postgres://USER@HOST[:PORT],…/DATABASE?PARAMETERS`.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, StoreError> {
        Self::read(url).ok_or(StoreError::Url)
    }

    fn read(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
        if rest.contains('#') {
            return None;
        }
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (credentials, None),
        };
        let mut address = Self {
            endpoints: Vec::new(),
            user: Some(decoded(user)?).filter(|user| !user.is_empty()),
            password,
            database: decoded(database)?,
            ssl_mode: None,
            root_certificate: None,
            client_certificate: None,
            client_key: None,
        };
        let (mut hosts, mut ports) = (hosts.to_owned(), None);
        for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let value = decoded(value)?;
            match name {
                "host" | "hostaddr" => hosts = value,
                "port" => ports = Some(value),
                _ => address.set(name, value)?,
            }
        }
        address.endpoints = endpoints(&hosts, ports.as_deref())?;
        (!address.database.is_empty()).then_some(address)
    }

    fn set(&mut self, name: &str, value: String) -> Option<()> {
        match name {
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "dbname" => self.database = value,
            "sslmode" => self.ssl_mode = Some(PgSslMode::from_str(&value).ok()?),
            "sslrootcert" => self.root_certificate = Some(value.into()),
            "sslcert" => self.client_certificate = Some(value.into()),
            "sslkey" => self.client_key = Some(value.into()),
            // A server that takes no writes is of no use, so both are always so.
            "target_session_attrs" if matches!(value.as_str(), "read-write" | "primary") => {}
            _ => return None,
        }
        Some(())
    }

    /// The variable of the environment that sqlx would follow although the URL says nothing about it, and
    /// that cannot be overridden. The program removes them all at its start.
    pub(super) fn overriding_variable(&self) -> Option<&'static str> {
        let rules = [
            ("PGOPTIONS", true),
            ("PGUSER", self.user.is_none()),
            ("PGSSLCERT", self.client_certificate.is_none()),
            ("PGSSLKEY", self.client_key.is_none()),
        ];
        let set = rules.into_iter().find(|(name, applies)| *applies && std::env::var_os(name).is_some());
        set.map(|(name, _)| name)
    }

    /// The name of the database.
    pub(in crate::store) fn database(&self) -> &str {
        &self.database
    }

    /// The file with the private key of the client certificate.
    pub(super) fn client_key(&self) -> Option<&Path> {
        self.client_key.as_deref()
    }

    /// How to connect to one of the endpoints. `password` takes precedence over the one in the URL.
    ///
    /// The session searches `schema` alone, behind the server's own names and before temporary ones, whatever
    /// the server, the database or the role have set: what others create elsewhere is never found. Nor do
    /// they decide how statements are read and results are written ([`SETTINGS`]).
    pub(super) fn options(
        &self,
        endpoint: &Endpoint,
        password: Option<&str>,
        schema: &SchemaName,
    ) -> PgConnectOptions {
        // The constructor reads the environment: everything that it sets is set again.
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(endpoint.tls_name())
            .port(endpoint.port)
            .database(&self.database)
            .password(password.or(self.password.as_deref()).unwrap_or_default())
            .ssl_mode(self.ssl_mode(endpoint))
            .application_name("pcd-platform")
            .options([("search_path", search_path(schema).as_str())])
            .options(SETTINGS)
            .log_statements(LevelFilter::Trace)
            // A slow disk or server would fill the log with them.
            .log_slow_statements(LevelFilter::Debug, SLOW_STATEMENT);
        if let Some(user) = &self.user {
            options = options.username(user);
        }
        if let Some(folder) = endpoint.socket() {
            options = options.socket(folder);
        }
        options = match &self.root_certificate {
            Some(file) => options.ssl_root_cert(file),
            None => options.ssl_root_cert_from_pem(Vec::new()),
        };
        if let Some(file) = &self.client_certificate {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.client_key {
            options = options.ssl_client_key(file);
        }
        options
    }

    /// Messages contain patient data. A connection that does not leave the machine needs no TLS; any other
    /// needs TLS and an authenticated server.
    fn ssl_mode(&self, endpoint: &Endpoint) -> PgSslMode {
        let default = if endpoint.is_local() { PgSslMode::Prefer } else { PgSslMode::VerifyFull };
        self.ssl_mode.unwrap_or(default)
    }
}

/// What the sessions of the platform search, as `current_setting` shows it.
pub(super) fn search_path(schema: &SchemaName) -> String {
    format!("{schema},pg_temp")
}

/// On what the platform's statements, what they mean and their results depend, and what administrators set
/// for a role, a database or the server, be it for their own tools. What a session begins with comes before
/// that. sqlx sets the time zone, the encoding and the form of dates and numbers. The timeouts are those of
/// the platform: each kind of session sets its own, and a migration takes as long as it takes. Settings that
/// only newer servers have are set when the session is examined.
const SETTINGS: [(&str, &str); 11] = [
    ("bytea_output", "hex"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("exit_on_error", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// A statement that took so long is one for who looks for the cause (`log.level = "debug"`).
const SLOW_STATEMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Option<Vec<String>> {
        Some(Address::parse(url).ok()?.endpoints.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_url_has_one_or_several_hosts_with_their_ports() {
        for (url, endpoints) in [
            ("postgres://pcd@db/pcd", "db:5432"),
            ("postgresql://pcd@db.example:6432/pcd", "db.example:6432"),
            ("postgres://pcd@one,two:5433/pcd?target_session_attrs=read-write", "one:5432 two:5433"),
            ("postgres://pcd@one,two/pcd?port=1,2&target_session_attrs=primary", "one:1 two:2"),
            ("postgres://pcd@one,two/pcd?port=7", "one:7 two:7"),
            ("postgres://pcd@[::1]:7,[2001:db8::1]/pcd", "::1:7 2001:db8::1:5432"),
            ("postgres://pcd@%2Frun%2Fpg:7/pcd", "/run/pg:7"),
            ("postgres://pcd@/pcd?host=/run/pg&port=7", "/run/pg:7"),
            ("postgres://pcd@ignored/pcd?hostaddr=192.0.2.1", "192.0.2.1:5432"),
        ] {
            assert_eq!(shown(url).map(|shown| shown.join(" ")).as_deref(), Some(endpoints), "{url}");
        }
    }

    #[test]
    fn a_url_that_could_be_read_in_two_ways_is_refused() {
        for url in [
            "postgres://host",
            "postgres://host/",
            "postgres:///pcd",
            "postgres://pcd@one,,two/pcd",
            "postgres://pcd@one/pcd?port=1,2",
            "postgres://pcd@host:0/pcd",
            "postgres://pcd@host:port/pcd",
            "postgres://pcd@host/pcd?sslmode=sometimes",
            "postgres://pcd@host/pcd?pasword=s3cret",
            "postgres://pcd@host/pcd?options=-c%20fsync=off",
            "postgres://pcd@host/pcd?target_session_attrs=any",
            "postgres://pcd@host/pcd?target_session_attrs=standby",
            "postgres://pcd:s3#cret@host/pcd",
            "postgres://pcd:%zz@host/pcd",
            "mysql://pcd@host/pcd",
        ] {
            assert!(shown(url).is_none(), "{url}");
        }
    }
}
