//! How many rejected messages of a device are stored.

use jiff::{SignedDuration, Timestamp};

use crate::config::Messages;
use crate::store::RejectedMessages;

/// The rejected messages of one device in an hour.
#[derive(Debug, Default)]
pub(super) struct StoredRejections {
    hour: Option<Hour>,
    /// An hour that is over and not reported yet.
    finished: Option<NotStored>,
    /// Whether what an earlier process had stored is known.
    is_resumed: bool,
}

#[derive(Debug)]
struct Hour {
    began: Timestamp,
    stored: u64,
    stored_bytes: u64,
    not_stored: u64,
    not_stored_bytes: u64,
}

impl Hour {
    const fn new(began: Timestamp) -> Self {
        Self { began, stored: 0, stored_bytes: 0, not_stored: 0, not_stored_bytes: 0 }
    }
}

/// What becomes of a rejected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::interface_a) enum Storage {
    /// It is stored.
    Stored,
    /// It is counted only. The first of its hour leaves a row in the audit trail.
    CountedFirst,
    /// It is counted only.
    Counted,
}

/// The rejected messages of an hour that were not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::interface_a) struct NotStored {
    /// The beginning of the hour.
    pub(in crate::interface_a) since: Timestamp,
    pub(in crate::interface_a) messages: u64,
    pub(in crate::interface_a) bytes: u64,
}

impl StoredRejections {
    /// Whether what an earlier process, or another node, had stored is still unknown.
    pub(super) const fn wants_earlier(&self) -> bool {
        !self.is_resumed
    }

    /// Goes on with the hour of an earlier process: a restart must not begin another one.
    pub(super) fn resume(&mut self, earlier: Option<RejectedMessages>) {
        self.is_resumed = true;
        let Some(RejectedMessages { first, messages, bytes }) = earlier else { return };
        let bytes = bytes.saturating_add(messages.saturating_mul(ROW_BYTES));
        let hour = self.hour.get_or_insert_with(|| Hour::new(first));
        hour.began = hour.began.min(first);
        // A rejection of this process may be among them.
        hour.stored = hour.stored.max(messages);
        hour.stored_bytes = hour.stored_bytes.max(bytes);
    }

    /// Bytes of a rejected message that may still be stored in this hour.
    pub(super) fn room(&mut self, limits: &Messages, now: Timestamp) -> u64 {
        self.end_hour(now);
        let stored = self.hour.as_ref().map_or(0, |hour| hour.stored_bytes);
        (limits.rejected_bytes_per_hour as u64).saturating_sub(stored).saturating_sub(ROW_BYTES)
    }

    /// Counts a rejected message of `bytes`, and decides whether it is stored.
    pub(super) fn take(&mut self, bytes: u64, limits: &Messages, now: Timestamp) -> Storage {
        self.end_hour(now);
        let hour = self.hour.get_or_insert_with(|| Hour::new(now));
        let stored_bytes = hour.stored_bytes.saturating_add(bytes).saturating_add(ROW_BYTES);
        if hour.stored < u64::from(limits.rejected_per_hour)
            && stored_bytes <= limits.rejected_bytes_per_hour as u64
        {
            hour.stored += 1;
            hour.stored_bytes = stored_bytes;
            return Storage::Stored;
        }
        hour.not_stored += 1;
        hour.not_stored_bytes = hour.not_stored_bytes.saturating_add(bytes);
        if hour.not_stored == 1 { Storage::CountedFirst } else { Storage::Counted }
    }

    /// The messages of an hour that is over; with `everything` those of the current hour too.
    pub(super) fn report(&mut self, now: Timestamp, everything: bool) -> Option<NotStored> {
        self.end_hour(if everything { Timestamp::MAX } else { now });
        self.finished.take()
    }

    fn end_hour(&mut self, now: Timestamp) {
        let is_over = |hour: &mut Hour| now < hour.began || now.duration_since(hour.began) >= HOUR;
        let Some(Hour { began, not_stored, not_stored_bytes, .. }) = self.hour.take_if(is_over) else {
            return;
        };
        if not_stored > 0 {
            let earlier = self.finished.take();
            self.finished = Some(NotStored {
                since: earlier.map_or(began, |earlier| earlier.since),
                messages: not_stored + earlier.map_or(0, |earlier| earlier.messages),
                bytes: not_stored_bytes + earlier.map_or(0, |earlier| earlier.bytes),
            });
        }
    }
}

pub(super) const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What the rows of a rejected message take besides its bytes: of the message with its indexes, and of the
/// audit trail.
const ROW_BYTES: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + 60 * minutes).unwrap()
    }

    #[test]
    fn number_and_bytes_of_an_hour_are_stored_and_the_rest_is_counted() {
        let rejected_bytes_per_hour = 100 + 3 * usize::try_from(ROW_BYTES).unwrap();
        let limits = Messages { rejected_per_hour: 3, rejected_bytes_per_hour, ..Messages::default() };
        let mut rejections = StoredRejections::default();
        let mut take = |bytes, minute| rejections.take(bytes, &limits, at(minute));
        assert_eq!(take(60, 0), Storage::Stored);
        assert_eq!(take(41 + ROW_BYTES, 1), Storage::CountedFirst, "too many bytes");
        assert_eq!([take(20, 1), take(20, 2)], [Storage::Stored; 2], "a small one fits");
        assert_eq!([take(0, 2), take(7, 59)], [Storage::Counted; 2], "too many");
        assert_eq!(rejections.report(at(59), false), None);
        assert_eq!(rejections.take(1, &limits, at(60)), Storage::Stored, "another hour");
        let first = NotStored { since: at(0), messages: 3, bytes: 48 + ROW_BYTES };
        assert_eq!(rejections.report(at(61), false), Some(first));
        assert_eq!(rejections.report(at(300), true), None, "nothing was left out since");
    }

    #[test]
    fn the_hour_of_an_earlier_process_goes_on() {
        let limits = Messages { rejected_per_hour: 5, ..Messages::default() };
        let mut rejections = StoredRejections::default();
        assert_eq!(rejections.take(1, &limits, at(31)), Storage::Stored, "before the store has answered");
        assert!(rejections.wants_earlier());
        rejections.resume(Some(RejectedMessages { first: at(0), messages: 4, bytes: 4 }));
        assert!(!rejections.wants_earlier());
        assert_eq!(rejections.take(1, &limits, at(32)), Storage::Stored);
        assert_eq!(rejections.take(1, &limits, at(59)), Storage::CountedFirst);
        assert_eq!(
            rejections.take(1, &limits, at(60)),
            Storage::Stored,
            "the hour began in the earlier process"
        );
    }

    #[test]
    fn a_shutdown_reports_the_current_hour() {
        let limits = Messages { rejected_per_hour: 0, ..Messages::default() };
        let mut rejections = StoredRejections::default();
        assert_eq!(rejections.take(5, &limits, at(0)), Storage::CountedFirst);
        assert_eq!(rejections.report(at(1), true), Some(NotStored { since: at(0), messages: 1, bytes: 5 }));
    }
}
