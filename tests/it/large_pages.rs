//! How fast pages are over a large directory and many messages, and how much they weigh.
//!
//! The rows are made in bulk in the file of the store, before the platform starts:
//!
//!     PCD_PAGE_ROWS=10000000 cargo test --release --test it -- --ignored --nocapture large_pages
//!
//! Without the variable there are a million messages: they take about a minute to make, and 1.3 GB. The sizes
//! are asserted, the times are printed: they depend on the machine.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pcd_platform::model::Searched;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::harness::{Cli, Site};
use crate::pages::{open, post};

#[path = "../../src/store/tests/rows/mod.rs"]
mod rows;

/// A directory of 5 000 devices with names and wards.
fn directory(site: &Site, cli: &Cli) {
    let mut csv = "cn,kind,name,ward\n".to_owned();
    for number in 0..5000 {
        writeln!(csv, "PUMP-{number},device,Pump {number},Ward {}", number % 40).unwrap();
    }
    let file = site.path().join("devices.csv");
    std::fs::write(&file, csv).unwrap();
    cli.run(&["device", "import", file.to_str().unwrap()]);
}

fn messages(site: &Site, rows: u64) {
    let file = site.path().join("platform.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).pragma("synchronous", "OFF");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        for from in (0..rows).step_by(100_000) {
            let sql = rows::sql(false, from, rows.min(from + 100_000), rows);
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        let store = pcd_platform::store::Store::open(&*format!("sqlite:{}", site.path().join("platform.db").display()),
            pcd_platform::model::Clock::system()).await.unwrap();
        let key = store.patient_key().await;
        store.close().await;
        let patient = |number: &str| key.search_key(Searched::Patient, number).unwrap().number();
        let (rare, busy) = (patient("RARE"), patient("BUSY"));
        // Of each message an order of its own and one of three hundred patients, in the order of the index.
        for sql in [
            "INSERT INTO message_key (hash, message) SELECT random() AS hash, id FROM message ORDER BY hash".to_owned(),
            "INSERT INTO message_key (hash, message)
                SELECT abs(random() % 300) * 982451653 AS hash, id FROM message ORDER BY hash, id".to_owned(),
            format!("INSERT INTO message_key (hash, message) SELECT {rare}, id FROM message WHERE device = 'RARE'"),
            format!("INSERT INTO message_key (hash, message) SELECT {busy}, id FROM message WHERE device = 'SILENT'"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        sqlx::Connection::close(connection).await.unwrap();
    });
}

/// The median of five, in milliseconds, and the size of the page.
fn measured(ask: impl Fn() -> (u16, String, String)) -> (f64, usize) {
    let mut times: Vec<Duration> = Vec::new();
    let mut bytes = 0;
    for _ in 0..5 {
        let begin = Instant::now();
        let (status, _, body) = ask();
        times.push(begin.elapsed());
        assert_eq!(status, 200, "{body}");
        bytes = body.len();
    }
    times.sort_unstable();
    (times[2].as_secs_f64() * 1000.0, bytes)
}

#[test]
#[ignore = "makes many rows; the command is in the first lines of the file"]
fn pages_over_5000_devices_and_a_million_messages_are_fast_and_small() {
    let rows = std::env::var("PCD_PAGE_ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    let rows = rows.max(400) / 400 * 400;
    let site = Site::new();
    let cli = Cli::of(&site);
    directory(&site, &cli);
    messages(&site, rows);
    let platform = site.start();
    // Of the file, nothing is in memory before the first page.
    open(&platform, "/messages");
    for path in [
        "/",
        "/devices",
        "/devices?state=never-seen",
        "/devices?ward=Ward%207",
        "/devices?q=pump%2049",
        "/devices/PUMP-77",
        "/refusals",
        "/trust",
        "/messages",
        "/messages?device=PUMP-77",
        "/messages?verdict=rejected",
        "/messages?reason=identity-mismatch&since=30d",
        "/messages?identity=SUB-RARE",
        "/messages?control-id=77777",
        "/messages?warning=no-such-warning",
        "/orders",
        "/audit",
        "/audit?event=device-added",
        "/system",
    ] {
        let (time, bytes) = measured(|| open(&platform, path));
        println!("{path}: {time:.0} ms, {} kB", bytes / 1000);
        assert!(bytes < 300_000, "{path}: {bytes} bytes");
    }
    for (form, is_found) in [
        ("patient=RARE", true),
        ("patient=BUSY", true),
        ("patient=UNKNOWN", false),
        ("order=UNKNOWN", false),
        ("text=nowhere&device=PUMP-77", false),
        ("text=nowhere&device=GATEWAY", false),
    ] {
        let (time, bytes) =
            measured(|| post(&platform, "/messages/search", &format!("{form}&reason=measured")));
        println!("search for {form}: {time:.0} ms, {} kB", bytes / 1000);
        assert!(bytes < 300_000, "{form}: {bytes} bytes");
        let (_, _, page) = post(&platform, "/messages/search", &format!("{form}&reason=measured"));
        assert_eq!(page.contains("No message fits."), !is_found, "{form}");
    }
}
