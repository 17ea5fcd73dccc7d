//! How the platform starts, stops, dies and comes back.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::runtime::Runtime;

use crate::harness::{Cli, Platform, Site, Wire, eventually, field, framed, has_read_everything, message};

const NAME: &str = "00A037FFFE000001";

fn connect(site: &Site, platform: &Platform, name: &str) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(name, KeyType::Ecc))
}

fn start(site: &Site) -> (Platform, Wire) {
    let platform = site.start();
    platform.admit(NAME, &[]);
    let wire = connect(site, &platform, NAME);
    // The handshake of TLS 1.3 ends at the client before the platform has a session.
    eventually("the session is open", || platform.log().contains("device connected"));
    (platform, wire)
}

/// Another process with an open write transaction: while it lasts, no other process can write.
pub struct Writing {
    connection: Connection,
    runtime: Runtime,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Writing {
    pub fn begin(site: &Site) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            if let Some(url) = site.database() {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                let hold = "BEGIN; LOCK TABLE message, probe IN EXCLUSIVE MODE";
                // What the platform is writing just now may hold one of them and want the other.
                while sqlx::raw_sql(hold).execute(&mut connection).await.is_err() {
                    sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
                }
                return Connection::Postgres(connection);
            }
            let options = SqliteConnectOptions::new().filename(site.path().join("platform.db"));
            let mut connection = options.busy_timeout(Duration::from_secs(60)).connect().await.unwrap();
            sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
            Connection::Sqlite(connection)
        });
        Self { connection, runtime }
    }

    pub fn end(self) {
        self.runtime.block_on(async {
            match self.connection {
                Connection::Sqlite(mut connection) => {
                    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
                    connection.close().await.unwrap();
                }
                Connection::Postgres(mut connection) => {
                    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
                    connection.close().await.unwrap();
                }
            }
        });
    }
}

/// Waits until the platform has read every message that was sent: their work has begun.
fn are_read(platform: &Platform) {
    eventually("the messages are read", || has_read_everything(platform.address));
}

// RFC 8446 6.1: a peer may take close_notify for the word that everything it has sent was taken.
#[test]
fn a_device_whose_messages_were_not_read_gets_no_close_notify_at_a_shutdown() {
    const OTHER: &str = "00A037FFFE000002";
    let site = Site::new().with("devices", "messages-per-second = 2");
    let (platform, mut begun) = start(&site);
    platform.admit(OTHER, &[]);
    let mut flooding = connect(&site, &platform, OTHER);
    begun.write(&framed(&message(NAME, "1"))[..100]);
    are_read(&platform);
    flooding.write(&(0..100).flat_map(|id| framed(&message(OTHER, &id.to_string()))).collect::<Vec<_>>());
    let pauses = "pcd_read_pauses_total{reason=\"message-rate\"}";
    eventually("the platform reads no more", || platform.metric(pauses) >= 1.0);
    platform.signal(Signal::TERM);
    for wire in [&mut begun, &mut flooding] {
        let mut answers = std::iter::from_fn(|| Some(wire.try_answer()));
        let end = answers.find(|answer| !matches!(answer, Ok(Some(_)))).unwrap();
        assert_eq!(end.expect_err("no close_notify").kind(), ErrorKind::UnexpectedEof);
    }
    assert_eq!(platform.wait().status.code(), Some(0));
}

fn ready(platform: &Platform) -> (u16, serde_json::Value) {
    let (status, body) = platform.get("/readyz");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn a_first_signal_lets_everything_that_has_begun_be_acknowledged() {
    Site::on_each_store()
        .into_iter()
        .for_each(a_first_signal_lets_everything_that_has_begun_be_acknowledged_on);
}

fn a_first_signal_lets_everything_that_has_begun_be_acknowledged_on(site: Site) {
    let (platform, mut wire) = start(&site);
    let mut idle = connect(&site, &platform, NAME);
    eventually("both sessions are open", || platform.log().matches("device connected").count() == 2);
    let writing = Writing::begin(&site);
    wire.write(&[framed(&message(NAME, "1")), framed(&message(NAME, "2"))].concat());
    are_read(&platform);
    platform.signal(Signal::TERM);
    assert_eq!(idle.answer(), None, "who waits for nothing is let go at once, with close_notify");
    // Asked while the platform has something to do, which it has as long as nothing can be written.
    let mut probe = TcpStream::connect(platform.admin).unwrap();
    let question = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", platform.admin);
    probe.write_all(question.as_bytes()).unwrap();
    eventually("the question is read", || has_read_everything(platform.admin));
    writing.end();
    let mut readiness = String::new();
    probe.read_to_string(&mut readiness).unwrap();
    let (head, body) = readiness.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{readiness}");
    assert_eq!(body["checks"]["accepting"]["ok"], false, "no device is sent here");
    for id in ["1", "2"] {
        assert_eq!(wire.verdict(), ("CA".to_owned(), id.to_owned()));
    }
    assert_eq!(wire.answer(), None, "and then close_notify");
    let stopped = platform.wait();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    let cli = Cli::of(&site);
    assert_eq!(cli.json(&["message", "list"]).len(), 2);
    // The last row signs all before it.
    let rows = cli.json(&["audit", "list"]);
    assert_eq!(rows[0]["event"], "audit-signed");
    assert_eq!(
        (&rows[1]["event"], &rows[1]["details"]["reason"]),
        (&"platform-stopped".into(), &"requested".into())
    );
    assert_eq!(rows.iter().filter(|row| row["details"]["why"] == "shutdown").count(), 2);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for store in 0..Site::on_each_store().len() {
        let ends = |_| is_ended_by_a_second_signal(Site::on_each_store().into_iter().nth(store).unwrap());
        assert!((0..5).any(ends), "store {store}");
    }
}

/// `false` where a busy machine was too slow: nothing was left to wait for at the second signal, because the
/// store had refused the message, or the platform had not begun with it.
fn is_ended_by_a_second_signal(site: Site) -> bool {
    let (platform, mut wire) = start(&site);
    let writing = Writing::begin(&site);
    wire.write(&framed(&message(NAME, "1")));
    are_read(&platform);
    platform.signal(Signal::TERM);
    eventually("the first signal is seen", || platform.log().contains("platform is shutting down"));
    // Sooner it would count as the same request.
    std::thread::sleep(Duration::from_millis(1200));
    platform.signal(Signal::INT);
    let stopped = platform.wait();
    writing.end();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    let is_second = stopped.log.contains("a second signal came");
    let answer = wire.try_answer().ok().flatten().map(|answer| field(&answer, "MSA", 1).to_owned());
    assert!(
        matches!(answer.as_deref(), None | Some("CE")),
        "what is not stored is not acknowledged: {answer:?}"
    );
    is_second
}

#[test]
fn a_session_that_does_not_finish_is_waited_for_only_so_long() {
    Site::on_each_store().into_iter().for_each(a_session_that_does_not_finish_is_waited_for_only_so_long_on);
}

fn a_session_that_does_not_finish_is_waited_for_only_so_long_on(site: Site) {
    let site = site.with("interface-a", "drain-timeout = \"500ms\"");
    let (platform, mut wire) = start(&site);
    let writing = Writing::begin(&site);
    wire.write(&framed(&message(NAME, "1")));
    are_read(&platform);
    let stopped = platform.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(stopped.log.contains("drain timeout expired"), "{}", stopped.log);
    writing.end();
}

#[test]
fn while_the_store_cannot_be_written_senders_keep_their_messages() {
    Site::on_each_store()
        .into_iter()
        .for_each(while_the_store_cannot_be_written_senders_keep_their_messages_on);
}

fn while_the_store_cannot_be_written_senders_keep_their_messages_on(site: Site) {
    let (platform, mut wire) = start(&site);
    assert_eq!(ready(&platform).0, 200);
    let writing = Writing::begin(&site);
    let began = Instant::now();
    let original = String::from_utf8(message(NAME, "2").to_vec()).unwrap().replace("|AL|NE|", "|||");
    wire.write(&[framed(&message(NAME, "1")), framed(original.as_bytes())].concat());
    // While a check waits for the store, the last one counts for a moment.
    eventually("it is not ready", || ready(&platform).0 == 503);
    let readiness = ready(&platform).1;
    assert_eq!(readiness["checks"]["store"]["ok"], false, "{readiness}");
    assert!(readiness["checks"]["store"]["reason"].is_string(), "{readiness}");
    for (code, id) in [("CE", "1"), ("AE", "2")] {
        let answer = wire.answer().unwrap();
        assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), (code, id));
        assert_eq!(field(&answer, "ERR", 3).split('^').next(), Some("207"), "{answer:?}");
        assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("store-unavailable"), "{answer:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    writing.end();
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()), "the same connection goes on");
    eventually("it is ready again", || ready(&platform).0 == 200);
    assert_eq!(platform.cli().json(&["message", "list"]).len(), 1);
    assert!(platform.log().contains("ERROR"), "our own fault is logged: {}", platform.log());
}

#[test]
fn a_port_in_use_is_69_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for table in ["interface-a", "admin"] {
        let line = if table == "admin" {
            format!("listen = \"{address}\"")
        } else {
            format!("listen = [\"{address}\"]")
        };
        let site = Site::new().with(table, &line);
        let (status, stdout, stderr) = Cli::of(&site).try_run(&["serve"]);
        assert_eq!(status.code(), Some(69), "{table}: {stderr}");
        assert!(stderr.contains(&address.to_string()) && stdout.is_empty(), "{table}: {stderr}");
    }
}

#[test]
fn a_wrong_configuration_is_78_and_says_where() {
    for (line, words) in [
        ("max-frames = \"1 MiB\"", ["max-frames", "line 3, column 1"]),
        ("max-frame = 12 MiB", ["TOML parse error", "line 3, column 13"]),
        ("max-frame = \"1 B\"", ["interface-a.max-frame", "1"]),
    ] {
        let site = Site::new().with("interface-a", line);
        let (status, _, stderr) = Cli::of(&site).try_run(&["serve"]);
        assert_eq!(status.code(), Some(78), "{line}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in {stderr}");
        }
    }
    let nowhere = Cli::of(&Site::new()).try_run(&["serve", "--config", "/no/such/platform.toml"]);
    assert_eq!(nowhere.0.code(), Some(78), "{}", nowhere.2);
}

/// How often the platform is killed; `PCD_TEST_KILL_CYCLES=50` for a long run.
fn kill_cycles() -> usize {
    std::env::var("PCD_TEST_KILL_CYCLES").map_or(3, |cycles| cycles.parse().unwrap())
}

/// Sends messages without waiting for answers, until the connection breaks; which were sent, and which
/// acknowledged. Counts the latter.
fn stream(mut wire: Wire, device: &str, cycle: usize, count: &AtomicUsize) -> (Vec<String>, Vec<String>) {
    let (mut sent, mut acknowledged) = (Vec::new(), Vec::new());
    loop {
        for _ in 0..8 {
            let id = format!("{device}-{cycle}-{}", sent.len());
            let went = wire.try_write(&framed(&message(device, &id)));
            sent.push(id);
            if went.is_err() {
                return (sent, acknowledged);
            }
        }
        while acknowledged.len() < sent.len() {
            let Ok(Some(answer)) = wire.try_answer() else { return (sent, acknowledged) };
            assert_eq!(field(&answer, "MSA", 1), "CA");
            acknowledged.push(field(&answer, "MSA", 2).to_owned());
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// B.1: what was positively acknowledged is the platform's responsibility, whatever happens to the platform.
#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    Site::on_each_store().into_iter().for_each(nothing_that_was_acknowledged_is_lost);
}

fn nothing_that_was_acknowledged_is_lost(site: Site) {
    let devices = ["KILL-1", "KILL-2", "KILL-3"];
    let (mut sent, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    for cycle in 0..kill_cycles() {
        let platform = site.start();
        if cycle == 0 {
            devices.iter().for_each(|device| platform.admit(device, &[]));
        }
        let count = Arc::new(AtomicUsize::new(0));
        let streams = devices.map(|device| {
            let wire = connect(&site, &platform, device);
            let count = Arc::clone(&count);
            std::thread::spawn(move || stream(wire, device, cycle, &count))
        });
        eventually("some are acknowledged", || count.load(Ordering::Relaxed) > 20);
        // Another moment in each cycle.
        std::thread::sleep(Duration::from_millis(97 * (cycle as u64 % 5)));
        platform.signal(Signal::KILL);
        for stream in streams {
            let (more_sent, more_acknowledged) = stream.join().unwrap();
            sent.extend(more_sent);
            acknowledged.extend(more_acknowledged);
        }
    }
    assert!(acknowledged.len() > 10 * kill_cycles(), "only {} were acknowledged", acknowledged.len());
    let platform = site.start();
    let listed = platform.cli().json(&["message", "list", "--limit", "1000000"]);
    let stored: Vec<_> = listed.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    let distinct: BTreeSet<_> = stored.iter().cloned().collect();
    assert_eq!(stored.len(), distinct.len(), "nothing is stored twice");
    let lost: Vec<_> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(distinct.is_subset(&sent));
    // What is kept is accounted for, each message once, and the chain goes on from where it was cut off.
    let rows = platform.cli().json(&["audit", "list", "--event", "message-accepted", "--limit", "1000000"]);
    let accounted: BTreeSet<_> = rows.iter().map(|row| row["details"]["message"].as_str().unwrap()).collect();
    let names: BTreeSet<_> = listed.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), accounted), (listed.len(), names));
    let report = &platform.cli().json(&["audit", "verify"])[0];
    assert_eq!(report["intact"], true, "{report}");
}

#[test]
fn the_limit_of_open_files_is_raised_and_one_below_the_connections_is_a_warning() {
    let site = Site::new();
    let log = std::fs::File::create(site.path().join("log")).unwrap();
    let mut platform = std::process::Command::new("sh")
        .args(["-c", "ulimit -Sn 256; ulimit -Hn 600; exec \"$@\"", "sh", crate::harness::program()])
        .args(["--json", "serve", "--config"])
        .arg(site.write_configuration())
        .current_dir(site.path())
        .stdout(std::process::Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(platform.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", platform.id())).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&platform), Signal::TERM).unwrap();
    assert!(platform.wait().unwrap().success());
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let values: Vec<_> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(values, ["600", "600"], "the soft and the hard limit");
    let log = std::fs::read_to_string(site.path().join("log")).unwrap();
    assert!(log.contains("fewer open files are allowed") && log.contains("600"), "{log}");
}
