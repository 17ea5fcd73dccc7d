//! The raw limit: the rows that the platform writes for a message, inserted as one would, a statement for
//! each, so many in a transaction; with rusqlite, as the platform does it, and with sqlx, which sends each
//! statement to a thread.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part of this, and has no outside")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use pcd_platform::model::{Clock, Fingerprint, MessageId, PatientKey, SearchKey, Searched, SessionId};
use pcd_platform::store::{MessageRecord, Store, Verdict};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _};
use tokio::runtime::Runtime;

/// A store of its own, beside that of the platform, with the same schema and the same promises.
pub struct Plain {
    connection: rusqlite::Connection,
    runtime: Runtime,
    sqlx: SqliteConnection,
    clock: Clock,
}

/// What the rows are inserted with.
#[derive(Clone, Copy)]
pub enum With {
    Rusqlite,
    Sqlx,
}

impl Plain {
    pub fn begin(folder: &Path) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let path: PathBuf = folder.join("plain.db");
        let sqlx = runtime.block_on(async {
            let store = Store::open(&*format!("sqlite:{}", path.display()), Clock::system()).await;
            store.expect("a store").close().await;
            let options = SqliteConnectOptions::new()
                .filename(&path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true);
            SqliteConnection::connect_with(&options).await.expect("a connection")
        });
        let connection = rusqlite::Connection::open(&path).expect("a connection");
        connection
            .execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA foreign_keys = on")
            .expect("settings");
        Self { connection, runtime, sqlx, clock: Clock::system() }
    }

    /// Rows per second, with so many in a transaction.
    pub fn rate(&mut self, with: With, batch: u64, during: Duration) -> f64 {
        let clock = self.clock.clone();
        let began = clock.instant();
        let elapsed = || clock.instant().saturating_duration_since(began);
        let mut rows = 0;
        while elapsed() < during {
            self.insert(with, batch, batch);
            rows += batch;
        }
        rows as f64 / elapsed().as_secs_f64()
    }

    /// Inserts `count` messages, `batch` in a transaction.
    pub fn insert(&mut self, with: With, batch: u64, count: u64) {
        let mut left = count;
        while left > 0 {
            let rows = left.min(batch);
            match with {
                With::Rusqlite => self.transaction(rows).expect("inserted"),
                With::Sqlx => {
                    self.runtime.block_on(transaction(&mut self.sqlx, &self.clock, rows)).expect("inserted")
                }
            }
            left -= rows;
        }
    }

    fn transaction(&self, rows: u64) -> rusqlite::Result<()> {
        let prepared = |sql| self.connection.prepare_cached(sql);
        prepared("BEGIN IMMEDIATE")?.execute([])?;
        for _ in 0..rows {
            let record = message(&self.clock);
            prepared(INSERT_MESSAGE)?.execute(rusqlite::params![
                record.id.as_bytes(),
                record.received_at.as_microsecond(),
                record.event_time.map(|time| time.as_microsecond()),
                record.device.as_str(),
                record.session.to_string(),
                record.fingerprint.to_string(),
                record.peer.to_string(),
                record.transaction,
                record.message_type,
                record.control_id,
                record.sending_application,
                Fingerprint::sha256(&record.raw).as_bytes(),
                record.acknowledgement.as_ref(),
                record.raw.as_ref(),
            ])?;
            let row = rusqlite::params![record.received_at.as_microsecond(), details(&record)];
            prepared(INSERT_AUDIT)?.execute(row)?;
        }
        prepared("COMMIT")?.execute([]).map(drop)
    }
}

async fn transaction(connection: &mut SqliteConnection, clock: &Clock, rows: u64) -> Result<(), sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    for _ in 0..rows {
        let record = message(clock);
        sqlx::query(INSERT_MESSAGE)
            .bind(record.id.as_bytes().as_slice())
            .bind(record.received_at.as_microsecond())
            .bind(record.event_time.map(|time| time.as_microsecond()))
            .bind(record.device.as_str())
            .bind(record.session.to_string())
            .bind(record.fingerprint.to_string())
            .bind(record.peer.to_string())
            .bind(record.transaction.as_deref())
            .bind(&record.message_type)
            .bind(&record.control_id)
            .bind(&record.sending_application)
            .bind(Fingerprint::sha256(&record.raw).as_bytes().as_slice())
            .bind(record.acknowledgement.as_ref())
            .bind(record.raw.as_ref())
            .execute(&mut *connection)
            .await?;
        let audit =
            sqlx::query(INSERT_AUDIT).bind(record.received_at.as_microsecond()).bind(details(&record));
        audit.execute(&mut *connection).await?;
    }
    connection.execute("COMMIT").await.map(drop)
}

const INSERT_MESSAGE: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, acknowledgement, raw
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, '[]', '[\"00A037EB2175780F\"]', ?, ?)";

const INSERT_AUDIT: &str = "
INSERT INTO audit (node, number, at, event, details, hash)
SELECT 'plain', coalesce(max(sequence), 0) + 1, ?, 'message-accepted', ?, zeroblob(32) FROM audit";

fn details(record: &MessageRecord) -> String {
    format!(r#"{{"device":"{}","message":"{}","session":"{}"}}"#, record.device, record.id, record.session)
}

/// One of three hundred patients, and an order of its own. `PCD_BENCH_KEYS=0`: none.
fn keys(id: &MessageId) -> Vec<SearchKey> {
    static KEY: LazyLock<Option<PatientKey>> = LazyLock::new(|| {
        let is_wanted = std::env::var("PCD_BENCH_KEYS").map_or(true, |keys| keys != "0");
        is_wanted.then(|| PatientKey::new(b"benchmark"))
    });
    let Some(key) = &*KEY else { return Vec::new() };
    let patient = id.as_bytes().iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte)) % 300;
    let patient = key.search_key(Searched::Patient, &patient.to_string());
    let order = key.search_key(Searched::Order, &id.to_string());
    patient.into_iter().chain(order).collect()
}

/// A PCD-01 of 1 KB with a control id of its own.
pub fn message(clock: &Clock) -> MessageRecord {
    let now = clock.now();
    let id = MessageId::at(now);
    let control_id = id.to_string();
    let mut raw = format!(
        "MSH|^~\\&|PUMP^00A037EB2175780F^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE\r"
    );
    for line in 1..=11 {
        let observation = format!(
            "OBX|{line}|NM|158009^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.{line}|100.0|265266^MDC_DIM^MDC|||||R\r"
        );
        raw.push_str(&observation);
    }
    MessageRecord {
        id,
        session: SessionId::at(now),
        device: "PUMP-1".parse().expect("a device id"),
        fingerprint: Fingerprint::sha256(b"certificate"),
        peer: ([192, 0, 2, 7], 50123).into(),
        received_at: now,
        event_time: Some(now),
        transaction: Some("PCD-01".to_owned()),
        message_type: "ORU^R01^ORU_R01".to_owned(),
        control_id,
        sending_application: "PUMP^00A037EB2175780F^EUI-64".to_owned(),
        verdict: Verdict::Accepted,
        warnings: Vec::new(),
        identities: vec!["00A037EB2175780F".to_owned()],
        not_allowed: Vec::new(),
        alerts: Vec::new(),
        keys: keys(&id),
        raw: Bytes::from(raw),
        acknowledgement: Bytes::from_static(b"MSH|^~\\&|PLATFORM\rMSA|CA|1\r"),
        envelope: Bytes::new(),
        forward: None,
        reconsideration: None,
    }
}
