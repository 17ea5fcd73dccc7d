//! Outages of a PostgreSQL server with a standby, and of the two nodes that share it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::SHORT;
use super::servers::Servers;
use super::trial::Trial;
use crate::harness::{Site, eventually};

#[test]
fn no_outage_of_a_postgresql_server_loses_an_acknowledged_message() {
    let mut servers = Servers::start();
    let node = |name: &str| {
        let site = Site::of_database(&servers.url()).with("store", &format!("node = \"{name}\""));
        site.with("log", "level = \"info\"")
    };
    let mut trial = Trial::start("PostgreSQL", vec![node("ward-a"), node("ward-b")]);
    restarts(&mut trial, &mut servers);
    obstacles(&mut trial, &servers);
    disks(&mut trial, &mut servers);
    standbys(&mut trial, &mut servers);
    nodes(&mut trial);
    trial.end();
}

/// The server ends and comes back.
fn restarts(trial: &mut Trial, servers: &mut Servers) {
    let leader = servers.leader();
    for (name, mode) in [("server restarted, fast", "fast"), ("server restarted, immediate", "immediate")] {
        trial.outage(name, |_| {
            servers.order("stop", leader, mode);
            servers.start_again(leader);
        });
    }
    trial.outage("server down", |trial| {
        servers.order("stop", leader, "fast");
        trial.wait_for_refusals(SHORT);
        servers.start_again(leader);
    });
    trial.outage("server frozen", |trial| {
        servers.order("freeze", leader, "");
        trial.wait(SHORT);
        servers.order("thaw", leader, "");
    });
    trial.outage("backends terminated", |_| {
        for _ in 0..3 {
            servers.sql(TERMINATE);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    trial.outage("backend killed", |_| {
        // The server ends all others, because their shared memory may be damaged, and recovers.
        eventually("a backend is killed", || {
            let backend = servers.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'pcd' LIMIT 1");
            let backend = backend.trim().parse().ok().and_then(Pid::from_raw);
            backend.is_some_and(|backend| kill_process(backend, Signal::KILL).is_ok())
        });
        std::thread::sleep(SHORT);
    });
}

/// The server runs, and something is in the way.
fn obstacles(trial: &mut Trial, servers: &Servers) {
    trial.outage("connection limit reached", |trial| {
        servers.sql("ALTER ROLE pcd CONNECTION LIMIT 0");
        servers.sql(TERMINATE);
        trial.wait_for_refusals(SHORT);
        servers.sql("ALTER ROLE pcd CONNECTION LIMIT -1");
    });
    trial.outage("table locked", |trial| {
        let seconds = trial.plan.length(SHORT).as_secs_f64();
        let lock = "BEGIN; LOCK TABLE message IN ACCESS EXCLUSIVE MODE";
        servers.sql(&format!("{lock}; SELECT pg_sleep({seconds}); COMMIT"));
    });
    trial.outage("VACUUM FULL", |trial| {
        let began = Instant::now();
        while began.elapsed() < trial.plan.length(SHORT) {
            servers.sql("VACUUM FULL");
        }
    });
    trial.outage("server read-only", |trial| {
        servers.configure("default_transaction_read_only = on");
        trial.wait_for_refusals(SHORT);
        servers.configure("default_transaction_read_only = off");
    });
}

/// The disk of the server.
fn disks(trial: &mut Trial, servers: &mut Servers) {
    trial.outage("disk of the server slow", |trial| {
        servers.disk().slow_down(Duration::from_millis(300));
        trial.wait(SHORT);
        servers.disk().recover();
    });
    trial.outage("disk full, tables", |trial| {
        servers.disk().fill("/base/");
        trial.wait_for_refusals(SHORT);
        servers.disk().recover();
    });
    trial.outage("disk full, write-ahead log", |trial| {
        servers.disk().fill("/pg_wal/");
        // The server ends, because it cannot go on without the next segment of its log.
        servers.try_sql("SELECT pg_switch_wal()");
        trial.wait_for_refusals(SHORT);
        servers.disk().recover();
        servers.start_again(servers.leader());
    });
}

/// A standby that takes over, or holds up.
fn standbys(trial: &mut Trial, servers: &mut Servers) {
    servers.follow(true);
    trial.outage("failover, synchronous standby", |_| {
        servers.order("crash", servers.leader(), "");
        servers.fail_over();
    });
    servers.follow(true);
    trial.outage("failover, standby reached before its promotion", |trial| {
        servers.order("crash", servers.leader(), "");
        // It serves, and refuses to be written.
        servers.order("lead", servers.leader().other(), "");
        trial.wait_for_refusals(SHORT);
        servers.fail_over();
    });
    servers.follow(false);
    trial.outage("failover, asynchronous standby without lag", |_| {
        // A server that is stopped sends the standby everything before it ends.
        servers.order("stop", servers.leader(), "fast");
        servers.fail_over();
    });
    servers.follow(true);
    trial.outage("synchronous standby frozen", |trial| {
        servers.order("freeze", servers.leader().other(), "");
        trial.wait(SHORT);
        servers.order("thaw", servers.leader().other(), "");
    });
    trial.outage("failover, after the synchronous standby was away", |trial| {
        servers.order("stop", servers.leader().other(), "immediate");
        // The end of a backend ends its wait for the standby: what it has written can be read from then on.
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            servers.sql(TERMINATE);
        }
        trial.wait(SHORT);
        servers.order("crash", servers.leader(), "");
        servers.start_again(servers.leader().other());
        servers.fail_over();
    });
}

/// The nodes of the platform.
fn nodes(trial: &mut Trial) {
    trial.outage("node frozen", |trial| {
        trial.node(0).signal(Signal::STOP);
        trial.wait(SHORT);
        trial.node(0).signal(Signal::CONT);
    });
    trial.outage("rolling restart of both nodes", |trial| {
        for number in [0, 1] {
            trial.end_node(number, Signal::TERM);
            trial.start_node(number);
        }
    });
    trial.outage("node killed", |trial| {
        trial.end_node(0, Signal::KILL);
        trial.wait(SHORT);
        if trial.plan.is_full() {
            trial.start_node(0);
        }
    });
}

const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'pcd'";
