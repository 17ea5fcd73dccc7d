//! What the layout of the store costs a message, on SQLite: processor time, bytes written and stored, by
//! table and index. The messages are those of simulated equipment of every kind and vendor, with a seed that
//! no dictionary of the store was made with.
//!
//!     cargo bench --bench layout
//!
//! `PCD_BENCH_MESSAGES` is their number (40 000), `PCD_BENCH_ROUNDS` how often they are stored (3). Processor
//! time is that of the process: that of 64 senders and of reading each batch back is in it.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on ends, or prints its result"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pcd_platform::model::{Clock, Fingerprint, MessageId, PatientKey, SearchKey, Searched, SessionId};
use pcd_platform::simulate::traffic::{Equipment, Kind, Schedule, Sending, Topic, Vendor};
use pcd_platform::store::{MessageRecord, Store, Verdict};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    let number = |name: &str, usual| {
        std::env::var(name).map_or(usual, |value| value.parse::<usize>().expect("a number"))
    };
    let (messages, rounds) = (number("PCD_BENCH_MESSAGES", 40_000), number("PCD_BENCH_ROUNDS", 3));
    let runtime = Runtime::new().expect("a runtime");
    let clock = Clock::system();
    for round in 1..=rounds {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let file = folder.path().join("platform.db");
        let lanes = lanes(messages, &clock);
        let raw: usize = lanes.iter().flatten().map(|record| record.raw.len()).sum();
        let store = runtime.block_on(Store::open(&*format!("sqlite:{}", file.display()), clock.clone()));
        let store = store.expect("a store");
        let (begin, spent, written) = (clock.instant(), process_time(), bytes_written());
        let stored = runtime.block_on(record(&store, lanes));
        let (spent, written) = (process_time() - spent, bytes_written() - written);
        let elapsed = clock.instant() - begin;
        runtime.block_on(store.close());
        let each = |total: f64| total / stored as f64;
        println!(
            "round {round}: {stored} messages of {:.0} bytes, {:.0} per second; for each {:.1} µs of processor, \
             {:.0} bytes written",
            each(raw as f64),
            stored as f64 / elapsed.as_secs_f64(),
            each(spent.as_secs_f64() * 1e6),
            each(written as f64),
        );
        if round == rounds {
            print_sizes(&file, stored, raw);
        }
    }
}

/// The messages of each sender: of 64 pieces of equipment, turn by turn.
fn lanes(messages: usize, clock: &Clock) -> Vec<Vec<MessageRecord>> {
    const KINDS: [Kind; 8] = [
        Kind::Monitor,
        Kind::Pump,
        Kind::Monitor,
        Kind::Pump,
        Kind::Ventilator,
        Kind::Tracked,
        Kind::Monitor,
        Kind::Reporter,
    ];
    let vendors =
        [Vendor::Framework, Vendor::BBraun, Vendor::Philips, Vendor::Ge, Vendor::Draeger, Vendor::Mindray];
    let topics = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Waveforms).collect();
    let schedule = Schedule { interval: Duration::from_secs(10), topics };
    let equipment: Vec<_> = KINDS.iter().cycle().zip(0..SENDERS).collect();
    let mut lanes: Vec<Vec<MessageRecord>> = Vec::new();
    lanes.resize_with(equipment.len(), Vec::new);
    let (mut count, mut turn) = (0, 0);
    while count < messages {
        for (((kind, place), vendor), lane) in equipment.iter().zip(vendors.iter().cycle()).zip(&mut lanes) {
            let equipment = Equipment::new(format!("0253494D{place:08X}"), **kind, *place, SEED);
            for report in schedule.due(&equipment, turn) {
                let control_id = format!("{}-6B0C2601-{}", equipment.id, lane.len());
                let at = clock.now();
                let sending = Sending {
                    vendor: *vendor,
                    sender: &equipment.id,
                    equipment: &equipment,
                    control_id: &control_id,
                    at,
                    run: "7",
                };
                let raw = report.message(&sending);
                lane.push(message(&equipment.id, *place, &control_id, report.transaction(), raw, at));
                count += 1;
            }
        }
        turn += 1;
    }
    lanes
}

fn message(
    id: &str,
    place: u32,
    control_id: &str,
    transaction: &str,
    raw: Bytes,
    at: Timestamp,
) -> MessageRecord {
    let own = MessageId::at(at);
    let sending_application = format!("SIM^{id}^EUI-64");
    let acknowledgement = format!(
        "MSH|^~\\&|PCD-PLATFORM|General Hospital|{sending_application}|SIMULATED|20261129131802+0000||ACK^R01^ACK|\
         {own}|P|2.6|||NE|NE||UNICODE UTF-8\rMSA|CA|{control_id}\r"
    );
    MessageRecord {
        id: own,
        session: SessionId::at(Timestamp::from_second(1_790_000_000 + i64::from(place)).expect("a time")),
        device: id.parse().expect("a device id"),
        fingerprint: Fingerprint::sha256(id.as_bytes()),
        peer: ([127, 1, 0, 11], 34_000 + u16::try_from(place).expect("a few senders")).into(),
        received_at: at,
        event_time: Some(at),
        transaction: Some(transaction.to_uppercase()),
        message_type: "ORU^R01^ORU_R01".to_owned(),
        control_id: control_id.to_owned(),
        sending_application,
        verdict: Verdict::Accepted,
        warnings: vec!["not-clinical".to_owned()],
        identities: vec![id.to_owned()],
        not_allowed: Vec::new(),
        alerts: Vec::new(),
        keys: keys(place, control_id),
        raw,
        acknowledgement: acknowledgement.into(),
        envelope: Bytes::new(),
        forward: None,
        reconsideration: None,
    }
}

/// The patient of the equipment and an order of the message. `PCD_BENCH_KEYS=0`: none.
fn keys(place: u32, control_id: &str) -> Vec<SearchKey> {
    if std::env::var("PCD_BENCH_KEYS").is_ok_and(|keys| keys == "0") {
        return Vec::new();
    }
    let key = PatientKey::new(b"benchmark");
    let patient = key.search_key(Searched::Patient, &place.to_string());
    let order = key.search_key(Searched::Order, control_id);
    patient.into_iter().chain(order).collect()
}

/// Stores the messages, each sender one after the other. Returns how many.
async fn record(store: &Store, lanes: Vec<Vec<MessageRecord>>) -> usize {
    let senders: Vec<_> = lanes
        .into_iter()
        .map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                let count = lane.len();
                for message in lane {
                    store.record(message).await.expect("stored");
                }
                count
            })
        })
        .collect();
    let mut stored = 0;
    for sender in senders {
        stored += sender.await.expect("a sender");
    }
    stored
}

/// The bytes that each table and index occupies for a message, the largest first.
fn print_sizes(file: &Path, messages: usize, raw: usize) {
    let connection = rusqlite::Connection::open(file).expect("a file");
    let mut statement =
        connection.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").expect("a statement");
    let sizes = statement.query_map([], |row| Ok((row.get::<_, i64>(1)?, row.get(0)?))).expect("sizes");
    let mut sizes: Vec<(i64, String)> = sizes.collect::<Result<_, _>>().expect("sizes");
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let each = |bytes: i64| bytes as f64 / messages as f64;
    for (bytes, name) in sizes.iter().filter(|(bytes, _)| each(*bytes) >= 1.0) {
        println!("  {name:<30} {:>7.0} bytes", each(*bytes));
    }
    let whole: i64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    println!(
        "  {:<30} {:>7.0} bytes, {:.2} × the message",
        "together",
        each(whole),
        whole as f64 / raw as f64
    );
}

/// The processor time of this process; Linux counts hundredths of a second.
fn process_time() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").expect("Linux");
    // Behind the name, which may hold blanks: proc(5), fields 14 and 15.
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.map(|field| field.parse::<u64>().expect("a number")).sum::<u64>() * 10)
}

/// The bytes that this process has had written to disks: proc(5), `write_bytes`.
fn bytes_written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("a line");
    line.parse().expect("a number")
}

const SENDERS: u32 = 64;

/// That of the measured messages: the dictionary is made with another one.
const SEED: u64 = 1;
