//! The real binary.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::LazyLock;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{SOON, Site, eventually};

/// A running platform.
#[derive(Debug)]
pub struct Platform {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// Where devices connect.
    pub address: SocketAddr,
    /// Where probes look.
    pub admin: SocketAddr,
    /// Where probes of other machines look.
    pub health: Option<SocketAddr>,
    /// Where hospital systems read.
    pub api: Option<SocketAddr>,
    /// Where people and commands come in.
    pub socket: Option<PathBuf>,
    /// Whether the admin listener speaks TLS.
    has_tls: bool,
    cli: Cli,
    log: PathBuf,
}

/// How a platform ended.
#[derive(Debug)]
pub struct Stopped {
    pub status: ExitStatus,
    /// Everything it wrote to stderr.
    pub log: String,
}

/// The command line, with the site's configuration.
#[derive(Debug, Clone)]
pub struct Cli {
    config: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

/// The program under test. `PCD_TEST_BINARY` names another one, such as an earlier release.
pub fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        std::env::var("PCD_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_pcd-platform").to_owned())
    });
    &PROGRAM
}

pub fn binary() -> Command {
    Command::new(program())
}

impl Platform {
    pub(super) fn start(site: &Site) -> Self {
        let config = site.write_configuration();
        let log = site.path().join("log");
        let mut words = site.launcher().iter().map(String::as_str).chain([program()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args(["--json", "serve", "--config"])
            .arg(&config)
            .envs(site.environment().iter().map(|(name, value)| (name, value)))
            .stdin(site.stdin())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Ok(listening) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            panic!("the platform did not start ({status}): {}", std::fs::read_to_string(&log).unwrap());
        };
        let address = |value: &Value| value.as_str().unwrap().parse().unwrap();
        Self {
            child,
            _stdout: stdout,
            address: address(&listening["interface-a"][0]),
            admin: address(&listening["admin"]),
            health: listening["health"].as_str().map(|address| address.parse().unwrap()),
            api: listening["api"][0].as_str().map(|address| address.parse().unwrap()),
            socket: listening["socket"].as_str().map(PathBuf::from),
            has_tls: site.has_roots_of_people(),
            cli: Cli { config, environment: site.environment().to_vec() },
            log,
        }
    }

    /// The command line beside the running platform.
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// Enters a device into the directory and waits until the platform knows it.
    pub fn admit(&self, name: &str, more: &[&str]) {
        let known = self.metric("pcd_directory_devices");
        self.cli.run(&[&["device", "add", name], more].concat());
        eventually("the platform knows the device", || self.metric("pcd_directory_devices") > known);
    }

    /// `GET path`: status and body. Probes ask over TCP, and people over the socket.
    pub fn get(&self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin);
        let is_open = !self.has_tls
            && ["/livez", "/readyz", "/metrics", "/help"].iter().any(|open| path.starts_with(open));
        let answer =
            if is_open || self.socket.is_none() { self.ask_tcp(&request) } else { self.ask(&request) };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Sends a request over the socket, as the user of the tests; the whole response.
    pub fn ask(&self, request: &str) -> String {
        exchange(UnixStream::connect(self.socket.as_ref().expect("a socket")).unwrap(), request)
    }

    /// Sends a request over TCP; the whole response.
    pub fn ask_tcp(&self, request: &str) -> String {
        let stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        exchange(stream, request)
    }

    /// The value of a metric with these labels: `pcd_handshakes_total{reason="revoked",result="refused"}`.
    pub fn metric(&self, series: &str) -> f64 {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or("0").parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the process to end by itself.
    pub fn wait(mut self) -> Stopped {
        let mut status = None;
        eventually("the platform ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Stopped { status: status.unwrap(), log: self.log() }
    }

    /// SIGTERM, and wait.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// What it has written to stderr so far, over all starts of the site.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Gone already, or ended here: nothing may outlive its test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cli {
    /// The command line of a site whose platform need not run. Creates the store, where that is possible.
    pub fn of(site: &Site) -> Self {
        let cli = Self::without_store(site);
        let _ = cli.try_run(&["store", "migrate"]);
        cli
    }

    /// The command line of a site that may have no store yet.
    pub fn without_store(site: &Site) -> Self {
        Self { config: site.write_configuration(), environment: site.environment().to_vec() }
    }

    /// Runs a command that has to succeed; its stdout.
    pub fn run(&self, words: &[&str]) -> String {
        let (status, stdout, stderr) = self.try_run(words);
        assert!(status.success(), "{words:?}: {status}: {stderr}");
        stdout
    }

    /// Runs a command that has to succeed; the bytes of its stdout.
    pub fn run_raw(&self, words: &[&str]) -> Vec<u8> {
        let output = binary().args(words).env("PCD_CONFIG", &self.config).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", output.status);
        output.stdout
    }

    /// Runs a command with `--json`; one value per line.
    pub fn json(&self, words: &[&str]) -> Vec<Value> {
        let lines = self.run(&[&["--json"], words].concat());
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a command; how it ended, stdout, stderr.
    pub fn try_run(&self, words: &[&str]) -> (ExitStatus, String, String) {
        let (status, stdout, stderr) = self.try_run_raw(words);
        (status, String::from_utf8(stdout).unwrap(), stderr)
    }

    /// A command that is not run yet.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = binary();
        command.args(words).env("PCD_CONFIG", &self.config).envs(self.environment.clone());
        command
    }

    /// Runs a command; how it ended, the bytes of stdout, stderr.
    pub fn try_run_raw(&self, words: &[&str]) -> (ExitStatus, Vec<u8>, String) {
        let output = self.command(words).output().unwrap();
        (output.status, output.stdout, String::from_utf8(output.stderr).unwrap())
    }
}

/// The warnings and errors of a log, except those about missing OCSP responders for the certificates of the
/// tests' PKI.
pub fn complaints(log: &str) -> Vec<&str> {
    // The last one depends on the machine.
    let expected =
        ["OCSP response for a certificate of the platform", "staple-missing", "fewer open files are allowed"];
    let complains = |line: &&str| line.contains("WARN") || line.contains("ERROR");
    let is_expected = |line: &&str| expected.iter().any(|text| line.contains(text));
    log.lines().filter(complains).filter(|line| !is_expected(line)).collect()
}
