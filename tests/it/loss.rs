//! What the store does when its disk is full, may not be written, loses power or stands still: what was
//! acknowledged is there, what is not there was not acknowledged, and senders wait under backpressure, not in
//! memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::runtime::Runtime;

use crate::harness::{
    Cli, Disk, Platform, Site, Wal, Wire, eventually, field, framed, message, where_one_may_mount,
};

const NAME: &str = "00A037FFFE000001";
/// Longer than any answer may take while the store fails: another process holding it is waited for five
/// seconds, and the machine may be busy.
const BOUND: Duration = Duration::from_secs(30);

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

/// A platform whose store is on a small disk of its own.
fn start_on(disk: &str) -> (Site, Disk, Platform, Wire) {
    let site = Site::new().with("store", "url = \"sqlite:disk/platform.db\"");
    let disk = Disk::mount(&site.path().join("disk"), disk);
    let platform = site.start();
    platform.admit(NAME, &[]);
    let wire = connect(&site, &platform);
    (site, disk, platform, wire)
}

/// A message that takes some pages of the store, acknowledged in the enhanced or in the original mode (HL7
/// 2.6 ch. 2, 2.9).
fn large(id: &str, original: bool) -> Vec<u8> {
    let mut text = String::from_utf8(message(NAME, id).to_vec()).unwrap();
    if original {
        text = text.replace("|AL|NE|", "|||");
    }
    text.push_str(&format!("NTE|1||{}\r", "x".repeat(20_000)));
    framed(text.as_bytes())
}

/// Sends until the store fails; every message before that was acknowledged. The control ids of those.
fn send_until_refused(wire: &mut Wire, prefix: &str) -> Vec<String> {
    let mut acknowledged = Vec::new();
    // The write-ahead log may have room for some.
    for number in 0..500 {
        let (id, original) = (format!("{prefix}{number}"), number % 2 == 1);
        let began = Instant::now();
        wire.write(&large(&id, original));
        let answer = wire.answer().unwrap();
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        assert_eq!(field(&answer, "MSA", 2), id);
        match (field(&answer, "MSA", 1), original) {
            ("CA", false) | ("AA", true) => acknowledged.push(id),
            ("CE", false) | ("AE", true) => {
                assert_eq!(field(&answer, "ERR", 3).split('^').next(), Some("207"), "{answer:?}");
                assert_eq!(
                    field(&answer, "ERR", 5).split('^').next(),
                    Some("store-unavailable"),
                    "{answer:?}"
                );
                return acknowledged;
            }
            _ => panic!("{answer:?}"),
        }
    }
    panic!("the store never failed");
}

/// The reason why the store is not ready, once it is not.
fn reason(platform: &Platform) -> String {
    let mut reason = String::new();
    eventually("it is not ready", || {
        let (status, body) = platform.get("/readyz");
        let body: Value = serde_json::from_str(&body).unwrap();
        reason = body["checks"]["store"]["reason"].as_str().unwrap_or_default().to_owned();
        status == 503
    });
    reason
}

fn comes_back(platform: &Platform) {
    eventually("it is ready again", || platform.get("/readyz").0 == 200);
}

/// Every one of these is in the store, and every message that is there is there once; the trail is whole.
fn holds(cli: &Cli, acknowledged: &[String]) -> BTreeSet<String> {
    let listed = cli.json(&["message", "list", "--limit", "1000000"]);
    let stored: BTreeSet<_> =
        listed.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stored.len(), listed.len(), "nothing is stored twice");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let (status, output, _) = cli.try_run(&["audit", "verify"]);
    assert!(status.success(), "{output}");
    stored
}

#[test]
fn a_full_disk_leaves_messages_with_their_senders_and_passes_without_a_restart() {
    let name = "loss::a_full_disk_leaves_messages_with_their_senders_and_passes_without_a_restart";
    where_one_may_mount(name, || {
        let (_site, disk, platform, mut wire) = start_on("8m");
        wire.write(&large("before", false));
        assert_eq!(wire.verdict(), ("CA".to_owned(), "before".to_owned()));
        let mut refused_messages = 0;
        let began = Instant::now();
        for round in 0..2 {
            disk.fill();
            let mut acknowledged = send_until_refused(&mut wire, &format!("{round}-"));
            let reason = reason(&platform);
            assert!(reason.contains("full"), "{reason}");
            // The same message again, as its sender would.
            let refused = format!("{round}-{}", acknowledged.len());
            for _ in 0..100 {
                wire.write(&large(&refused, false));
                assert_eq!(wire.verdict(), ("CE".to_owned(), refused.clone()));
                refused_messages += 1;
            }
            disk.free();
            comes_back(&platform);
            let original = acknowledged.len() % 2 == 1;
            wire.write(&large(&refused, original));
            let positive = if original { "AA" } else { "CA" };
            assert_eq!(wire.verdict(), (positive.to_owned(), refused.clone()), "the same connection goes on");
            acknowledged.extend([refused, "before".to_owned()]);
            holds(platform.cli(), &acknowledged);
        }
        let log = platform.log();
        let lines = log.lines().filter(|line| line.contains("ERROR")).count() as u64;
        let most = 2 + began.elapsed().as_secs() / 10;
        assert!((1..=most).contains(&lines), "{refused_messages} refused, {lines} errors: {log}");
        let stopped = platform.stop();
        assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    });
}

#[test]
fn an_unwritable_store_is_reported_and_recovers_without_a_restart() {
    let name = "loss::an_unwritable_store_is_reported_and_recovers_without_a_restart";
    where_one_may_mount(name, || {
        let (site, disk, platform, mut wire) = start_on("8m");
        // What is open stays writable; after a failure the store is opened again.
        disk.fill();
        let acknowledged = send_until_refused(&mut wire, "");
        disk.forbid_writing();
        disk.free();
        let refused = acknowledged.len().to_string();
        wire.write(&large(&refused, false));
        assert_eq!(wire.verdict(), ("CE".to_owned(), refused.clone()), "there is space, but not for us");
        let reason = reason(&platform);
        assert!(reason.contains("readonly") || reason.contains("unable to open"), "{reason}");
        // Nor can a second one start.
        let (status, _, output) = Cli::of(&site).try_run(&["serve"]);
        assert_eq!(status.code(), Some(69), "{output}");
        assert!(output.contains("store"), "{output}");

        disk.allow_writing();
        comes_back(&platform);
        wire.write(&large(&refused, false));
        assert_eq!(wire.verdict(), ("CA".to_owned(), refused.clone()));
        let stored = holds(platform.cli(), &acknowledged);
        assert!(stored.contains(&refused));
    });
}

pub fn outside(database: &Path) -> (Runtime, SqliteConnection) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = runtime.block_on(options.connect()).unwrap();
    // SQLite opens the write-ahead log when it reads first.
    runtime.block_on(sqlx::query("SELECT 1 FROM device").fetch_all(&mut connection)).unwrap();
    (runtime, connection)
}

#[test]
fn a_message_that_the_store_refuses_does_not_hold_up_those_beside_it() {
    let site = Site::new().with_changed_triggers();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let (runtime, mut database) = outside(&site.path().join("platform.db"));
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON message WHEN NEW.control_id LIKE 'POISON%'
         BEGIN SELECT RAISE(ABORT, 'poison'); END";
    runtime.block_on(sqlx::raw_sql(poison).execute(&mut database)).unwrap();
    let mut wires: Vec<_> = (0..3).map(|_| connect(&site, &platform)).collect();
    let id = |wire: usize, number: usize| {
        let word = if number % 5 == wire { "POISON" } else { "GOOD" };
        format!("{word}-{wire}-{number}")
    };
    for (wire, connection) in wires.iter_mut().enumerate() {
        let frames: Vec<_> = (0..20).map(|number| framed(&message(NAME, &id(wire, number)))).collect();
        connection.write(&frames.concat());
    }
    let mut good = Vec::new();
    for (wire, connection) in wires.iter_mut().enumerate() {
        for number in 0..20 {
            let id = id(wire, number);
            let code = if id.starts_with("POISON") { "CE" } else { "CA" };
            assert_eq!(connection.verdict(), (code.to_owned(), id.clone()));
            if code == "CA" {
                good.push(id);
            }
        }
    }
    assert_eq!(holds(platform.cli(), &good).len(), good.len());
    assert_eq!(platform.get("/readyz").0, 200, "one record is no failure of the store");
    // Once it can be stored, it is.
    runtime.block_on(sqlx::raw_sql("DROP TRIGGER poison").execute(&mut database)).unwrap();
    wires[0].write(&framed(&message(NAME, "POISON-0-0")));
    assert_eq!(wires[0].verdict().0, "CA");
    runtime.block_on(database.close()).unwrap();
}

/// Numbers that another run does not repeat; `PCD_TEST_SEED` repeats them.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        Self(std::env::var("PCD_TEST_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap()) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// At how many places the log is cut; `PCD_TEST_CUTS=500` for a long run.
fn cuts() -> u64 {
    std::env::var("PCD_TEST_CUTS").map_or(12, |cuts| cuts.parse().unwrap())
}

/// The last signed place, as the log says it: `NUMBER:HASH`.
fn signed_head(log: &str) -> String {
    let mut records = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let signed = records.find(|line| line["message"] == "the audit trail is signed").unwrap();
    format!("{}:{}", signed["number"], signed["hash"].as_str().unwrap())
}

// A power cut loses what was not synchronised: the log ends anywhere behind the last commit.
// Where it ends before, the disk has lied, and then at least nothing may be damaged.
#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged_and_damages_nothing() {
    let site = Site::new().with("log", "format = \"json\"");
    let database = site.path().join("platform.db");
    let platform = site.start();
    platform.admit(NAME, &[]);
    // While another process has it open, the log stays when the platform stops.
    let (runtime, keeps_the_log) = outside(&database);
    let mut wire = connect(&site, &platform);
    let mut acknowledged = Vec::new();
    for number in 0..60 {
        let id = number.to_string();
        wire.write(&framed(&message(NAME, &id)));
        assert_eq!(wire.verdict(), ("CA".to_owned(), id.clone()));
        let wal = Wal::read(&database).unwrap();
        acknowledged.push((id, wal.run, wal.end()));
    }
    let stopped = platform.stop();
    let head = signed_head(&stopped.log);
    let wal = Wal::read(&database).unwrap();
    let bytes = std::fs::read(database.with_extension("db-wal")).unwrap();
    let kept = std::fs::read(&database).unwrap();
    runtime.block_on(keeps_the_log.close()).unwrap();
    assert!(acknowledged.iter().filter(|(_, run, _)| *run == wal.run).count() > 5, "{wal:?}");

    let copy = Site::new();
    let cli = Cli::of(&copy);
    let at = copy.path().join("platform.db");
    let mut dice = Dice::new();
    let seed = dice.0;
    let (length, last) = (bytes.len() as u64, wal.end());
    let restore = |log: &[u8]| {
        std::fs::write(&at, &kept).unwrap();
        std::fs::write(at.with_extension("db-wal"), log).unwrap();
        let _ = std::fs::remove_file(at.with_extension("db-shm"));
    };
    // The signature is a commit of its own, and what it signs ends with one before; other commits follow.
    let has_head = |end: &u64| {
        restore(&bytes[..*end as usize]);
        cli.try_run(&["audit", "verify", "--head", &head]).0.success()
    };
    let signed = wal.commits.iter().rev().copied().take_while(has_head).last().unwrap();
    assert!(signed < last, "{wal:?}");
    let anywhere = (0..cuts()).map(|_| dice.below(length + 1));
    // The edges of a commit as well, and what is certain to hold everything.
    let places: Vec<_> = anywhere.chain([0, signed - 1, signed, last - 1, last, length]).collect();
    let mut cut_before_the_head = 0;
    for (turn, place) in places.into_iter().enumerate() {
        let mut log = bytes[..place as usize].to_vec();
        if turn % 2 == 1 {
            // The length of the file was kept, its bytes were not.
            log.resize(bytes.len(), 0);
        }
        restore(&log);
        let durable: Vec<_> = acknowledged
            .iter()
            .filter(|(_, run, end)| *run != wal.run || *end <= place)
            .map(|(id, ..)| id.clone())
            .collect();
        let context = format!("cut at {place} of {length}, PCD_TEST_SEED={seed}");
        let stored = holds(&cli, &durable);
        if place >= last {
            assert_eq!(stored.len(), acknowledged.len(), "{context}");
        }
        // A trail without its end looks whole by itself; only a stored signed head shows the loss.
        let (status, output, _) = cli.try_run(&["audit", "verify", "--head", &head]);
        assert_eq!(status.success(), place >= signed, "{context}: {output}");
        if place < signed {
            assert!(output.contains("the end was removed or rewritten"), "{context}: {output}");
            cut_before_the_head += 1;
        }
    }
    assert!(cut_before_the_head > 1);
}

/// What a process has in memory, in MiB.
fn memory(platform: &Platform) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A segment of half a mebibyte that cannot be compressed.
fn noise() -> String {
    let mut dice = Dice::new();
    let letters = (0..512 << 10).map(|_| char::from(b'0' + dice.below(64) as u8));
    let letters = letters.map(|letter| if matches!(letter, '\\' | '^') { '~' } else { letter });
    format!("NTE|1||{}\r", letters.collect::<String>())
}

// Backpressure: while the store stands still, the sessions stop reading, and TCP holds the senders back.
#[test]
fn while_the_store_stands_still_memory_does_not_grow_and_every_sender_is_answered_afterwards() {
    const SENDERS: usize = 30;
    // As many as may be in flight, and some more.
    const EACH: usize = 36;
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let (runtime, mut other) = outside(&site.path().join("platform.db"));
    let wires: Vec<_> = (0..SENDERS).map(|_| connect(&site, &platform)).collect();
    // Made before: a sender that pauses within a frame for a second while memory is short loses its session.
    let noises: Vec<_> = (0..SENDERS).map(|_| noise()).collect();
    let before = memory(&platform);
    runtime.block_on(sqlx::query("BEGIN EXCLUSIVE").execute(&mut other)).unwrap();
    let senders: Vec<_> = wires
        .into_iter()
        .enumerate()
        .zip(noises)
        .map(|((sender, mut wire), noise)| {
            std::thread::spawn(move || {
                for number in 0..EACH {
                    let message = message(NAME, &format!("{sender}-{number}"));
                    wire.write(&framed(&[&message[..], noise.as_bytes()].concat()));
                }
                let answers = (0..EACH).map(|number| {
                    let (code, id) = wire.verdict();
                    assert_eq!(id, format!("{sender}-{number}"), "in the order in which they came");
                    assert!(code == "CA" || code == "CE", "{code}");
                    (code == "CA").then_some(id)
                });
                answers.flatten().collect::<Vec<_>>()
            })
        })
        .collect();
    // In flight there may be 30 times 32 messages of half a mebibyte, 480 MiB; the queue has room for 64, of
    // which an allocator that does not give everything back makes up to three times as much.
    let mut most = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        most = most.max(memory(&platform));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(most < before + 325, "{most} MiB in memory, {before} before");
    runtime.block_on(sqlx::query("ROLLBACK").execute(&mut other)).unwrap();
    let acknowledged: Vec<_> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    assert!(!acknowledged.is_empty());
    assert_eq!(holds(platform.cli(), &acknowledged).len(), acknowledged.len());
    comes_back(&platform);
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "after")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "after".to_owned()));
}

// Every commit succeeds in a file that was moved away, and no later process reads it.
#[test]
fn a_database_file_that_is_replaced_takes_no_acknowledged_message_with_it() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    let database = site.path().join("platform.db");
    let copy = site.path().join("copy.db");
    platform.cli().run(&["store", "backup", copy.to_str().unwrap()]);
    std::fs::rename(&copy, &database).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(site.path().join(format!("platform.db{end}")));
    }
    // The platform refuses the message, or has noticed before and is stopping.
    let answer = wire.try_write(&framed(&message(NAME, "2"))).and_then(|()| wire.try_answer());
    let answer = answer.ok().flatten().unwrap_or_default();
    assert!(!answer.contains("MSA|CA|"), "it would be lost: {answer}");
    let stopped = platform.wait();
    assert_eq!(stopped.status.code(), Some(70), "{}", stopped.log);
    assert!(
        stopped.log.contains("was moved, emptied or replaced while the platform used it"),
        "{}",
        stopped.log
    );

    let platform = site.start();
    let mut wire = connect(&site, &platform);
    wire.write(&framed(&message(NAME, "2")));
    assert_eq!(wire.verdict().0, "CA");
    assert_eq!(platform.cli().json(&["message", "list"]).len(), 2);
}

// Commits are in the log alone until a checkpoint. One that is removed or emptied stays writable, and no
// other process reads it: commands would show content, and their audit rows would vanish.
#[test]
fn a_log_that_is_removed_or_emptied_takes_no_acknowledged_message_with_it() {
    for (end, is_removed) in [("-wal", true), ("-wal", false), ("-shm", true)] {
        let site = Site::new();
        let platform = site.start();
        platform.admit(NAME, &[]);
        let mut wire = connect(&site, &platform);
        wire.write(&framed(&message(NAME, "1")));
        assert_eq!(wire.verdict().0, "CA");
        let file = site.path().join(format!("platform.db{end}"));
        if is_removed {
            std::fs::remove_file(&file).unwrap();
        } else {
            std::fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
        }
        let answer = wire.try_write(&framed(&message(NAME, "2"))).and_then(|()| wire.try_answer());
        let answer = answer.ok().flatten().unwrap_or_default();
        assert!(!answer.contains("MSA|CA|"), "{end} {is_removed}: it would be lost: {answer}");
    }
}
