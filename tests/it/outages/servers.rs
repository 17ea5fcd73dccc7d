//! Two PostgreSQL servers, of which one can follow the other, on disks that can be full.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::harness::cluster::{as_ordinary_user, programs};
use crate::harness::{FaultyDisk, eventually};

/// Both servers. They end with the process that started them, however that ends.
pub struct Servers {
    child: Child,
    /// None when their end has been ordered.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    port: u16,
    /// The one that clients reach.
    leader: Name,
    disks: [FaultyDisk; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    A,
    B,
}

impl Name {
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl Servers {
    /// Starts server A, with a database that belongs to the role `pcd`.
    pub fn start() -> Self {
        // The names of the sockets contain it; nothing listens on TCP.
        let port = crate::harness::fixed_address().port();
        let mut command = as_ordinary_user();
        command.args(["bash", "-c", include_str!("servers.sh"), "servers"]).arg(programs());
        command.arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut folder = String::new();
        answers.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "no PostgreSQL cluster could be made; stderr says why");
        let folder = PathBuf::from(folder.trim_end());
        let disks = ["a", "b"].map(|name| FaultyDisk::new(&folder.join(name)));
        let mut servers = Self { child, commands, answers, folder, port, leader: Name::A, disks };
        servers.order("start", Name::A, "");
        servers.sql_in("postgres", "CREATE ROLE pcd LOGIN");
        servers.sql_in("postgres", "CREATE DATABASE pcd OWNER pcd");
        servers
    }

    /// The URL of the platform's database on the server that leads.
    pub fn url(&self) -> String {
        self.url_of("pcd", "pcd")
    }

    /// The URL of a database for a role; no password is asked for.
    pub fn url_of(&self, role: &str, database: &str) -> String {
        let folder = self.folder.join("current").display().to_string().replace('/', "%2F");
        format!("postgres://{role}@{folder}:{}/{database}", self.port)
    }

    /// The server that clients reach.
    pub const fn leader(&self) -> Name {
        self.leader
    }

    pub fn disk(&self) -> &FaultyDisk {
        match self.leader {
            Name::A => &self.disks[0],
            Name::B => &self.disks[1],
        }
    }

    /// Orders one of the words of `servers.sh`.
    pub fn order(&mut self, word: &str, name: Name, argument: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{word} {} {argument}", name.as_str()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "the server did not {word}; stderr says why");
    }

    /// Starts a server that is stopped.
    pub fn start_again(&mut self, name: Name) {
        self.order("start", name, "");
    }

    /// Makes the other server a standby of the one that leads; with `is_synchronous`, commits wait for it.
    pub fn follow(&mut self, is_synchronous: bool) {
        let (leader, standby) = (self.leader, self.leader.other());
        self.order("clone", standby, leader.as_str());
        self.start_again(standby);
        let names = if is_synchronous { "*" } else { "" };
        self.configure(&format!("synchronous_standby_names = '{names}'"));
        let wanted = if is_synchronous { "sync" } else { "async" };
        eventually("the standby follows", || {
            self.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'").trim() == wanted
        });
    }

    /// The standby takes over, and clients reach it.
    pub fn fail_over(&mut self) {
        let standby = self.leader.other();
        self.order("promote", standby, "");
        self.order("lead", standby, "");
        self.leader = standby;
        self.configure("synchronous_standby_names = ''");
    }

    /// Sets `NAME = VALUE`, as an administrator does, without a restart.
    pub fn configure(&self, setting: &str) {
        self.sql(&format!("ALTER SYSTEM SET {setting}"));
        self.sql("SELECT pg_reload_conf()");
    }

    /// Runs SQL as the superuser in the platform's database, on the server that leads.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("pcd", sql)
    }

    /// As [`Servers::sql`], for a statement that the server may not survive.
    pub fn try_sql(&self, sql: &str) {
        let _ = self.psql("pcd", sql).output().unwrap();
    }

    /// One of PostgreSQL's client programs, with the server that leads.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.args(["-U", "postgres", "-p", &self.port.to_string(), "-h"]).arg(self.folder.join("current"));
        command
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = self.client("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        psql
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.child.wait();
    }
}
