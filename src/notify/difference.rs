//! What a receiver is to get: the findings that it does not know, and those that are gone.

use serde::{Deserialize, Serialize};

use crate::config::Notify;
use crate::finding::{Finding, Severity};

/// A finding that a receiver has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reported {
    code: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    severity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// What has changed for a receiver.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// New findings, and those that became more severe.
    pub(super) begun: Vec<Finding>,
    /// Those that are gone.
    pub(super) ended: Vec<Reported>,
    /// What the receiver knows once it has this one.
    pub(super) reported: Vec<Reported>,
}

/// What holds at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// Only urgent findings are reported.
    pub(super) is_quiet: bool,
    /// The platform has just started: what it does not find yet may not have ended.
    pub(super) is_starting: bool,
}

impl Reported {
    fn new(finding: &Finding) -> Self {
        Self {
            code: finding.code().code().to_owned(),
            subject: finding.subject.kind().to_owned(),
            name: finding.subject.name().map(str::to_owned),
            severity: finding.severity.code().to_owned(),
            since: finding.since.map(|since| since.to_string()),
        }
    }

    fn severity(&self) -> Severity {
        let known = Severity::ALL.into_iter().find(|severity| severity.code() == self.severity);
        known.unwrap_or(Severity::Info)
    }
}

/// Compares the present findings with what the receiver knows.
pub(super) fn difference(
    present: &[Finding],
    reported: &[Reported],
    receiver: &Notify,
    Moment { is_quiet, is_starting }: Moment,
) -> Difference {
    use std::collections::HashMap;
    type Key<'k> = (&'k str, &'k str, Option<&'k str>);
    fn key(reported: &Reported) -> Key<'_> {
        (&reported.code, &reported.subject, reported.name.as_deref())
    }
    let lightest = if is_quiet { Severity::Urgent } else { receiver.severity };
    let mut known: HashMap<Key<'_>, &Reported> =
        reported.iter().map(|reported| (key(reported), reported)).collect();
    let mut difference = Difference::default();
    for finding in present {
        let about = (finding.code().code(), finding.subject.kind(), finding.subject.name());
        match known.remove(&about) {
            Some(reported) if reported.severity() >= finding.severity || finding.severity < lightest => {
                difference.reported.push(reported.clone());
            }
            _ if finding.severity < lightest => {}
            _ if difference.reported.len() >= MAX_REPORTED => {}
            _ => {
                difference.reported.push(Reported::new(finding));
                difference.begun.push(finding.clone());
            }
        }
    }
    for gone in reported.iter().filter(|reported| known.contains_key(&key(reported))) {
        if is_starting || (is_quiet && gone.severity() < Severity::Urgent) {
            difference.reported.push(gone.clone());
        } else {
            difference.ended.push(gone.clone());
        }
    }
    difference
}

/// Findings that one receiver knows; further ones are not reported before some of them end.
const MAX_REPORTED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Subject;
    use crate::finding::facts::{DeviceSilent, RestartPending, ShuttingDown};

    fn receiver(severity: Severity) -> Notify {
        let text = format!("name = \"x\"\nwebhook = \"https://x/\"\nseverity = \"{}\"", severity.code());
        toml::from_str(&text).unwrap()
    }

    fn silent(device: &str) -> Finding {
        let facts = DeviceSilent { through: None, last: jiff::Timestamp::UNIX_EPOCH.into(), seconds: 120 };
        Finding::new(Subject::Device(device.to_owned()), facts)
    }

    fn pending() -> Finding {
        Finding::new(Subject::Platform, RestartPending { keys: vec!["log.level".to_owned()] })
    }

    const DAY: Moment = Moment { is_quiet: false, is_starting: false };
    const NIGHT: Moment = Moment { is_quiet: true, is_starting: false };

    #[test]
    fn a_receiver_of_a_ward_gets_what_is_about_its_devices() {
        let text = "name = \"x\"\nwebhook = \"https://x/\"\nwards = [\"ICU\", \" 3 West\"]";
        let ward: Notify = toml::from_str(text).unwrap();
        let all = receiver(Severity::Info);
        for (finding, is_taken) in [
            (silent("A").in_ward("icu "), true),
            (silent("A").in_ward("3 West"), true),
            (silent("A").in_ward("ER"), false),
            (silent("A"), false),
            (pending(), false),
        ] {
            assert_eq!(ward.takes_ward(&finding.ward), is_taken, "{finding:?}");
            assert!(all.takes_ward(&finding.ward));
        }
    }

    #[test]
    fn a_receiver_is_reported_once_of_the_beginning_and_once_of_the_end() {
        let receiver = receiver(Severity::Attention);
        let first = difference(&[silent("A"), pending()], &[], &receiver, DAY);
        assert_eq!((first.begun.len(), first.ended.len(), first.reported.len()), (2, 0, 2));
        let same = difference(&[silent("A"), pending()], &first.reported, &receiver, DAY);
        assert_eq!((same.begun.len(), same.ended.len()), (0, 0));
        assert_eq!(same.reported, first.reported);
        let ended = difference(&[silent("B")], &first.reported, &receiver, DAY);
        assert_eq!((ended.begun.len(), ended.ended.len(), ended.reported.len()), (1, 2, 1));
    }

    #[test]
    fn a_finding_that_becomes_more_severe_is_reported_again() {
        let receiver = receiver(Severity::Info);
        let reported = difference(&[pending()], &[], &receiver, DAY).reported;
        let worse = pending().with_severity(Severity::Urgent);
        let again = difference(std::slice::from_ref(&worse), &reported, &receiver, DAY);
        assert_eq!(again.begun, std::slice::from_ref(&worse));
        let reported = difference(&[worse], &reported, &receiver, DAY).reported;
        assert_eq!(difference(&[pending()], &reported, &receiver, DAY).begun, []);
    }

    #[test]
    fn lighter_findings_wait_for_the_end_of_quiet_hours() {
        let receiver = receiver(Severity::Attention);
        let info = Finding::new(Subject::Platform, ShuttingDown {});
        let night = difference(&[silent("A"), pending(), info.clone()], &[], &receiver, NIGHT);
        assert_eq!(night.begun, [silent("A")]);
        let morning = difference(&[silent("A"), pending(), info], &night.reported, &receiver, DAY);
        assert_eq!(morning.begun, [pending()]);
        // And the end of a lighter one waits too; that of an urgent one does not.
        let next = difference(&[], &morning.reported, &receiver, NIGHT);
        assert_eq!(next.ended.len(), 1);
        assert_eq!(difference(&[], &next.reported, &receiver, DAY).ended.len(), 1);
    }

    #[test]
    fn after_a_start_nothing_ends_before_it_was_looked_at() {
        let receiver = receiver(Severity::Attention);
        let reported = difference(&[silent("A")], &[], &receiver, DAY).reported;
        let start = difference(&[], &reported, &receiver, Moment { is_starting: true, ..DAY });
        assert_eq!((start.ended.len(), &start.reported), (0, &reported));
        assert_eq!(difference(&[], &reported, &receiver, DAY).ended, reported);
    }

    #[test]
    fn what_a_receiver_knows_is_bounded() {
        let many: Vec<_> = (0..5000).map(|number| silent(&number.to_string())).collect();
        let receiver = receiver(Severity::Urgent);
        let first = difference(&many, &[], &receiver, DAY);
        assert_eq!((first.begun.len(), first.reported.len()), (MAX_REPORTED, MAX_REPORTED));
        let second = difference(&many, &first.reported, &receiver, DAY);
        assert_eq!((second.begun.len(), second.reported.len()), (0, MAX_REPORTED));
    }
}
