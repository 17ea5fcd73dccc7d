//! How long a page of 50 messages takes to list among many: on SQLite and on PostgreSQL, through the store as
//! `message list` asks it.
//!
//!     PCD_BENCH_ROWS=10000000 cargo bench --bench listing
//!
//! Ten million messages take 12 GB for each database, one after the other, in `target/tmp` and in the folder
//! for temporary files. `PCD_BENCH_STORES=postgres` measures one of them.

#![allow(clippy::unwrap_used, reason = "the server of the tests, which stops where something is wrong")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on ends, or prints its result"
)]

#[path = "../tests/cluster/mod.rs"]
mod cluster;
#[path = "../src/store/tests/rows/mod.rs"]
mod rows;

use std::time::Duration;

use pcd_platform::model::{Clock, DeviceId, MessageId};
use pcd_platform::pcd::DeviceIdentity;
use pcd_platform::store::{MessageFilter, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use cluster::Cluster;

fn main() {
    let rows = std::env::var("PCD_BENCH_ROWS")
        .map_or(200_000, |rows| rows.parse().expect("PCD_BENCH_ROWS is a number"));
    let rows = rows.max(400) / 400 * 400;
    let stores = std::env::var("PCD_BENCH_STORES").unwrap_or_else(|_| "sqlite postgres".to_owned());
    let runtime = Runtime::new().expect("a runtime");
    if stores.contains("sqlite") {
        runtime.block_on(sqlite(rows));
    }
    if stores.contains("postgres") {
        runtime.block_on(postgres(rows));
    }
}

async fn sqlite(rows: u64) {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = folder.path().join("platform.db");
    let url = format!("sqlite:{}", file.display());
    open(&url).await.close().await;
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .pragma("synchronous", "OFF")
        .pragma("cache_size", "-262144");
    let mut outside: SqliteConnection = options.connect().await.expect("a connection");
    fill(rows, async |from, to| {
        let sql = AssertSqlSafe(rows::sql(false, from, to, rows));
        sqlx::raw_sql(sql).execute(&mut outside).await.expect("filled");
    })
    .await;
    sqlx::Connection::close(outside).await.expect("closed");
    measure("sqlite", &open(&url).await, rows).await;
}

async fn postgres(rows: u64) {
    let server = Cluster::start();
    let url = server.database();
    let database = url.rsplit('/').next().expect("a name").to_owned();
    open(&url).await.close().await;
    fill(rows, async |from, to| {
        server.sql(&database, &rows::sql(true, from, to, rows));
    })
    .await;
    // As its own housekeeping would.
    server.sql(&database, "VACUUM ANALYZE");
    measure("postgres", &open(&url).await, rows).await;
}

async fn open(url: &str) -> Store {
    Store::open(url, Clock::system()).await.expect("a store")
}

async fn fill(rows: u64, mut insert: impl AsyncFnMut(u64, u64)) {
    let clock = Clock::system();
    let begin = clock.instant();
    let mut from = 0;
    while from < rows {
        let to = rows.min(from + 100_000);
        insert(from, to).await;
        from = to;
    }
    println!("{rows} messages made in {:.0} s", (clock.instant() - begin).as_secs_f64());
}

/// What is listed, how it is called, and how many are found at most.
fn lists() -> Vec<(&'static str, MessageFilter, usize)> {
    let page = || MessageFilter { limit: PAGE, ..MessageFilter::default() };
    let device =
        |name: &str| MessageFilter { device: Some(DeviceId::parse(name).expect("a name")), ..page() };
    let identity = |name: &str| MessageFilter { identity: DeviceIdentity::parse(name), ..page() };
    let rejected = |filter: MessageFilter| MessageFilter { rejected: true, ..filter };
    let full = PAGE as usize;
    vec![
        ("all", page(), full),
        ("rejected", rejected(page()), full),
        ("of a busy gateway", device("GATEWAY"), full),
        ("of a gateway, rejected", rejected(device("GATEWAY")), full),
        ("of a device that fell silent", device("SILENT"), full),
        ("of a silent device, rejected", rejected(device("SILENT")), full),
        ("of a pump", device("PUMP-77"), full),
        ("of a rare device", device("RARE"), 40),
        ("of an unknown device", device("UNKNOWN"), 0),
        ("naming a frequent identity", identity("SUB-77"), full),
        ("naming a rare identity", identity("SUB-RARE"), 40),
        ("naming a silent device", identity("SILENT"), full),
        ("naming an unknown device", identity("UNKNOWN"), 0),
        (
            "of a silent device, naming itself",
            MessageFilter { identity: DeviceIdentity::parse("SILENT"), ..device("SILENT") },
            full,
        ),
        (
            "of a gateway, naming a rare identity",
            MessageFilter { identity: DeviceIdentity::parse("SUB-RARE"), ..device("GATEWAY") },
            40,
        ),
    ]
}

async fn measure(database: &str, store: &Store, rows: u64) {
    println!(
        "{database}, {rows} messages: a page of {PAGE}, in ms: the first, the slowest of {TIMES} more, their median"
    );
    for (name, filter, most) in lists() {
        show(name, &time(store, &filter, most).await);
        // The pages behind it start at any place.
        if most == PAGE as usize {
            let deep: Vec<_> = (1..=TIMES as u64).map(|n| id(rows / 2 * n / (TIMES as u64 + 1))).collect();
            let mut spent = Vec::new();
            for before in deep {
                spent
                    .push(once(store, &MessageFilter { before: Some(before), ..filter.clone() }, most).await);
            }
            show("    somewhere in the middle", &spent);
        }
    }
    store.close().await;
}

/// The name of the `n`th message.
fn id(n: u64) -> MessageId {
    let milliseconds = 1_750_000_000_000 + u128::from(n);
    MessageId::from_bytes((milliseconds << 80 | 7 << 76 | 2 << 62 | u128::from(n)).to_be_bytes())
}

async fn time(store: &Store, filter: &MessageFilter, most: usize) -> Vec<Duration> {
    let mut spent = Vec::new();
    for _ in 0..=TIMES {
        spent.push(once(store, filter, most).await);
    }
    spent
}

async fn once(store: &Store, filter: &MessageFilter, most: usize) -> Duration {
    let clock = Clock::system();
    let begin = clock.instant();
    let found = store.messages(filter).await.expect("a list");
    let spent = clock.instant() - begin;
    assert!(found.len() <= most && (most == 0 || !found.is_empty()), "{} found", found.len());
    spent
}

fn show(name: &str, spent: &[Duration]) {
    let (first, more) = spent.split_first().expect("measured");
    let mut more = more.to_vec();
    more.sort();
    let ms = |spent: &Duration| spent.as_secs_f64() * 1000.0;
    let median = ms(more.get(more.len() / 2).expect("measured"));
    let slowest = ms(more.last().expect("measured"));
    let over = if ms(first).max(slowest) < BOUND_MS { "" } else { "   over 20 ms" };
    println!("  {name:<40} {:8.2} {slowest:8.2} {median:8.2}{over}", ms(first));
}

const PAGE: u32 = 50;
const TIMES: usize = 20;
const BOUND_MS: f64 = 20.0;
