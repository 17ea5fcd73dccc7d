//! Findings about devices.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::authz::{Device, DeviceStatus, Directory};
use crate::finding::facts::{
    DeviceCertificateEnding, DeviceLeft, DeviceLockedOut, DeviceNeverSeen, DeviceRefused, DeviceRejected,
    DeviceSilent, days_until,
};
use crate::finding::{Finding, Severity, Subject};
use crate::fleet::{DeviceState, Fleet, Standing};
use crate::liveness::{DeviceLiveness, Liveness};
use crate::metrics::Metrics;
use crate::model::{Refusal, RefusalFacts};
use crate::store::{RefusedRoom, RefusedRow};

/// Devices of the directory, and devices behind them, that sent regularly and have stopped.
pub(super) fn silent(directory: &Directory, liveness: &Liveness, now: Timestamp) -> Vec<Finding> {
    directory.devices().flat_map(|device| in_ward(device, silent_of(device, liveness, now))).collect()
}

/// Devices of the directory, and devices behind them, that have left monitoring: nothing is expected of them.
pub(super) fn left(directory: &Directory, liveness: &Liveness) -> Vec<Finding> {
    let active = directory.devices().filter(|device| device.status == DeviceStatus::Active);
    active.flat_map(|device| in_ward(device, left_of(device, liveness))).collect()
}

/// Findings about a device, or those behind it, belong to its ward.
fn in_ward(device: &Device, found: Vec<Finding>) -> impl Iterator<Item = Finding> {
    found.into_iter().map(|finding| finding.in_ward(&device.about.ward))
}

fn left_of(device: &Device, liveness: &Liveness) -> Vec<Finding> {
    let own = liveness.device(&device.id).filter(DeviceLiveness::has_left);
    let own = own.map(|own| (device.id.to_string(), None, own.last_heard()));
    let behind = liveness.devices_behind(&device.id).into_iter().filter(|(_, behind)| behind.has_left());
    let through = || Some(device.id.to_string());
    let behind = behind.map(|(name, behind)| (name.to_string(), through(), behind.last_heard()));
    let finding = |(name, through, last): (String, Option<String>, Timestamp)| {
        Finding::new(Subject::Device(name), DeviceLeft { through, last: last.into() }).since(last)
    };
    own.into_iter().chain(behind).map(finding).collect()
}

/// Expected devices of the directory of which nothing was ever stored.
pub(super) fn missing(directory: &Directory, liveness: &Liveness) -> Vec<Finding> {
    let missing = directory.devices().filter(|device| liveness.is_missing(&device.id));
    let finding = |device: &Device| {
        let about = Subject::Device(device.id.to_string());
        Finding::new(about, DeviceNeverSeen {}).in_ward(&device.about.ward)
    };
    missing.map(|device| finding(device)).collect()
}

/// Devices of the directory that are refused or whose messages are rejected, peers with good certificates
/// that are in no directory, and certificates of devices that end.
pub(super) fn refused_and_ending(
    directory: &Directory,
    fleet: &Fleet,
    standings: &Standings,
    now: Timestamp,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (device, standing) in standings {
        let name = || Subject::Device(device.id.to_string());
        if device.status == DeviceStatus::Damaged {
            let row = standing.locked_out.as_ref().filter(|row| row.refusal == Refusal::DamagedEntry);
            let finding = row.map_or_else(|| damaged(device, now), |row| locked_out(name(), row, false));
            found.push(finding);
            continue;
        }
        // Who is suspended is refused as an operator wants it.
        if device.status != DeviceStatus::Active {
            continue;
        }
        let refused = standing.locked_out.as_ref().filter(|row| is_recent(row, now));
        let refused = refused.map(|row| locked_out(name(), row, standing.is_withdrawn));
        let rejected = (standing.state == DeviceState::Rejected).then(|| rejected(name(), standing));
        let shown = standing.contact.as_ref().map(|contact| contact.certificate.not_after);
        let ending = shown.and_then(|end| ending(name(), end, now));
        found.extend(in_ward(device, [refused, rejected, ending].into_iter().flatten().collect()));
    }
    let is_unknown = |row: &&RefusedRow| {
        row.refusal == Refusal::UnknownDevice
            && row.room == RefusedRoom::Verified
            && is_recent(row, now)
            && row.device.as_ref().is_none_or(|device| directory.find(device).is_none())
    };
    found.extend(fleet.refused().iter().filter(is_unknown).take(MAX_UNKNOWN).map(|row| {
        let facts = DeviceRefused { times: row.count, last: row.last.into(), peer: row.peer.clone() };
        Finding::new(Subject::Peer(row.who.clone()), facts).since(row.first)
    }));
    found
}

/// A device whose entry cannot be read, before it has tried to connect.
fn damaged(device: &Device, now: Timestamp) -> Finding {
    let facts = DeviceLockedOut {
        refusal: Refusal::DamagedEntry,
        shown: Box::default(),
        session_ended: false,
        times: 0,
        last: now.into(),
        peer: String::new(),
    };
    let shown = RefusalFacts { name: Some(device.id.to_string()), ..RefusalFacts::default() };
    let advice = Refusal::DamagedEntry.next_step(&shown);
    Finding::new(Subject::Device(device.id.to_string()), facts).advise(advice)
}

fn locked_out(subject: Subject, row: &RefusedRow, is_withdrawn: bool) -> Finding {
    let facts = DeviceLockedOut {
        refusal: row.refusal,
        shown: Box::new(row.facts.clone()),
        session_ended: is_withdrawn,
        times: row.count,
        last: row.last.into(),
        peer: row.peer.clone(),
    };
    let step = row.refusal.next_step(&row.facts);
    let advice =
        format!("{step}; `pcd-platform device why CN` shows the path; look after the patient meanwhile");
    Finding::new(subject, facts).since(row.first).advise(advice)
}

/// A device whose messages came once, and are rejected now, needs a person at once; one of which nothing was
/// ever accepted is being set up.
fn rejected(subject: Subject, standing: &Standing) -> Finding {
    let severity = if standing.last_accepted.is_some() { Severity::Urgent } else { Severity::Attention };
    let facts = DeviceRejected {
        last_rejected: standing.rejected.map(Into::into),
        last_accepted: standing.last_accepted.map(Into::into),
    };
    Finding::new(subject, facts).with_severity(severity)
}

/// The certificate of a device that ends within [`CERTIFICATE_SOON`].
fn ending(subject: Subject, end: Timestamp, now: Timestamp) -> Option<Finding> {
    let facts = DeviceCertificateEnding { not_after: end.into(), days_left: days_until(end, now) };
    (end.duration_since(now) < CERTIFICATE_SOON).then(|| Finding::new(subject, facts))
}

fn is_recent(row: &RefusedRow, now: Timestamp) -> bool {
    now.duration_since(row.last) <= REFUSED_LATELY
}

/// The states of the devices, and the certificates that end, for the metrics.
pub(super) fn publish(standings: &Standings, now: Timestamp, metrics: &Metrics) {
    let count = |matches: &dyn Fn(&Device, &Standing) -> bool| {
        let count = standings.iter().filter(|(device, standing)| matches(device, standing)).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    for state in DeviceState::ALL {
        let devices = count(&|_, standing| standing.state == state);
        metrics.housekeeping.devices.with_label_values(&[state.code()]).set(devices);
    }
    for (within, days) in ENDING_WITHIN {
        let limit = SignedDuration::from_hours(24 * days);
        let ends = |device: &Device, standing: &Standing| {
            device.status == DeviceStatus::Active
                && standing.certificate_end().is_some_and(|end| end.duration_since(now) < limit)
        };
        metrics.housekeeping.device_certificates_ending.with_label_values(&[within]).set(count(&ends));
    }
}

fn silent_of(device: &Device, liveness: &Liveness, now: Timestamp) -> Vec<Finding> {
    let own = liveness.device(&device.id).filter(DeviceLiveness::is_silent);
    let own = own.map(|own| finding(device.id.as_str(), None, &own, now));
    let behind = liveness.devices_behind(&device.id).into_iter();
    let behind = behind.filter(|(_, liveness)| liveness.is_silent());
    let via = device.id.as_str();
    own.into_iter().chain(behind.map(|(name, silent)| finding(&name, Some(via), &silent, now))).collect()
}

fn finding(name: &str, via: Option<&str>, liveness: &DeviceLiveness, now: Timestamp) -> Finding {
    let last = liveness.last_heard();
    let quiet = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    let through = via.map(str::to_owned);
    let facts = DeviceSilent { through, last: last.into(), seconds: quiet.as_secs() };
    Finding::new(Subject::Device(name.to_owned()), facts).since(last)
}

/// Each device of the directory, and how it stands.
pub(super) type Standings = Vec<(Arc<Device>, Standing)>;

/// A certificate of a device that ends sooner is a finding.
const CERTIFICATE_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A refusal is a finding for so long.
const REFUSED_LATELY: SignedDuration = SignedDuration::from_hours(24);
/// Findings about peers that are in no directory.
const MAX_UNKNOWN: usize = 100;
/// The label `within`, and its days.
const ENDING_WITHIN: [(&str, i64); 3] = [("7d", 7), ("30d", 30), ("90d", 90)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::DeviceKind;
    use crate::finding::Code;
    use crate::fleet::fixtures::contact;
    use crate::liveness::{Heartbeat, SignOfLife};
    use crate::model::{DeviceId, SilentAfter};
    use crate::store::Contact;
    use crate::store::fixtures::gateway;

    #[test]
    fn an_expected_device_that_never_sent_is_a_finding_until_it_sends() {
        let directory = Directory::from(vec![Device { expected: true, ..gateway("GW-1") }, gateway("GW-2")]);
        let (liveness, rule) = (Liveness::default(), SilentAfter::Fixed(Duration::from_secs(5)));
        let at = |second: i64| Timestamp::from_second(1_750_000_000 + second).unwrap();
        let id: DeviceId = "GW-1".parse().unwrap();
        assert!(liveness.unheard(&directory, at(0), rule).is_empty());
        assert!(missing(&directory, &liveness).is_empty(), "it has some time");
        assert_eq!(liveness.unheard(&directory, at(6), rule).len(), 1);
        assert!(liveness.set_missing(&id, true));
        let found = missing(&directory, &liveness);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((finding.code(), finding.subject.name()), (Code::DeviceNeverSeen, Some("GW-1")));
        assert!(!liveness.set_missing(&id, false));
        assert!(missing(&directory, &liveness).is_empty());
    }

    #[test]
    fn a_device_that_left_monitoring_is_a_finding_until_it_sends_again() {
        let directory = Directory::from(vec![gateway("GW-1")]);
        let (liveness, id) = (Liveness::default(), "GW-1".parse().unwrap());
        let at = |second: i64| Timestamp::from_second(1_750_000_000 + second).unwrap();
        let leaves = |devices: &[&str]| SignOfLife {
            heartbeat: Some(Heartbeat::Leaves),
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        };
        liveness.hear(&id, at(0), &leaves(&["PUMP-7"]));
        let names = |liveness: &Liveness| {
            let found = left(&directory, liveness);
            assert!(found.iter().all(|finding| finding.code() == Code::DeviceLeft), "{found:?}");
            found.iter().map(|finding| finding.subject.name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&liveness), ["PUMP-7"]);
        liveness.hear(&id, at(1), &leaves(&[]));
        assert_eq!(names(&liveness), ["GW-1", "PUMP-7"]);
        liveness.hear(&id, at(2), &SignOfLife::default());
        assert_eq!(names(&liveness), ["PUMP-7"]);
        let again = SignOfLife { heartbeat: None, devices: vec!["PUMP-7".to_owned()] };
        liveness.hear(&id, at(3), &again);
        assert!(names(&liveness).is_empty());
    }

    #[test]
    fn a_certificate_of_a_device_is_a_finding_thirty_days_before_its_end() {
        let now = Timestamp::from_second(1_750_000_000).unwrap();
        let found = |days: i64| {
            let end = now + SignedDuration::from_hours(24 * days);
            ending(Subject::Device("PUMP".to_owned()), end, now).map(|finding| finding.what())
        };
        assert_eq!(found(31), None);
        assert!(found(29).unwrap().ends_with("29 days from now"));
        assert!(found(1).unwrap().ends_with(", 1 day from now"), "{:?}", found(1));
        assert!(found(-1).unwrap().contains("ended"));
    }

    #[test]
    fn a_device_whose_messages_are_rejected_and_one_that_lost_its_authorization_are_findings() {
        let at = |second: i64| Timestamp::from_second(1_750_000_000 + second).unwrap();
        let device = Arc::new(Device { kind: DeviceKind::Device, ..gateway("PUMP-1") });
        let directory = Directory::from(vec![(*device).clone()]);
        let ended = |why: &str| Contact { ended_why: why.to_owned(), ..contact("PUMP-1", 0) };
        let found = |contact: Contact| {
            let fleet = Fleet::new(vec![contact], Vec::new(), Vec::new());
            let standings = vec![(Arc::clone(&device), fleet.standing(&device, None, at(100)))];
            refused_and_ending(&directory, &fleet, &standings, at(100))
        };
        let of = |code: Code, found: Vec<Finding>| found.into_iter().find(|finding| finding.code() == code);
        let rejected = || Contact { rejected_at: Some(at(90)), ..ended("violations") };
        let setting_up = of(Code::DeviceRejected, found(rejected())).unwrap();
        assert_eq!(setting_up.severity, Severity::Attention);
        let sent = Contact { accepted_at: Some(at(10)), ..rejected() };
        assert_eq!(of(Code::DeviceRejected, found(sent)).unwrap().severity, Severity::Urgent);
        let mixed = Contact { accepted_at: Some(at(80)), ..rejected() };
        assert_eq!(of(Code::DeviceRejected, found(mixed)), None);
        let revoked = of(Code::DeviceLockedOut, found(ended("revoked"))).unwrap();
        let what = revoked.what();
        assert!(what.starts_with("the platform ended its session at "), "{what}");
        assert!(what.ends_with("is revoked") && !what.contains("to do"), "{what}");
        let to_do = revoked.what_to_do();
        assert!(to_do.contains("device why PUMP-1") && !to_do.contains("to do: "), "{to_do}");
        assert_eq!(of(Code::DeviceLockedOut, found(ended("peer-closed"))), None);
    }
}
