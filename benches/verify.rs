//! How long `audit verify` takes, and how much memory: on SQLite and on PostgreSQL.
//!
//!     PCD_BENCH_ROWS=1000000 cargo bench --bench verify

#![allow(clippy::unwrap_used, reason = "the server of the tests, which stops where something is wrong")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on ends, or prints its result"
)]

#[path = "../tests/cluster/mod.rs"]
mod cluster;

use futures_util::future::join_all;
use jiff::Timestamp;
use pcd_platform::audit::{Distrust, Event, Signature, SignatureVerifier};
use pcd_platform::model::{Clock, Fingerprint, MessageId, SessionId};
use pcd_platform::store::Store;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use cluster::Cluster;

fn main() {
    let rows = std::env::var("PCD_BENCH_ROWS")
        .map_or(50_000, |rows| rows.parse().expect("PCD_BENCH_ROWS is a number"));
    let runtime = Runtime::new().expect("a runtime");
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    runtime.block_on(measure(
        "sqlite",
        &format!("sqlite:{}", folder.path().join("platform.db").display()),
        rows,
    ));
    let server = Cluster::start();
    runtime.block_on(measure("postgres", &server.database(), rows));
}

async fn measure(database: &str, url: &str, rows: u64) {
    let clock = Clock::system();
    let store = Store::open(url, clock.clone()).await.expect("a store");
    let begin = clock.instant();
    for _ in 0..rows.div_ceil(BATCH) {
        let written = join_all((0..BATCH).map(|_| store.audit(accepted(&clock)))).await;
        assert!(written.iter().all(Result::is_ok), "a row was not written");
    }
    let written = clock.instant() - begin;
    let before = resident();
    let begin = clock.instant();
    let report = store.verify_audit(&NoVerifier).await.expect("a trail").remove(0);
    let verified = clock.instant() - begin;
    let end = report.verdict.expect("whole").end.number;
    println!(
        "{database}: {end} rows written in {:.1} s, verified in {:.2} s ({:.0} a second), at most {:.0} MB more than before",
        written.as_secs_f64(),
        verified.as_secs_f64(),
        end as f64 / verified.as_secs_f64(),
        resident().saturating_sub(before) as f64 / 1024.0
    );
    store.close().await;
}

/// What the trail says of most messages.
fn accepted(clock: &Clock) -> Event {
    let now = clock.now();
    let device = "00A037FFFE000001".parse().expect("a name");
    let (message, session, digest) = (MessageId::at(now), SessionId::at(now), Fingerprint::sha256(b""));
    Event::MessageAccepted { message, session, device, digest, large: false }
}

/// The most memory that this process ever had, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The trail holds no signature.
struct NoVerifier;

impl SignatureVerifier for NoVerifier {
    fn verify(&self, _: &[u8], _: &Signature, _: Timestamp) -> Result<(), Distrust> {
        Err(Distrust::OtherSigner)
    }
}

const BATCH: u64 = 512;
