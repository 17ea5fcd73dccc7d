//! Stores and records for tests, made at run time.

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use self::cluster::Cluster;
use super::{MessageRecord, Store, Verdict};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, Fingerprint, MessageId, SessionId, StoreRisk, StoreUrl};

/// A temporary store: a file, or a database of the cluster that all tests share.
pub(crate) struct TestStore {
    directory: TempDir,
    /// The URL of the database; none for a file.
    database: Option<String>,
    pub(crate) clock: Clock,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_750_000_000).unwrap());
        Self { directory: tempfile::tempdir().unwrap(), database: None, clock }
    }

    pub(crate) fn on_postgres() -> Self {
        Self::on(cluster::shared())
    }

    /// A new database of this server.
    pub(crate) fn on(server: &Cluster) -> Self {
        Self { database: Some(server.database()), ..Self::new() }
    }

    /// An empty store on the same kind of database.
    pub(crate) fn another(&self) -> Self {
        if self.is_postgres() { Self::on_postgres() } else { Self::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("platform.db")
    }

    pub(crate) fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite:{}", self.path().display()))
    }

    /// The same, of a store whose triggers a test may change.
    pub(crate) fn tampered_url(&self) -> StoreUrl {
        let accepted = [StoreRisk::TriggersOff, StoreRisk::ForeignCode, StoreRisk::ChangedIndex];
        StoreUrl::new(self.url()).with_accepted_risks(accepted.into_iter().collect())
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        self.database.is_some()
    }

    /// Opens the store; a second call acts as a second process.
    pub(crate) async fn open(&self) -> Store {
        Store::open(self.tampered_url(), self.clock.clone()).await.unwrap()
    }

    pub(crate) async fn open_as(&self, node: &str) -> Store {
        Store::open_as(node.parse().unwrap(), self.tampered_url(), self.clock.clone()).await.unwrap()
    }

    /// A connection to the database besides the store, with every privilege.
    pub(crate) async fn connect_directly(&self) -> DirectConnection {
        match &self.database {
            Some(url) => DirectConnection::Postgres(PgConnection::connect(url).await.unwrap()),
            None => {
                let url = format!("sqlite://{}", self.path().display());
                DirectConnection::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
        }
    }

    /// Runs `sql` on the database, besides the store.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        self.connect_directly().await.execute(sql).await
    }

    pub(crate) fn record(&self, control_id: &str, raw: &'static [u8]) -> MessageRecord {
        let now = self.clock.now();
        MessageRecord {
            id: MessageId::at(now),
            session: SessionId::at(now),
            device: "PUMP-1".parse().unwrap(),
            fingerprint: Fingerprint::sha256(b"certificate"),
            peer: "192.0.2.7:50123".parse().unwrap(),
            received_at: now,
            event_time: Some(Timestamp::from_second(1_749_999_990).unwrap()),
            transaction: Some("PCD-01".to_owned()),
            message_type: "ORU^R01^ORU_R01".to_owned(),
            control_id: control_id.to_owned(),
            sending_application: "PUMP^00A037EB2175780F^EUI-64".to_owned(),
            verdict: Verdict::Accepted,
            warnings: vec!["eui64-spelling".to_owned()],
            identities: vec!["00A037EB2175780F".to_owned()],
            not_allowed: Vec::new(),
            alerts: Vec::new(),
            keys: Vec::new(),
            raw: Bytes::from_static(raw),
            acknowledgement: Bytes::from_static(b"MSH|^~\\&|\rMSA|CA|1\r"),
            envelope: Bytes::new(),
            forward: None,
            reconsideration: None,
        }
    }

    pub(crate) fn rejected(&self, control_id: &str, raw: &'static [u8]) -> MessageRecord {
        let verdict = Verdict::Rejected { code: "identity-mismatch".to_owned() };
        MessageRecord { verdict, ..self.record(control_id, raw) }
    }
}

pub(crate) fn gateway(name: &str) -> Device {
    Device {
        id: name.parse().unwrap(),
        kind: DeviceKind::Gateway,
        status: DeviceStatus::Active,
        issuers: Vec::new(),
        speaks_for: vec!["00A037*".parse().unwrap(), "0004A30000000001".parse().unwrap()],
        acknowledge: AcknowledgeAs::AsAsked,
        silent_after: None,
        expected: false,
        receives_orders: true,
        note: "ward 7".to_owned(),
        learns_until: None,
        about: crate::authz::About::default(),
    }
}

/// A connection to the database that does not belong to the store.
pub(crate) enum DirectConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl DirectConnection {
    pub(crate) async fn execute(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        }
    }

    /// The first column of the rows of `sql`, as texts.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_all(connection).await.unwrap(),
        }
    }
}

/// Runs each of the named tests, which take a [`TestStore`], on each of the databases.
macro_rules! battery {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store::fixtures::TestStore::new()).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::store::fixtures::TestStore::on_postgres()).await;
            })*
        }
    };
}
pub(crate) use battery;

#[path = "../../tests/cluster/mod.rs"]
pub(crate) mod cluster;
