//! Durable records per second: through the store, and beside it plain inserts of the same rows with sqlx.

#![expect(clippy::expect_used, reason = "a measurement that cannot go on ends")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pcd_platform::model::{Clock, Fingerprint, MessageId, SessionId};
use pcd_platform::store::{MessageRecord, Store, Verdict};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn store(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let clock = Clock::system();
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));

    for senders in [64, 1] {
        let (_directory, url, _) = place();
        let store = runtime.block_on(Store::open(&url, clock.clone())).expect("a store");
        group.bench_function(format!("record, {senders} senders"), |bencher| {
            bencher.iter_custom(|count| {
                let begin = clock.instant();
                runtime.block_on(record(&store, &clock, senders, count));
                clock.instant() - begin
            });
        });
        runtime.block_on(store.close());
    }

    for rows in [64, 1] {
        let (_directory, url, path) = place();
        runtime.block_on(async {
            Store::open(&url, clock.clone()).await.expect("a store").close().await;
        });
        let mut connection = runtime.block_on(connect(&path));
        group.bench_function(format!("plain inserts, {rows} in a transaction"), |bencher| {
            bencher.iter_custom(|count| {
                let begin = clock.instant();
                runtime.block_on(insert(&mut connection, &clock, rows, count));
                clock.instant() - begin
            });
        });
        runtime.block_on(connection.close()).expect("closed");
    }
    group.finish();
}

/// On the disk that holds the build, not in a memory file system.
fn place() -> (TempDir, String, std::path::PathBuf) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = directory.path().join("platform.db");
    (directory, format!("sqlite:{}", path.display()), path)
}

async fn record(store: &Store, clock: &Clock, senders: u64, count: u64) {
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (store, clock) = (store.clone(), clock.clone());
            let share = count / senders + u64::from(sender < count % senders);
            tokio::spawn(async move {
                for _ in 0..share {
                    black_box(store.record(message(&clock)).await.expect("stored"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a sender");
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    SqliteConnection::connect_with(&options).await.expect("a connection")
}

async fn insert(connection: &mut SqliteConnection, clock: &Clock, rows: u64, count: u64) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(rows);
        connection.execute("BEGIN IMMEDIATE").await.expect("begun");
        for _ in 0..batch {
            insert_row(connection, &message(clock)).await.expect("inserted");
        }
        connection.execute("COMMIT").await.expect("committed");
        left -= batch;
    }
}

async fn insert_row(connection: &mut SqliteConnection, record: &MessageRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO message (id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction,
            message_type, control_id, sending_application, digest, rejection, warnings, identities, acknowledgement,
            raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, '[]', '[\"00A037EB2175780F\"]', ?, ?)",
    )
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
    .bind(Fingerprint::of(&record.raw).as_bytes().as_slice())
    .bind(record.acknowledgement.as_ref())
    .bind(record.raw.as_ref())
    .execute(&mut *connection)
    .await?;
    let details = format!(
        r#"{{"device":"{}","message":"{}","session":"{}"}}"#,
        record.device, record.id, record.session
    );
    sqlx::query(
        "INSERT INTO audit (node, number, at, event, details, hash)
         SELECT 'plain', coalesce(max(sequence), 0) + 1, ?, 'message-accepted', ?, zeroblob(32) FROM audit",
    )
    .bind(record.received_at.as_microsecond())
    .bind(details)
    .execute(connection)
    .await?;
    Ok(())
}

/// A PCD-01 of 1.5 KB with a control id of its own.
fn message(clock: &Clock) -> MessageRecord {
    let now = clock.now();
    let id = MessageId::at(now);
    let control_id = id.to_string();
    let mut raw = format!(
        "MSH|^~\\&|PUMP^00A037EB2175780F^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE\r"
    );
    for line in 1..=18 {
        let observation = format!(
            "OBX|{line}|NM|158009^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.{line}|100.0|265266^MDC_DIM^MDC|||||R\r"
        );
        raw.push_str(&observation);
    }
    MessageRecord {
        id,
        session: SessionId::at(now),
        device: "PUMP-1".parse().expect("a device id"),
        fingerprint: Fingerprint::of(b"certificate"),
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
        raw: Bytes::from(raw),
        acknowledgement: Bytes::from_static(b"MSH|^~\\&|PLATFORM\rMSA|CA|1\r"),
    }
}

criterion_group!(benches, store);
criterion_main!(benches);
