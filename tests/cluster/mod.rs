//! A real PostgreSQL for tests: a temporary cluster on a port and a socket of its own, which ends with the
//! process that started it, however that ends. Debian's package `postgresql` has the programs; nothing of its
//! own cluster is used.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this")]
#![allow(clippy::disallowed_methods, reason = "tests wait for a server by the machine's clock")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Mutex<Supervisor>,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

#[derive(Debug)]
struct Supervisor {
    child: Child,
    /// None when its end has been ordered.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The one that all tests of this process share. Who wants to break one starts one.
pub fn shared() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);
    &SHARED
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub fn start() -> Self {
        Self::start_from(None)
    }

    /// Copies a running cluster and starts the copy as its standby.
    pub fn standby_of(primary: &Self) -> Self {
        Self::start_from(Some(primary))
    }

    fn start_from(primary: Option<&Self>) -> Self {
        let bin = programs();
        // The server cannot choose a port by itself, and releases it whenever it is stopped.
        let port = fixed_port();
        let script = include_str!("supervise.sh");
        let mut command = as_ordinary_user();
        command.args(["bash", "-c", script, "supervise"]).arg(&bin).arg(port.to_string());
        if let Some(primary) = primary {
            command.arg(&primary.folder).arg(primary.port.to_string());
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/").spawn().unwrap();
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut folder = String::new();
        answers.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "no PostgreSQL cluster could be made; stderr says why");
        let supervisor = Mutex::new(Supervisor { child, commands, answers });
        let folder = PathBuf::from(folder.trim_end());
        let cluster = Self { supervisor, folder, port, databases: AtomicU32::new(0) };
        cluster.order("start");
        cluster
    }

    /// Starts the server again.
    pub fn restart(&self) {
        self.order("start");
    }

    /// Stops it, as an administrator does; connections are ended.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Stops it with SIGQUIT, an immediate shutdown: what is not in its write-ahead log on the disk is lost.
    pub fn quit(&self) {
        self.order("quit");
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.order("promote");
    }

    /// Kills it with SIGKILL, as a failing machine would.
    pub fn crash(&self) {
        self.order("crash");
    }

    /// It keeps its connections and does not answer any more.
    pub fn freeze(&self) {
        self.order("freeze");
    }

    pub fn thaw(&self) {
        self.order("thaw");
    }

    /// Adds a line to its configuration, for the next start.
    pub fn set(&self, line: &str) {
        self.order(&format!("set {line}"));
    }

    /// Puts a file into the folder of the cluster, for the server only. `content` is in base64.
    pub fn install(&self, name: &str, content: &str) {
        self.order(&format!("install {name} {content}"));
    }

    /// Restarts the server with TLS, by this certificate and key in PEM.
    pub fn serve_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            self.install(name, &STANDARD.encode(text));
        }
        let folder = self.folder().display();
        self.set(&format!("ssl_cert_file = '{folder}/server.crt'"));
        self.set(&format!("ssl_key_file = '{folder}/server.key'"));
        self.set("ssl = on");
        self.stop();
        self.restart();
    }

    fn order(&self, words: &str) {
        let mut supervisor = self.supervisor.lock().unwrap();
        writeln!(supervisor.commands.as_mut().unwrap(), "{words}").unwrap();
        let mut answer = String::new();
        supervisor.answers.read_line(&mut answer).unwrap();
        let word = words.split(' ').next().unwrap_or_default();
        assert_eq!(answer, "done\n", "PostgreSQL did not {word}; stderr says why");
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url("postgres", &name)
    }

    /// The URL of a database by the socket, which asks for no password.
    pub fn url(&self, user: &str, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/{database}", self.port)
    }

    /// Where the server listens on TCP; there it asks for a password.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the cluster.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes its configuration, and waits until new sessions have it.
    pub fn alter(&self, setting: &str) {
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded();
        self.sql("postgres", &format!("ALTER SYSTEM {setting}"));
        self.sql("postgres", "SELECT pg_reload_conf()");
        // The postmaster reads the file when it handles the signal, and passes the signal on. Only then does
        // it begin new sessions, which have the time of its reading.
        let began = std::time::Instant::now();
        while loaded() == before {
            assert!(began.elapsed().as_secs() < 60, "PostgreSQL does not read its configuration again");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Runs SQL as the superuser; what it prints, one row a line, columns parted by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(programs().join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(supervisor) = self.supervisor.get_mut() {
            supervisor.commands = None;
            let _ = supervisor.child.wait();
        }
    }
}

/// A port of loopback that no other socket gets, also while there is no listener on it: it is below the
/// ephemeral ports (`ip_local_port_range`), from which the kernel assigns, and a socket of UDP with the same
/// number keeps it from other test processes, which look for one in the same way.
pub fn fixed_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_100);
    static KEPT: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        let Ok(kept) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            KEPT.lock().unwrap().push(kept);
            return port;
        }
    }
}

/// The folder with the programs of the newest version that is installed.
pub fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/postgres").exists());
    let newest = newest.max_by_key(|path| number(path));
    newest.expect("PostgreSQL is missing: install the Debian package postgresql").join("bin")
}

/// Runs a program as an ordinary user: initdb refuses root.
pub fn as_ordinary_user() -> Command {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return Command::new("env");
    }
    let user = ["postgres", "daemon"].into_iter().find(|user| id(&["-u", user]).is_some()).unwrap();
    let mut command = Command::new("setpriv");
    let group = id(&["-g", user]).unwrap();
    command.args(["--reuid", user, "--regid", &group, "--clear-groups", "--"]);
    command
}
