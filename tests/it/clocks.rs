//! Clocks that are wrong when the platform starts, or that step while it runs. `libfaketime` changes the time
//! that the platform reads; the clock of the machine stays as it is.

use std::path::PathBuf;
use std::time::Duration;

use pcd_platform::pki::KeyType;

use crate::harness::{Cli, Platform, Site, Wire, eventually, framed, message, wait_for};

const NAME: &str = "00A037FFFE000001";

/// A site whose platform and commands read a clock that [`set`] moves.
pub fn with_clock(site: Site) -> Site {
    let file = site.path().join("clock");
    std::fs::write(&file, "+0").unwrap();
    site.with_environment("LD_PRELOAD", faketime())
        .with_environment("FAKETIME_TIMESTAMP_FILE", file)
        .with_environment("FAKETIME_NO_CACHE", "1".into())
        .with_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1".into())
        .with_environment("DONT_FAKE_MONOTONIC", "1".into())
}

fn faketime() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = libraries.map(|folder| folder.join("faketime/libfaketime.so.1"));
    found.find(|library| library.exists()).expect("install libfaketime (tests/run does)")
}

/// Sets the clock of the site this far from the true time: `+31d`, `-6h`.
pub fn set(site: &Site, offset: &str) {
    // Renamed, so that no process reads half of it.
    let (new, file) = (site.path().join("clock.new"), site.path().join("clock"));
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

fn send(wire: &mut Wire, control_id: &str) {
    wire.write(&framed(&message(NAME, control_id)));
    assert_eq!(wire.verdict().0, "CA");
}

/// The control ids of the stored messages, newest first.
fn listed(platform: &Platform) -> Vec<String> {
    let rows = platform.cli().json(&["message", "list"]);
    rows.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect()
}

/// Each kind of store, with three acknowledged messages; the platform is stopped.
fn with_messages() -> impl Iterator<Item = Site> {
    Site::on_each_store().into_iter().map(|site| {
        // A pass every six seconds.
        let site = with_clock(site.with("store", "retain-messages = \"1m\""));
        let platform = site.start();
        platform.admit(NAME, &[]);
        let mut wire = connect(&site, &platform);
        for id in ["1", "2", "3"] {
            send(&mut wire, id);
        }
        platform.stop();
        site
    })
}

const PRUNED: &str = "pcd_retention_pruned_total{what=\"messages\"}";
const BACKLOG: &str = "pcd_retention_backlog_seconds{what=\"messages\"}";

#[test]
fn a_clock_that_is_a_month_ahead_at_the_start_removes_nothing_until_it_is_confirmed() {
    for site in with_messages() {
        set(&site, "+31d");
        let platform = site.start();
        assert_eq!(platform.metric("pcd_clock_confirmed"), 0.0);
        // Two passes and more.
        std::thread::sleep(Duration::from_secs(14));
        assert_eq!((listed(&platform).len(), platform.metric(PRUNED)), (3, 0.0));
        assert!(platform.log().contains("clock-unconfirmed"), "{}", platform.log());
        let rows = || platform.cli().json(&["audit", "list", "--event", "clock-unconfirmed"]);
        wait_for("it is recorded, once", rows, |rows| rows.len() == 1);
        let shown = &platform.cli().json(&["store", "retention"])[0];
        assert_eq!(shown["is-confirmed"], false, "{shown}");
        if site.database().is_none() {
            // The platform was really off for so long: one command.
            platform.cli().run(&["store", "retention", "--force"]);
            eventually("the messages are gone", || listed(&platform).is_empty());
            eventually("the clock is confirmed", || platform.metric("pcd_clock_confirmed") == 1.0);
            let rows = platform.cli().json(&["audit", "list", "--event", "clock-confirmed"]);
            assert!(rows.len() == 1 && rows[0]["details"]["actor"].is_string(), "{rows:?}");
        } else {
            // The server's clock contradicts: confirmed or not, nothing is old by both.
            set(&site, "+0");
            eventually("the clock is believed again", || platform.metric("pcd_clock_confirmed") == 1.0);
        }
        platform.stop();
    }
}

#[test]
fn more_than_a_days_worth_is_not_removed_in_one_go_unasked() {
    for site in with_messages() {
        if site.database().is_some() {
            // Its own clock would have to be wrong, too.
            continue;
        }
        set(&site, "+60h");
        let platform = site.start();
        eventually("the backlog is noticed", || platform.metric(BACKLOG) > 2.0 * 86_400.0);
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!((listed(&platform).len(), platform.metric(PRUNED)), (3, 0.0));
        assert_eq!(platform.metric("pcd_clock_confirmed"), 1.0);
        platform.cli().run(&["store", "retention", "--force"]);
        eventually("the messages are gone", || listed(&platform).is_empty());
        platform.stop();
    }
}

/// A command that reads another configuration opens the same store: it releases what is a second old.
#[test]
fn an_age_of_another_configuration_releases_nothing() {
    // A pass every six seconds.
    let site = Site::new().with("store", "retain-messages = \"30d\"\nretain-rejected = \"1m\"");
    let site = with_clock(site);
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform);
    send(&mut wire, "1");
    drop(wire);
    set(&site, "+60h");
    let outside = rusqlite::Connection::open(site.path().join("platform.db")).unwrap();
    outside.execute("UPDATE confirmed_clock SET release_before = ?1", [4_000_000_000_000_000_i64]).unwrap();
    let released = || {
        let select = "SELECT release_before FROM confirmed_clock";
        outside.query_row(select, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    eventually("the platform has taken it", || released() == 0);
    // An age that is shortened later.
    let file = site.path().join("platform.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("retain-messages = \"30d\"", "retain-messages = \"1m\"")).unwrap();
    let reload = format!(
        "POST /reload HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        platform.admin
    );
    let answer = platform.ask(&reload);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    eventually("the backlog is noticed", || platform.metric(BACKLOG) > 2.0 * 86_400.0);
    let before = platform.metric(BACKLOG);
    eventually("a whole pass has ended", || platform.metric(BACKLOG) > before);
    assert_eq!((listed(&platform).len(), platform.metric(PRUNED)), (1, 0.0));
    platform.stop();
}

#[test]
fn messages_are_listed_in_order_of_arrival_across_steps_of_the_clock_and_restarts() {
    for site in Site::on_each_store() {
        let site = with_clock(site);
        let platform = site.start();
        platform.admit(NAME, &[]);
        let mut wire = connect(&site, &platform);
        for (id, offset) in [("1", "+0"), ("2", "+6h"), ("3", "+0"), ("4", "-6h"), ("5", "-6h")] {
            set(&site, offset);
            send(&mut wire, id);
        }
        platform.stop();
        set(&site, "+0");
        let platform = site.start();
        send(&mut connect(&site, &platform), "6");
        assert_eq!(listed(&platform), ["6", "5", "4", "3", "2", "1"]);
        let ids: Vec<String> = platform
            .cli()
            .json(&["message", "list"])
            .iter()
            .map(|row| row["id"].as_str().unwrap()[..8].to_owned())
            .collect();
        // 48 bits of milliseconds: the first 32 are 65 seconds each. Six hours are 330 of them.
        let time = |id: &str| i64::from_str_radix(id, 16).unwrap();
        assert!(time(&ids[0]) - time(&ids[5]) <= 340, "at most as far ahead as the clock once was: {ids:?}");
        platform.stop();
    }
}

/// A certificate that seems to have expired may be valid, and the clock wrong.
#[test]
fn an_expired_certificate_and_a_clock_that_is_not_believed_are_named_together() {
    let site = with_clock(Site::new());
    site.start().stop();
    set(&site, "+4000d");
    let (_, checked, _) = Cli::of(&site).try_run(&["check"]);
    let expired = checked.lines().find(|line| line.starts_with("error") && line.contains("expired"));
    assert!(expired.is_some_and(|line| line.contains("or the clock of this machine is wrong")), "{checked}");
    let (status, _, stderr) = Cli::without_store(&site).try_run(&["serve"]);
    assert_eq!(status.code(), Some(78), "{stderr}");
    let doubt = stderr.lines().find(|line| line.starts_with("warning:")).unwrap_or_default();
    assert!(
        doubt.contains("the clock of this machine") && doubt.contains("was believed last at"),
        "{stderr}"
    );
    // A clock that is believed is no cause.
    set(&site, "+0");
    let (_, checked, _) = Cli::of(&site).try_run(&["check"]);
    assert!(!checked.contains("clock of this machine is wrong"), "{checked}");
}
