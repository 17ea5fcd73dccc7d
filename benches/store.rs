//! Durable records per second: through the store on SQLite and on PostgreSQL, and beside it plain inserts of
//! the same rows; and what a signature over the audit chain would add to a commit if each were signed.
//!
//! `cargo bench --bench store -- senders` measures the stores only.

#![allow(clippy::unwrap_used, reason = "the server of the tests, which stops where something is wrong")]
#![expect(clippy::expect_used, reason = "a measurement that cannot go on ends")]

#[path = "../tests/cluster/mod.rs"]
mod cluster;
mod plain;

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pcd_platform::model::Clock;
use pcd_platform::store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use cluster::Cluster;
use plain::{Plain, With, message};

fn store(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let clock = Clock::system();
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(5));

    let server = Cluster::start();
    for (database, senders) in [("sqlite", 64), ("sqlite", 1), ("postgres", 64), ("postgres", 1)] {
        let directory = folder();
        let url = match database {
            "sqlite" => format!("sqlite:{}", directory.path().join("platform.db").display()),
            _ => server.database(),
        };
        let store = runtime.block_on(Store::open(&*url, clock.clone())).expect("a store");
        group.bench_function(format!("record on {database}, {senders} senders"), |bencher| {
            bencher.iter_custom(|count| {
                let begin = clock.instant();
                runtime.block_on(record(&store, &clock, senders, count));
                clock.instant() - begin
            });
        });
        runtime.block_on(store.close());
    }

    for (with, name) in [(With::Rusqlite, "rusqlite"), (With::Sqlx, "sqlx")] {
        for rows in [64, 1] {
            let directory = folder();
            let mut plain = Plain::begin(directory.path());
            group.bench_function(format!("plain inserts with {name}, {rows} in a transaction"), |bencher| {
                bencher.iter_custom(|count| {
                    let begin = clock.instant();
                    plain.insert(with, rows, count);
                    clock.instant() - begin
                });
            });
        }
    }
    group.finish();
}

/// What is signed is the node, a number and a hash.
fn signature(criterion: &mut Criterion) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let random = SystemRandom::new();
    criterion.bench_function("a signature over the audit chain, ECDSA P-256", |bencher| {
        bencher.iter(|| key.sign(&random, black_box(&[7; 96])).expect("signed"));
    });
}

/// On the disk that holds the build, not in a memory file system.
fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
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

criterion_group!(benches, store, signature);
criterion_main!(benches);
