//! Outages of a store in a file.

use std::time::Duration;

use rustix::process::Signal;

use super::SHORT;
use super::trial::Trial;
use crate::harness::{FaultyDisk, Site};
use crate::lifecycle::Writing;

#[test]
fn no_outage_of_a_store_in_a_file_loses_an_acknowledged_message() {
    let site = Site::new().with("log", "level = \"info\"");
    let disk = FaultyDisk::new(site.path());
    let site =
        disk.environment().into_iter().fold(site, |site, (name, value)| site.with_environment(name, value));
    let mut trial = Trial::start("SQLite", vec![site]);
    trial.outage("restart", |trial| {
        trial.end_node(0, Signal::TERM);
        trial.start_node(0);
    });
    trial.outage("node killed", |trial| {
        trial.end_node(0, Signal::KILL);
        trial.start_node(0);
    });
    trial.outage("node frozen", |trial| {
        trial.node(0).signal(Signal::STOP);
        trial.wait(SHORT);
        trial.node(0).signal(Signal::CONT);
    });
    trial.outage("locked by another writer", |trial| {
        let writing = Writing::begin(trial.site(0));
        trial.wait(SHORT);
        writing.end();
    });
    trial.outage("disk full", |trial| {
        disk.fill("platform.db");
        trial.wait_for_refusals(SHORT);
        disk.recover();
    });
    trial.outage("disk of the log full", |trial| {
        disk.fill("/log");
        // Each connection and each message writes to the log.
        trial.wait(SHORT);
        disk.recover();
    });
    trial.outage("disk slow", |trial| {
        disk.slow_down(Duration::from_millis(300));
        trial.wait(SHORT);
        disk.recover();
    });
    trial.outage("disk that cannot flush", |trial| {
        disk.break_down("platform.db");
        trial.wait_for_refusals(SHORT);
        disk.recover();
    });
    trial.end();
}
