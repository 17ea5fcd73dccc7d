//! Durable messages per second of the real platform, end to end: mutual TLS, PCD-01 of 1 KB, each sent when
//! the one before was acknowledged. Beside it, in turns and on the same disk, what plain inserts of the same
//! rows with sqlx reach in batches of the size that the platform's own had.
//!
//! `PCD_BENCH_SECONDS` (5), `PCD_BENCH_ROUNDS` (3) and `PCD_BENCH_CONNECTIONS` (`1,16,64`) change the course,
//! `PCD_BENCH_STORE` the place (`postgres://…`: then there is no comparison), `PCD_BENCH_BINARY` the
//! platform.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's own time, and waits for it"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark that meets the unexpected stops")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on ends; its results are its output"
)]

mod plain;
mod site;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pcd_platform::interface_b::Observation;
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use plain::{Plain, With};
use site::{Platform, Site, process_time};

/// The length of a message, with the bytes of its frame.
const SIZE: usize = 1024;
/// In place of a control id in the frame that was made before.
const NUMBER: &str = "0000000000000000";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--load") {
        let word = |next: usize| arguments[at + next].as_str();
        let (address, folder) = (word(1).parse().expect("an address"), PathBuf::from(word(2)));
        let (connections, seconds) = (word(3).parse().expect("a number"), word(4).parse().expect("a number"));
        return load(address, &folder, connections, Duration::from_secs(seconds));
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (seconds, rounds) = (number("PCD_BENCH_SECONDS", 5), number("PCD_BENCH_ROUNDS", 3));
    let connections = std::env::var("PCD_BENCH_CONNECTIONS").unwrap_or_else(|_| "1,16,64".to_owned());
    for connections in connections.split(',') {
        measure(connections.trim().parse().expect("a number"), seconds, rounds);
    }
}

/// One line for each round, and the median of what they say.
fn measure(connections: u64, seconds: u64, rounds: u64) {
    let site = Site::new();
    let elsewhere = std::env::var("PCD_BENCH_STORE").ok();
    if let Some(url) = &elsewhere {
        site.keep_in(url);
    }
    site.device("LOAD", KeyType::Ecc);
    let platform = Platform::start(&site);
    // A Postgres may know it from the last time.
    platform.try_command(&site, &["device", "add", "LOAD"]);
    let mut plain = elsewhere.is_none().then(|| Plain::begin(site.path()));
    let (mut rates, mut shares) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        let seconds = if round == 0 { 1 } else { seconds };
        let batches = || {
            (
                platform.metric("pcd_store_batch_messages_sum"),
                platform.metric("pcd_store_batch_messages_count"),
            )
        };
        let (before, spent_before) = (batches(), process_time(platform.pid()));
        let load = generate(&site, platform.address, connections, seconds);
        let (after, spent) = (batches(), process_time(platform.pid()) - spent_before);
        let value = |key: &str| load[key].as_f64().expect("a number");
        let (messages, rate) = (value("messages"), value("messages") / value("seconds"));
        let batch = ((after.0 - before.0) / (after.1 - before.1).max(1.0)).max(1.0);
        let per_message = |time: f64| time / messages * 1e6;
        print!(
            "{connections:>3} connections: {rate:>8.0} messages/s, p50 {:>6.0} µs, p99 {:>6.0} µs, {batch:>5.1} in a batch; \
             processor: platform {:>5.1} µs, generator {:>5.1} µs a message",
            value("p50"),
            value("p99"),
            per_message(spent.as_secs_f64()),
            per_message(value("processor")),
        );
        if let Some(plain) = &mut plain {
            // Half as long is enough, and the store grows less.
            let during = Duration::from_secs(seconds.div_ceil(2));
            let limit = plain.rate(With::Rusqlite, batch.round() as u64, during);
            print!("; plain inserts {limit:>8.0}/s: {:>4.0} %", 100.0 * rate / limit);
            let sqlx = plain.rate(With::Sqlx, batch.round() as u64, during);
            print!("; with sqlx {sqlx:>8.0}/s: {:>4.0} %", 100.0 * rate / sqlx);
            if round > 0 {
                shares.push(rate / limit);
            }
        }
        println!();
        if round > 0 {
            rates.push(rate);
        }
    }
    rates.sort_by(f64::total_cmp);
    shares.sort_by(f64::total_cmp);
    let median = |values: &[f64]| values.get(values.len() / 2).copied();
    print!("{connections:>3} connections, median: {:.0} messages/s", median(&rates).unwrap_or_default());
    match median(&shares) {
        // One connection has one message in a batch: so long as one insert, synchronised, takes.
        Some(share) if connections == 1 => {
            println!(", each {:.2} times as long as an insert", 1.0 / share);
        }
        Some(share) => println!(", {:.0} % of plain inserts", 100.0 * share),
        None => println!(),
    }
}

/// The load, from a process of its own.
fn generate(site: &Site, to: SocketAddr, connections: u64, seconds: u64) -> Value {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--load", &to.to_string()])
        .arg(site.path())
        .args([connections.to_string(), seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("this program");
    serde_json::from_slice(&output.stdout).expect("a result")
}

/// One thread, one frame made before for each connection, whose number is written into it: the generator
/// should take as little of the machine as it can. Prints what it saw.
fn load(to: SocketAddr, folder: &Path, connections: usize, during: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let result = runtime.block_on(async {
        let connector = TlsConnector::from(Arc::new(client(folder)));
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let tcp = TcpStream::connect(to).await.expect("a connection");
            tcp.set_nodelay(true).expect("no delay");
            streams.push(connector.connect(ServerName::from(to.ip()), tcp).await.expect("a session"));
        }
        let spent = process_time(std::process::id());
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (index, stream) in streams.into_iter().enumerate() {
            tasks.spawn(converse(stream, index, began + during));
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done.expect("a conversation"));
        }
        let seconds = began.elapsed().as_secs_f64();
        let spent = process_time(std::process::id()) - spent;
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len().saturating_sub(1) * share / 100);
        json!({
            "messages": latencies.len(),
            "seconds": seconds,
            "processor": spent.as_secs_f64(),
            "p50": at(50),
            "p99": at(99),
        })
    });
    println!("{result}");
}

fn client(folder: &Path) -> ClientConfig {
    let at = |end: &str| folder.join("pki/device").join(format!("LOAD.ecc.{end}"));
    site::client_config(&folder.join("pki"), &site::Credential { chain: at("chain.pem"), key: at("key") })
}

/// Sends, waits for the acknowledgement, sends again; how many microseconds each took.
async fn converse(mut stream: TlsStream<TcpStream>, index: usize, end: Instant) -> Vec<u32> {
    let (mut frame, places) = frame();
    // Numbers that no other connection and no other run uses.
    let run = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_millis() as u64;
    let mut number = (run << 20 | index as u64) << 16;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut answer = Vec::with_capacity(4096);
    while Instant::now() < end {
        // No hexadecimal number of 16 digits: OBR-3.1 would be one as well, and taken for an EUI-64.
        let digits = format!("N{:015x}", number & (u64::MAX >> 4));
        number += 1;
        for place in &places {
            frame[*place..place + NUMBER.len()].copy_from_slice(digits.as_bytes());
        }
        let began = Instant::now();
        stream.write_all(&frame).await.expect("written");
        stream.flush().await.expect("written");
        answer.clear();
        while !answer.ends_with(b"\x1C\r") {
            assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "the platform has closed");
        }
        latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        let expected = format!("MSA|CA|{digits}");
        let acknowledged = answer.windows(expected.len()).any(|window| window == expected.as_bytes());
        assert!(acknowledged, "{}", String::from_utf8_lossy(&answer));
    }
    stream.shutdown().await.expect("closed");
    latencies
}

/// A frame of [`SIZE`] bytes, and where its control id stands.
fn frame() -> (Vec<u8>, Vec<usize>) {
    let observation = Observation {
        sender: "LOAD",
        equipment: "LOAD",
        control_id: NUMBER,
        at: Clock::system().now(),
        saturation: 97,
        pulse: 71,
    };
    let mut frame = [b"\x0B", observation.to_message().as_ref(), b"NTE|1||"].concat();
    frame.resize(SIZE.saturating_sub(3).max(frame.len()), b'x');
    frame.extend_from_slice(b"\r\x1C\r");
    let places = (0..frame.len()).filter(|at| frame[*at..].starts_with(NUMBER.as_bytes())).collect();
    (frame, places)
}
