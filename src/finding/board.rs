//! The present findings of a running platform.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::code::{Code, Severity};
use super::item::{Finding, Subject};

/// The present findings. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<Key, Finding>>>);

type Key = (Code, Subject);

/// What differs from the findings before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones, and those that became more severe.
    pub begun: Vec<Finding>,
    /// Those that are gone.
    pub ended: Vec<Finding>,
}

impl Board {
    /// Replaces the findings by what an examination at `now` found. One that was there before keeps the time
    /// at which it began. Of several with one code about one subject the most severe counts: a device may be
    /// silent by itself and behind a gateway.
    pub fn replace(&self, found: Vec<Finding>, now: Timestamp) -> Changes {
        let mut board = self.lock();
        let mut former = std::mem::take(&mut *board);
        let mut changes = Changes::default();
        for (key, mut finding) in distinct(found) {
            let known = former.remove(&key);
            finding.since = finding.since.or(known.as_ref().and_then(|known| known.since)).or(Some(now));
            if known.is_none_or(|known| known.severity < finding.severity) {
                changes.begun.push(finding.clone());
            }
            board.insert(key, finding);
        }
        changes.ended = former.into_values().collect();
        changes
    }

    /// The findings: the most severe first, of those what concerns the whole platform, then by code and
    /// subject.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<_> = self.lock().values().cloned().collect();
        findings.sort_by_key(|finding| {
            (std::cmp::Reverse(finding.severity), finding.subject != Subject::Platform)
        });
        findings
    }

    /// How many findings of each code there are, every code included.
    #[must_use]
    pub fn counts(&self) -> Vec<(Code, usize)> {
        let board = self.lock();
        let count = |code: Code| board.keys().filter(|(known, _)| *known == code).count();
        Code::ALL.iter().map(|code| (*code, count(*code))).collect()
    }

    /// The severity of the most severe finding.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.lock().values().map(|finding| finding.severity).max()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Finding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One finding of each code about each subject: the most severe, else the first.
fn distinct(found: Vec<Finding>) -> BTreeMap<Key, Finding> {
    let mut distinct = BTreeMap::<Key, Finding>::new();
    for finding in found {
        let key = (finding.code(), finding.subject.clone());
        match distinct.entry(key) {
            Entry::Vacant(place) => {
                place.insert(finding);
            }
            Entry::Occupied(mut known) if known.get().severity < finding.severity => {
                known.insert(finding);
            }
            Entry::Occupied(_) => {}
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::facts::{DeviceSilent, RestartPending, ShuttingDown, TaskFailed};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn silent(device: &str) -> Finding {
        let facts = DeviceSilent { through: None, last: at(0).into(), seconds: 120 };
        Finding::new(Subject::Device(device.to_owned()), facts)
    }

    #[test]
    fn a_finding_begins_once_keeps_its_beginning_and_ends() {
        let board = Board::default();
        let changes = board.replace(vec![silent("A"), silent("B")], at(1));
        assert_eq!((changes.begun.len(), changes.ended.len()), (2, 0));
        let changes = board.replace(vec![silent("B")], at(2));
        assert_eq!((changes.begun.len(), changes.ended.len()), (0, 1));
        let known = board.findings();
        assert_eq!((known.len(), known[0].since), (1, Some(at(1))));
        board.replace(Vec::new(), at(3));
        board.replace(vec![silent("B")], at(4));
        assert_eq!(board.findings()[0].since, Some(at(4)));
    }

    // A gateway that is silent, and so is what it says of itself in OBX-18.
    #[test]
    fn two_findings_of_one_code_and_subject_are_one() {
        let board = Board::default();
        let behind = |severity| {
            let facts = DeviceSilent { through: Some("A".to_owned()), last: at(0).into(), seconds: 120 };
            Finding::new(Subject::Device("A".to_owned()), facts).with_severity(severity)
        };
        let found = || vec![silent("A"), behind(Severity::Urgent)];
        assert_eq!(board.replace(found(), at(1)).begun, [Finding { since: Some(at(1)), ..silent("A") }]);
        assert_eq!(board.replace(found(), at(2)), Changes::default(), "nothing is reported again");
        assert_eq!(board.findings().len(), 1);
        // The more severe one counts, wherever it is.
        let lighter = || vec![behind(Severity::Info), silent("A")];
        assert_eq!(board.replace(lighter(), at(3)), Changes::default());
    }

    #[test]
    fn a_finding_that_becomes_more_severe_is_reported_again() {
        let board = Board::default();
        let ending = || Finding::new(Subject::Platform, RestartPending { keys: Vec::new() });
        board.replace(vec![ending()], at(1));
        let changes = board.replace(vec![ending().with_severity(Severity::Urgent)], at(2));
        assert_eq!(changes.begun.len(), 1);
        assert_eq!(board.replace(vec![ending()], at(3)), Changes::default());
        assert_eq!(board.findings()[0].since, Some(at(1)));
    }

    #[test]
    fn the_most_severe_findings_come_first_and_every_code_is_counted() {
        let board = Board::default();
        let stopping = Finding::new(Subject::Platform, ShuttingDown {});
        board.replace(vec![stopping, silent("A"), silent("B")], at(1));
        let severities: Vec<_> = board.findings().iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Urgent, Severity::Urgent, Severity::Info]);
        let unready = Finding::new(Subject::Platform, TaskFailed { tasks: Vec::new() });
        board.replace(vec![silent("A"), unready.clone(), silent("B")], at(2));
        assert_eq!(board.findings()[0].subject, Subject::Platform, "what concerns all comes first");
        board
            .replace(vec![Finding::new(Subject::Platform, ShuttingDown {}), silent("A"), silent("B")], at(3));
        assert_eq!(board.worst(), Some(Severity::Urgent));
        let counts = board.counts();
        assert_eq!(counts.len(), Code::ALL.len());
        assert!(counts.contains(&(Code::DeviceSilent, 2)) && counts.contains(&(Code::TaskFailed, 0)));
    }
}
