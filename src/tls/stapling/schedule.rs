//! When the responder of one certificate is asked.

use jiff::{SignedDuration, Timestamp};

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// The longest: an outage costs no more than this once it is over.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// What goes wrong is told once in that time, as long as it goes wrong.
const REMINDER: SignedDuration = SignedDuration::from_hours(1);

/// Where one certificate stands between two questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    /// The time of the next question; none when there is nobody to ask.
    next: Option<Timestamp>,
    pause: SignedDuration,
    under_way: bool,
    told: Option<Timestamp>,
}

impl Schedule {
    /// The next question is at this time.
    pub(super) const fn from(next: Option<Timestamp>) -> Self {
        Self { next, pause: FIRST_PAUSE, under_way: false, told: None }
    }

    pub(super) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether to ask now. Whoever is told so asks: nobody else is until the answer is in.
    pub(super) fn begins(&mut self, now: Timestamp) -> bool {
        let begins = !self.under_way && self.next.is_some_and(|next| next <= now);
        self.under_way |= begins;
        begins
    }

    /// When something is to be done next, if that is not waiting for an answer.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        if self.under_way { None } else { self.next }
    }

    /// After a change of the settings: who was asked in vain is asked again at once, and so is one that could not be
    /// asked before.
    pub(super) fn reconsider(&mut self, has_responder: bool, now: Timestamp) {
        if !has_responder {
            self.next = None;
        } else if self.next.is_none() || self.told.is_some() {
            self.next = Some(now);
            self.pause = FIRST_PAUSE;
        }
    }

    pub(super) fn succeeded(&mut self, next: Timestamp) {
        *self = Self::from(Some(next));
    }

    /// Whether this failure is to be told. `spread` is anything that differs from certificate to certificate.
    pub(super) fn failed(&mut self, now: Timestamp, spread: u8) -> bool {
        self.under_way = false;
        let pause = self.pause - self.pause * i32::from(spread) / 2560;
        self.next = Some(now.saturating_add(pause).unwrap_or(Timestamp::MAX));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        let tells = self.told.is_none_or(|told| now.duration_since(told) >= REMINDER);
        if tells {
            self.told = Some(now);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn one_question_is_under_way_at_a_time() {
        let mut course = Schedule::from(Some(at(10)));
        assert!(!course.begins(at(9)));
        assert!(course.begins(at(10)) && !course.begins(at(11)));
        assert_eq!(course.wakes(), None);
        course.succeeded(at(50));
        assert!(!course.begins(at(49)) && course.begins(at(50)));
        assert!(!Schedule::from(None).begins(at(i64::from(i32::MAX))));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_a_success_ends_them() {
        let mut course = Schedule::from(Some(at(0)));
        let pauses: Vec<i64> = (0..10)
            .map(|_| {
                assert!(course.begins(course.next().unwrap()));
                course.failed(at(0), 0);
                course.next().unwrap().as_second()
            })
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
        course.succeeded(at(1000));
        course.failed(at(0), 0);
        assert_eq!(course.next(), Some(at(5)));
        course.failed(at(0), 255);
        assert!(course.next().unwrap() < at(10) && course.next().unwrap() >= at(9), "not all at once");
    }

    #[test]
    fn what_goes_on_going_wrong_is_told_once_an_hour() {
        let mut course = Schedule::from(Some(at(0)));
        assert!(course.failed(at(0), 0));
        assert!(!course.failed(at(3599), 0));
        assert!(course.failed(at(3600), 0));
        course.succeeded(at(5000));
        assert!(course.failed(at(5001), 0));
    }
}
