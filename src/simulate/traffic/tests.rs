use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::hl7::Message;
use crate::pcd::profile::{Finding, check};
use crate::pcd::{Observation, Transaction};

const VENDORS: [Vendor; 6] =
    [Vendor::Framework, Vendor::BBraun, Vendor::Philips, Vendor::Ge, Vendor::Draeger, Vendor::Mindray];
const KINDS: [Kind; 5] = [Kind::Monitor, Kind::Pump, Kind::Ventilator, Kind::Tracked, Kind::Reporter];

fn schedule() -> Schedule {
    Schedule { interval: Duration::from_secs(10), topics: Topic::ALL.into_iter().collect() }
}

fn equipment(kind: Kind, number: u32) -> Equipment {
    Equipment::new(format!("0253494D{number:08X}"), kind, number, 7)
}

fn sent(vendor: Vendor, equipment: &Equipment, report: &Report) -> Bytes {
    report.message(&Sending {
        vendor,
        sender: &equipment.id,
        equipment,
        control_id: "SIM-1",
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        run: "7",
    })
}

/// Everything that every kind of equipment reports in two hundred turns.
fn all(vendor: Vendor) -> Vec<(Equipment, Report, Bytes)> {
    let schedule = schedule();
    let mut found = Vec::new();
    for equipment in KINDS.iter().zip(0..).map(|(kind, number)| equipment(*kind, number)) {
        let mut reports: Vec<_> = (0..200).flat_map(|turn| schedule.due(&equipment, turn)).collect();
        reports.extend(schedule.first(&equipment));
        reports.extend([false, true].into_iter().filter_map(|leaves| schedule.heartbeat(leaves)));
        for report in reports {
            let message = sent(vendor, &equipment, &report);
            found.push((equipment.clone(), report, message));
        }
    }
    found
}

fn findings(message: &[u8]) -> (Transaction, Vec<Finding>) {
    let message = Message::parse(message).unwrap();
    let transaction = Transaction::of(&message).unwrap();
    (transaction, check(&message, transaction))
}

/// Of the Technical Framework alone: nothing to warn of, in any kind of message.
#[test]
fn every_message_conforms_to_its_profile_without_a_warning() {
    let mut transactions = BTreeMap::<_, u32>::new();
    for (_, report, message) in all(Vendor::Framework) {
        let (transaction, findings) = findings(&message);
        assert_eq!(transaction.label(), report.transaction(), "{report:?}");
        let text = String::from_utf8_lossy(&message).replace('\r', "\n");
        assert!(findings.is_empty(), "{report:?}: {findings:?}\n{text}");
        *transactions.entry(transaction.label()).or_default() += 1;
    }
    let kinds: Vec<_> = transactions.keys().copied().collect();
    assert_eq!(kinds, ["pcd-01", "pcd-04", "pcd-09", "pcd-10", "pcd-15", "watchdog"]);
}

/// The real messages of these vendors that were looked at reach `strict`, but for misprints.
#[test]
fn every_message_shaped_like_a_vendors_is_accepted_by_strict() {
    for vendor in VENDORS {
        for (_, report, message) in all(vendor) {
            let (transaction, findings) = findings(&message);
            assert_eq!(transaction.label(), report.transaction(), "{vendor:?} {report:?}");
            let refused: Vec<_> = findings.iter().filter(|finding| !finding.is_advice).collect();
            let text = String::from_utf8_lossy(&message).replace('\r', "\n");
            assert!(refused.is_empty(), "{vendor:?} {report:?}: {refused:?}\n{text}");
        }
    }
}

#[test]
fn every_value_is_marked_as_a_test() {
    for vendor in VENDORS {
        for (_, report, message) in all(vendor) {
            let message = Message::parse(&message).unwrap();
            for observation in message.segments().filter_map(Observation::of) {
                let is_value = !observation.value().is_empty();
                assert!(!is_value || observation.is_not_clinical(), "{vendor:?} {report:?}");
            }
        }
    }
}

#[test]
fn an_alarm_starts_continues_and_ends_under_one_number() {
    let schedule = schedule();
    for equipment in [equipment(Kind::Monitor, 0), equipment(Kind::Pump, 5), equipment(Kind::Ventilator, 40)]
    {
        let phases: Vec<_> = (0..48)
            .flat_map(|turn| schedule.due(&equipment, turn))
            .filter_map(|report| match report {
                Report::Alarm(alarm) => Some((alarm.number, alarm.phase.to_string())),
                _ => None,
            })
            .collect();
        let numbers: BTreeSet<_> = phases.iter().map(|(number, _)| *number).collect();
        assert!(numbers.len() >= 3, "{phases:?}");
        for number in numbers {
            let of_one: Vec<_> =
                phases.iter().filter(|(of, _)| *of == number).map(|(_, phase)| phase.as_str()).collect();
            let whole = ["start", "continue", "continue", "end"];
            assert!(whole.starts_with(&of_one), "{number}: {of_one:?}");
        }
    }
    let monitor = equipment(Kind::Monitor, 0);
    assert!(
        matches!(schedule.closing(&monitor, 1), Some(Report::Alarm(alarm)) if alarm.phase.to_string() == "end")
    );
    assert_eq!(schedule.closing(&monitor, 3), None, "it has ended");
    assert_eq!(schedule.closing(&monitor, 5), None, "there is none");
}

#[test]
fn the_same_arguments_make_the_same_message() {
    let (one, again) = (all(Vendor::Ge), all(Vendor::Ge));
    assert!(one.iter().zip(&again).all(|(one, again)| one.2 == again.2));
}

#[test]
fn only_the_chosen_topics_are_sent() {
    let only = |topic| Schedule { topics: [topic].into_iter().collect(), ..schedule() };
    for (topic, expected) in [
        (Topic::Values, "pcd-01"),
        (Topic::Alarms, "pcd-04"),
        (Topic::Infusions, "pcd-10"),
        (Topic::Conditions, "pcd-15"),
        (Topic::Documents, "pcd-09"),
        (Topic::Heartbeats, "watchdog"),
        (Topic::Waveforms, "pcd-01"),
    ] {
        let schedule = only(topic);
        let of_equipment = KINDS.iter().zip(0..).flat_map(|(kind, number)| {
            let equipment = equipment(*kind, number);
            (0..40).flat_map(|turn| schedule.due(&equipment, turn)).collect::<Vec<_>>()
        });
        let names: BTreeSet<_> =
            of_equipment.chain(schedule.heartbeat(false)).map(|report| report.transaction()).collect();
        assert_eq!(names, [expected].into_iter().collect(), "{topic:?}");
    }
}
