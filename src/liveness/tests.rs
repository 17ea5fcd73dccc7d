//! What is reported of devices that send, stop, are suspended, and come back.

use std::time::Duration;

use jiff::Timestamp;

use super::behind::DevicesBehind;
use super::history;
use super::rules::Change;
use super::{FeedLimits, FeedState, Heartbeat, Liveness, Report, SignOfLife};
use crate::authz::{Device, DeviceStatus, Directory};
use crate::model::{DeviceId, SilentAfter};
use crate::store::fixtures::{TestStore, gateway};

const RULE: SilentAfter = SilentAfter::Learned;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn of(names: &[&str]) -> SignOfLife {
    let interval = Heartbeat::Within(Duration::from_secs(10));
    SignOfLife { heartbeat: Some(interval), devices: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn directory() -> Directory {
    vec![gateway("GW-1"), gateway("GW-2")].into()
}

fn limits(per_certificate: usize, total: usize) -> FeedLimits {
    FeedLimits { per_certificate, total }
}

fn checked(liveness: &Liveness, second: i64) -> Vec<Report> {
    let reports = liveness.check(&directory(), at(second), RULE, limits(100, 1000));
    reports.into_iter().map(|(_, report)| report).collect()
}

fn names(devices: &DevicesBehind) -> Vec<&str> {
    devices.names.iter().map(AsRef::as_ref).collect()
}

// A ward may have its own rule, for what is behind its gateway too.
#[test]
fn the_rule_of_an_entry_replaces_the_configured_one() {
    let gateway_with = |silent_after| {
        let device = Device { silent_after, ..gateway("GW-1") };
        Directory::from(vec![device])
    };
    for (silent_after, second, reports) in [
        (None, 21, 1),
        (Some(SilentAfter::Never), 100_000, 0),
        (Some(SilentAfter::Fixed(Duration::from_secs(5))), 6, 2),
    ] {
        let liveness = Liveness::default();
        liveness.hear(&"GW-1".parse().unwrap(), at(0), &of(&["A"]));
        let found = liveness.check(&gateway_with(silent_after), at(second), RULE, limits(100, 1000));
        assert_eq!(found.len(), reports, "{silent_after:?}: {found:?}");
    }
}

// Its silence is right: the gateway sends for it no longer.
#[test]
fn a_device_that_its_gateway_may_not_send_for_any_more_is_no_longer_watched() {
    let all = ["00A037FFFE000001", "00A037FFFE000002", "00A037FFFE000003", "MONITOR-1"];
    let liveness = Liveness::default();
    liveness.hear(&"GW-1".parse().unwrap(), at(0), &of(&all));
    let with = |patterns: &[&str], others: &[&str]| {
        let speaks_for = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        let others = others.iter().map(|id| Device::new(id.parse().unwrap()));
        let gateway = Device { speaks_for, ..gateway("GW-1") };
        Directory::from([gateway].into_iter().chain(others).collect::<Vec<_>>())
    };
    let watched = |directory: &Directory| {
        liveness.forget_unlisted(directory);
        let behind = liveness.devices_behind(&"GW-1".parse().unwrap());
        behind.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(watched(&with(&["00A037*"], &[])), all);
    // A pattern does not speak for a device with an entry of its own, unless the list spells it.
    assert_eq!(watched(&with(&["00A037*", all[1]], &all[..2])), all[1..]);
    assert_eq!(watched(&with(&[all[2]], &[])), all[2..], "a name that is no EUI-64 stays");
}

/// Of 42 monitors behind one gateway, each can stop.
#[test]
fn devices_behind_a_gateway_are_watched_one_by_one() {
    let liveness = Liveness::default();
    let gateway: DeviceId = "GW-1".parse().unwrap();
    let monitors: Vec<String> = (0..42).map(|n| format!("MONITOR-{n:02}")).collect();
    let all: Vec<&str> = monitors.iter().map(String::as_str).collect();
    liveness.hear(&gateway, at(0), &of(&all));
    // One goes on, and with it the certificate.
    (1..10).for_each(|n| liveness.hear(&gateway, at(n * 5), &of(&all[..1])));
    let reports = checked(&liveness, 46);
    let [Report::Silent(silent)] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((silent.names.len(), silent.others, silent.last_heard), (32, 9, Some(at(0))));
    assert_eq!((liveness.silent_devices(), checked(&liveness, 47)), (41, Vec::new()), "once");
    liveness.hear(&gateway, at(48), &of(&all[7..9]));
    let reports = checked(&liveness, 49);
    let [Report::Resumed(resumed)] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(names(resumed), ["MONITOR-07", "MONITOR-08"]);
    assert_eq!(liveness.silent_devices(), 39);
}

#[test]
fn the_heartbeat_of_a_device_is_not_that_of_its_gateway() {
    let liveness = Liveness::default();
    let gateway: DeviceId = "GW-1".parse().unwrap();
    liveness.hear(&gateway, at(0), &of(&["A"]));
    assert_eq!(liveness.device(&gateway).unwrap().silence_threshold(RULE), None);
    liveness.hear(&gateway, at(0), &of(&[]));
    let threshold = liveness.device(&gateway).unwrap().silence_threshold(RULE);
    assert_eq!(threshold, Some(Duration::from_secs(20)));
}

#[test]
fn a_device_that_changes_its_gateway_is_not_silent() {
    let liveness = Liveness::default();
    let [one, other]: [DeviceId; 2] = ["GW-1", "GW-2"].map(|name| name.parse().unwrap());
    liveness.hear(&one, at(0), &of(&["A"]));
    (1..10).for_each(|n| liveness.hear(&other, at(n * 5), &of(&["A"])));
    assert_eq!(checked(&liveness, 46), []);
    assert_eq!((liveness.devices_behind(&one).len(), liveness.devices_behind(&other).len()), (0, 1));
    let reports = liveness.check(&directory(), at(100), RULE, FeedLimits::default());
    assert!(matches!(reports.as_slice(), [(via, Report::Silent(_))] if *via == other), "{reports:?}");
}

#[test]
fn the_devices_that_are_watched_are_limited() {
    let liveness = Liveness::default();
    let [one, other]: [DeviceId; 2] = ["GW-1", "GW-2"].map(|name| name.parse().unwrap());
    let limited = |second| liveness.check(&directory(), at(second), RULE, limits(2, 3)).len();
    limited(0);
    liveness.hear(&one, at(0), &of(&["A", "B", "C"]));
    assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (2, 1));
    liveness.hear(&other, at(0), &of(&["D", "E"]));
    assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (3, 1));
    // A silent one makes room.
    assert_eq!(limited(30), 2);
    liveness.hear(&one, at(31), &of(&["C"]));
    assert_eq!((liveness.devices_watched_behind(), liveness.take_not_watched()), (3, 0));
    assert!(liveness.devices_behind(&one).iter().any(|(name, _)| &**name == "C"));
    // Taken away, and removed from the directory.
    assert_eq!(limited(31 + 8 * 24 * 3600), 0);
    assert_eq!(liveness.devices_watched_behind(), 0);
    liveness.hear(&one, at(1_000_000), &of(&["C"]));
    liveness.check(&Directory::default(), at(1_000_000), RULE, limits(2, 3));
    assert_eq!((liveness.devices_watched_behind(), liveness.silent_devices()), (0, 0));
}

/// The directory while GW-1 has this status.
fn with_status(status: DeviceStatus) -> Directory {
    vec![Device { status, ..gateway("GW-1") }, gateway("GW-2")].into()
}

fn is_silence(reports: &[(DeviceId, Report)]) -> bool {
    let is_own = |report: &Report| matches!(report, Report::Own(Change::Silent { .. }));
    reports.iter().any(|(_, report)| is_own(report) || matches!(report, Report::Silent(_)))
}

/// An operator takes a device out and puts it back: it has to come back, and its neighbours too.
#[test]
fn a_device_that_does_not_come_back_after_its_suspension_is_silent() {
    let gateway: DeviceId = "GW-1".parse().unwrap();
    let liveness = Liveness::default();
    // Without a stated interval: the rhythm is learned.
    let monitors = SignOfLife { heartbeat: None, devices: vec!["A".to_owned(), "B".to_owned()] };
    (0..10).for_each(|n| liveness.hear(&gateway, at(n * 30), &monitors));
    let check = |status, second| liveness.check(&with_status(status), at(second), RULE, limits(100, 1000));
    use DeviceStatus::{Active, Suspended};
    assert_eq!(check(Active, 280), []);
    // It was suspended for an hour: nothing is expected of it then.
    assert_eq!((check(Suspended, 290), check(Suspended, 3800)), (Vec::new(), Vec::new()));
    assert_eq!(check(Active, 3890), [], "its time begins when it is resumed");
    assert_eq!(check(Active, 3980), []);
    let reports = check(Active, 3981);
    let behind = reports.iter().find_map(|(_, report)| match report {
        Report::Silent(devices) => Some(names(devices)),
        _ => None,
    });
    assert!(is_silence(&reports) && behind == Some(vec!["A", "B"]), "{reports:?}");
    // A reported silence ends with a suspension, and is reported again.
    assert_eq!(check(Suspended, 4000), []);
    assert_eq!(liveness.silent_devices(), 0);
    assert_eq!(check(Active, 5000), []);
    assert!(is_silence(&check(Active, 5091)));
    assert_eq!(liveness.silent_devices(), 3);
}

#[test]
fn the_time_of_a_suspension_is_no_gap_of_the_device() {
    let gateway: DeviceId = "GW-1".parse().unwrap();
    let liveness = Liveness::default();
    let monitor = SignOfLife { heartbeat: None, devices: vec!["A".to_owned()] };
    (0..10).for_each(|n| liveness.hear(&gateway, at(n * 30), &monitor));
    for (status, second) in [(DeviceStatus::Suspended, 300), (DeviceStatus::Active, 4000)] {
        liveness.check(&with_status(status), at(second), RULE, limits(100, 1000));
    }
    liveness.hear(&gateway, at(4010), &monitor);
    let threshold = |known: &super::DeviceLiveness| known.silence_threshold(RULE);
    let minute_and_a_half = Some(Duration::from_secs(90));
    assert_eq!(threshold(&liveness.device(&gateway).unwrap()), minute_and_a_half);
    assert_eq!(threshold(&liveness.devices_behind(&gateway)[0].1), minute_and_a_half);
    // The same where its monitors came through another gateway meanwhile.
    liveness.check(&with_status(DeviceStatus::Suspended), at(4020), RULE, limits(100, 1000));
    let other: DeviceId = "GW-2".parse().unwrap();
    liveness.hear(&other, at(9000), &monitor);
    assert_eq!(threshold(&liveness.devices_behind(&other)[0].1), minute_and_a_half);
}

#[test]
fn devices_behind_a_suspended_gateway_make_room_for_others() {
    let [one, other]: [DeviceId; 2] = ["GW-1", "GW-2"].map(|name| name.parse().unwrap());
    let liveness = Liveness::default();
    let suspended = with_status(DeviceStatus::Suspended);
    liveness.check(&directory(), at(0), RULE, limits(2, 2));
    liveness.hear(&one, at(0), &of(&["A", "B"]));
    liveness.hear(&other, at(1), &of(&["C"]));
    assert_eq!(liveness.take_not_watched(), 1, "both are in use");
    liveness.check(&suspended, at(2), RULE, limits(2, 2));
    liveness.hear(&other, at(3), &of(&["C", "D", "E"]));
    let names: Vec<_> = liveness.devices_behind(&other).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["C", "D"]);
    assert_eq!((liveness.take_not_watched(), liveness.devices_watched_behind()), (1, 2), "two of one");
}

/// The platform is restarted while the device is suspended, or the entry is removed and added again: what is
/// stored of it counts, and its time begins when it may connect.
#[tokio::test]
async fn what_is_stored_of_a_device_counts_after_a_restart_and_when_it_is_added_again() {
    let place = TestStore::new();
    let store = place.open().await;
    store.add_device(gateway("PUMP-1"), "alice").await.unwrap();
    for number in 0..10 {
        store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
        place.clock.advance(Duration::from_secs(30));
    }
    let start = place.clock.now();
    let after = |seconds: i64| start + jiff::SignedDuration::from_secs(seconds);
    let directory = |status| Directory::from(vec![Device { status, ..gateway("PUMP-1") }]);
    use DeviceStatus::{Active, Suspended};
    let restarted = Liveness::default();
    history::restore(&store, &restarted, start).await.unwrap();
    let check = |liveness: &Liveness, directory: &Directory, second| {
        is_silence(&liveness.check(directory, after(second), RULE, limits(100, 1000)))
    };
    assert!(!check(&restarted, &directory(Suspended), 1000));
    assert!(!check(&restarted, &directory(Active), 2000), "it is resumed");
    assert!(!check(&restarted, &directory(Active), 2090));
    assert!(check(&restarted, &directory(Active), 2091));
    // Removed: it is forgotten. Added again: it is known again.
    assert!(!check(&restarted, &Directory::default(), 2100));
    let id: DeviceId = "PUMP-1".parse().unwrap();
    assert!(restarted.device(&id).is_none());
    let mut entries = history::Entries::default();
    entries.see(&Directory::default());
    entries.see(&directory(Active));
    entries.restore(&store, &restarted, after(5000)).await.unwrap();
    assert!(!check(&restarted, &directory(Active), 5090));
    assert!(check(&restarted, &directory(Active), 5091));
}

/// What a start finds of a device whose messages were removed: the row of its feed.
#[test]
fn a_remembered_feed_of_a_suspended_device_counts_when_it_is_resumed() {
    let liveness = Liveness::default();
    let feed = FeedState {
        via: "GW-1".parse().unwrap(),
        identity: None,
        last: at(0),
        pause: Some(Duration::from_secs(30)),
        heartbeat: None,
        is_silent: true,
        has_left: false,
    };
    liveness.remember(&feed, at(100));
    let check = |status, second| {
        is_silence(&liveness.check(&with_status(status), at(second), RULE, limits(100, 1000)))
    };
    assert!(!check(DeviceStatus::Suspended, 101));
    assert_eq!(liveness.silent_devices(), 0, "its silence is no finding meanwhile");
    assert!(!check(DeviceStatus::Active, 1000) && !check(DeviceStatus::Active, 1090));
    assert!(check(DeviceStatus::Active, 1091));
}
