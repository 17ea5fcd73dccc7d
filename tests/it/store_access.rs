//! How the platform reaches a PostgreSQL server: a password that changes, several hosts, a server that is not
//! there yet, and an environment that says something else than the configuration.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::cluster::{self, Cluster};
use crate::harness::{Cli, Platform, Site, Wire, binary, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

fn accepted(wire: &mut Wire, id: &str) -> bool {
    wire.write(&framed(&message(NAME, id)));
    wire.verdict().0 == "CA"
}

/// The control ids that the readers of the platform see.
fn listed(platform: &Platform) -> Vec<String> {
    let (status, body) = platform.get("/api/messages?limit=1000");
    if status != 200 {
        return Vec::new();
    }
    let rows: Vec<Value> = serde_json::from_str(&body).unwrap();
    rows.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect()
}

fn write_secret(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[test]
fn a_reload_takes_a_new_password_and_open_connections_go_on() {
    let server = Cluster::start();
    let url = server.database();
    let database = name_of(&url);
    server.sql("postgres", "CREATE ROLE rotated LOGIN SUPERUSER PASSWORD 'first'");
    let site = Site::of_database(&format!("postgres://rotated@127.0.0.1:{}/{database}", server.port()));
    let file = site.path().join("password");
    write_secret(&file, "first\n");
    let site = site.with("store", "password-file = \"password\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    assert!(accepted(&mut wire, "1"));

    server.sql("postgres", "ALTER ROLE rotated PASSWORD 'second'");
    assert!(accepted(&mut wire, "2"), "an open connection goes on");
    // A file that others can read is refused as a whole, and the former password stays.
    std::fs::write(&file, "second\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    platform.signal(Signal::HUP);
    eventually("the reload is refused", || platform.log().contains("configuration not reloaded"));
    write_secret(&file, "second\n");
    platform.signal(Signal::HUP);
    eventually("the reload is applied", || platform.log().contains("configuration reloaded"));

    // Writer, lease, readers and listener: all connect again.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'rotated'";
    server.sql("postgres", cut);
    eventually("messages are stored again", || accepted(&mut wire, "3"));
    eventually("messages are read again", || listed(&platform).first().is_some_and(|id| id == "3"));
    assert_eq!(listed(&platform), ["3", "2", "1"]);
    platform.admit("ANOTHER", &[]);
    eventually("it is ready", || platform.get("/readyz").0 == 200);
}

#[test]
fn a_failover_to_the_second_host_needs_no_restart() {
    let primary = Cluster::start();
    let url = primary.database();
    let database = name_of(&url);
    let standby = Cluster::standby_of(&primary);
    let host = |server: &Cluster| {
        let folder = server.folder().display().to_string().replace('/', "%2F");
        format!("{folder}:{}", server.port())
    };
    // The standby is named first: a server that takes no writes is left for the next one.
    let site = Site::of_database(&format!(
        "postgres://postgres@{},{}/{database}?target_session_attrs=read-write",
        host(&standby),
        host(&primary)
    ));
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    assert!(accepted(&mut wire, "1"));
    let lag = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()";
    eventually("the standby has everything", || primary.sql("postgres", lag).trim() == "1");

    primary.crash();
    assert!(!accepted(&mut wire, "2"), "no server takes writes");
    let (status, body) = platform.get("/readyz");
    assert_eq!(status, 503, "{body}");
    standby.promote();
    eventually("messages are stored again", || accepted(&mut wire, "2"));
    eventually("it is ready again", || platform.get("/readyz").0 == 200);
    eventually("messages are read from the new primary", || listed(&platform) == ["2", "1"]);
    let stored = standby.sql(database, "SELECT count(*) FROM message");
    assert_eq!(stored.trim(), "2");
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
    let stopped = platform.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(stopped.log.contains("connected to another server of the store"), "{}", stopped.log);
}

/// What an environment can say about PostgreSQL; each would end the connection, or change it.
const VARIABLES: [(&str, &str); 13] = [
    ("PGHOST", "127.0.0.2"),
    ("PGHOSTADDR", "127.0.0.2"),
    ("PGPORT", "1"),
    ("PGUSER", "another"),
    ("PGDATABASE", "nowhere"),
    ("PGPASSWORD", "wrong"),
    ("PGPASSFILE", "/nonexistent"),
    ("PGSSLMODE", "verify-full"),
    ("PGSSLROOTCERT", "/nonexistent"),
    ("PGSSLCERT", "/nonexistent"),
    ("PGSSLKEY", "/nonexistent"),
    ("PGOPTIONS", "-c default_transaction_read_only=on"),
    ("PGAPPNAME", "another"),
];

#[test]
fn the_environment_does_not_change_where_or_how_the_store_is_reached() {
    let server = cluster::shared();
    let url = server.database();
    let database = name_of(&url);
    server.sql("postgres", "CREATE ROLE by_configuration LOGIN SUPERUSER PASSWORD 's3cret'");
    let place = format!("by_configuration:s3cret@127.0.0.1:{}/{database}", server.port());
    let environment = |site: Site| {
        VARIABLES.iter().fold(site, |site, (name, value)| site.with_environment(name, PathBuf::from(value)))
    };
    let site = environment(Site::of_database(&format!("postgres://{place}")));
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    assert!(accepted(&mut wire, "1"));
    let sessions = server.sql(
        "postgres",
        "SELECT DISTINCT application_name, datname FROM pg_stat_activity WHERE usename = 'by_configuration'",
    );
    assert_eq!(sessions.trim(), format!("pcd-platform|{database}"));

    // No password in the configuration: that of the environment is not used.
    let without = place.replace(":s3cret", "");
    let site = Site::of_database(&format!("postgres://{without}"))
        .with_environment("PGPASSWORD", PathBuf::from("s3cret"));
    let (status, stdout, _) = Cli::without_store(&site).try_run(&["check"]);
    assert!(status.code() == Some(1) && stdout.contains("password authentication failed"), "{stdout}");

    // A server that is not known to be on this machine has to prove its identity.
    let elsewhere = place.replace("127.0.0.1", "127.1");
    let site = Site::of_database(&format!("postgres://{elsewhere}"))
        .with_environment("PGSSLMODE", PathBuf::from("disable"));
    let (status, stdout, _) = Cli::without_store(&site).try_run(&["check"]);
    assert!(status.code() == Some(1) && stdout.contains("does not support TLS"), "{stdout}");
}

/// What the service manager was informed of.
fn notifications(socket: &UnixDatagram) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        text += &format!("{}\n", String::from_utf8_lossy(&buffer[..length]));
    }
    text
}

#[test]
fn a_start_waits_for_the_server_and_the_service_manager_knows() {
    let server = Cluster::start();
    let site = Site::of_database(&server.database());
    let path = site.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let site = site.with_environment("NOTIFY_SOCKET", path);
    server.stop();
    let (platform, mut text) = std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut text = String::new();
            eventually("it waits for the server", || {
                text += &notifications(&socket);
                text.contains("STATUS=waiting for the store: ")
            });
            server.restart();
            text
        });
        (site.start(), waits.join().unwrap())
    });
    eventually("devices can connect", || {
        text += &notifications(&socket);
        text.contains("READY=1")
    });
    for expected in ["STATUS=waiting for the store: ", "EXTEND_TIMEOUT_USEC=30000000", "READY=1"] {
        assert!(text.contains(expected), "{text}");
    }
    platform.admit(NAME, &[]);
    assert!(accepted(&mut connect(&site, &platform), "1"));
    let stopped = platform.stop();
    assert!(stopped.log.contains("the start waits for it"), "{}", stopped.log);
    assert!(notifications(&socket).contains("STOPPING=1"));
}

#[test]
fn the_wait_for_the_server_ends_after_its_time_at_a_signal_or_for_a_wrong_password() {
    let server = Cluster::start();
    let url = server.database();
    let log = |site: &Site| site.path().join("log");
    let serve = |site: &Site| {
        binary()
            .args(["serve", "--config"])
            .arg(site.write_configuration())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log(site)).unwrap())
            .spawn()
            .unwrap()
    };
    let wrong = format!("postgres://unknown:wrong@127.0.0.1:{}/{}", server.port(), name_of(&url));
    let began = Instant::now();
    let status = serve(&Site::of_database(&wrong)).wait().unwrap();
    assert_eq!(status.code(), Some(69));
    // It would wait for two minutes.
    assert!(began.elapsed() < Duration::from_secs(60), "it does not wait: {:?}", began.elapsed());

    server.stop();
    let began = Instant::now();
    let site = Site::of_database(&url).with("store", "start-wait = \"2s\"");
    assert_eq!(serve(&site).wait().unwrap().code(), Some(69));
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());

    let site = Site::of_database(&url).with("store", "start-wait = \"1h\"");
    let mut waiting = serve(&site);
    eventually("it waits", || {
        std::fs::read_to_string(log(&site)).unwrap().contains("the start waits for it")
    });
    assert!(waiting.try_wait().unwrap().is_none());
    kill_process(Pid::from_child(&waiting), Signal::TERM).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
}
