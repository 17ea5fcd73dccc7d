//! Times: `dateTime`, to the precision in which they were sent.

use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::datatypes::Period;
use crate::hl7::{Field, MessageTime, Precision, Segment};

/// How the times of one message are read.
pub(super) struct Times {
    zone: TimeZone,
    /// Whether the zone is assumed: neither the time nor MSH-7 states one.
    is_assumed: bool,
}

/// `effective[x]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Effective {
    pub(super) at: Option<String>,
    pub(super) period: Option<Period>,
    /// What a reader has to know about the time.
    pub(super) note: Option<&'static str>,
    /// All of it in words, by which times are ordered.
    pub(super) words: Rc<str>,
}

impl Times {
    /// The times of a message whose MSH-7 has this zone (HL7 2.6 ch. 2, 2.14.9.7); `assumed` otherwise.
    pub(super) fn new(of_header: Option<Offset>, assumed: &TimeZone) -> Self {
        match of_header {
            Some(offset) => Self { zone: offset.to_time_zone(), is_assumed: false },
            None => Self { zone: assumed.clone(), is_assumed: true },
        }
    }

    /// The time in a field as `dateTime`; `None` when it is none.
    ///
    /// FHIR has no hour and no minute without seconds: they are filled with zeros.
    pub(super) fn date_time(&self, written: &[u8]) -> Option<String> {
        let time = MessageTime::parse(written).ok().filter(|time| time.wall.year() > 0)?;
        let format = match time.precision {
            Precision::Year => "%Y",
            Precision::Month => "%Y-%m",
            Precision::Day => "%Y-%m-%d",
            _ => {
                let zone = time.offset.map_or_else(|| self.zone.clone(), |offset| offset.to_time_zone());
                let at = time.instant(&self.zone)?.to_zoned_datetime(zone);
                let is_allowed = at.offset().seconds().abs() <= MAX_OFFSET && at.year() > 0;
                return is_allowed.then(|| at.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string());
            }
        };
        Some(time.wall.strftime(format).to_string())
    }

    /// A period of two times, of which one may be missing. `None`: one of them cannot be read, or it ends
    /// before it begins, as far as both are precise.
    pub(super) fn period(&self, written: [&[u8]; 2]) -> Option<Period> {
        let is_stated = |written: &&[u8]| !matches!(*written, b"" | b"\"\"");
        let [start, end] = written.map(|written| Some(written).filter(is_stated));
        let read = |written: Option<&[u8]>| match written {
            Some(written) => self.date_time(written).map(Some),
            None => Some(None),
        };
        let period = Period { start: read(start)?, end: read(end)? };
        let is_in_order = match (&period.start, &period.end, start.zip(end)) {
            (Some(first), Some(last), Some(times)) => {
                let digits = first.len().min(last.len());
                if digits > DAY {
                    let [first, last] = [times.0, times.1].map(|time| self.instant(time));
                    first.zip(last).is_some_and(|(first, last)| first <= last)
                } else {
                    first.get(..digits) <= last.get(..digits)
                }
            }
            (None, None, _) => false,
            _ => true,
        };
        is_in_order.then_some(period)
    }

    fn instant(&self, written: &[u8]) -> Option<Timestamp> {
        MessageTime::parse(written).ok()?.instant(&self.zone)
    }

    /// The day of a date.
    pub(super) fn date(written: &[u8]) -> Option<String> {
        let time = MessageTime::parse(written).ok().filter(|time| time.wall.year() > 0)?;
        let format = match time.precision {
            Precision::Year => "%Y",
            Precision::Month => "%Y-%m",
            _ => "%Y-%m-%d",
        };
        Some(time.wall.strftime(format).to_string())
    }

    /// The time of an observation: OBX-14, else OBR-7 with OBR-8, else MSH-7.
    ///
    /// A time that is written and cannot be read has no substitute: it would be another time.
    pub(super) fn effective(
        &self,
        own: Field<'_>,
        request: Option<Segment<'_>>,
        sent: Field<'_>,
    ) -> Effective {
        let mut effective = self.read(own, request, sent);
        effective.words = format!("{effective:?}").into();
        effective
    }

    fn read(&self, own: Field<'_>, request: Option<Segment<'_>>, sent: Field<'_>) -> Effective {
        let request = |n| request.map(|request| request.field(n)).filter(|field| is_stated(*field));
        let (start, end) = (request(7), request(8));
        let chosen = [Some(own), start, Some(sent)].into_iter().flatten().find(|field| is_stated(*field));
        let Some(chosen) = chosen else { return Effective { note: Some(NO_TIME), ..Effective::default() } };
        let is_one = chosen.repetitions().filter(|one| !one.is_empty()).nth(1).is_none();
        let Some(at) = self.date_time(chosen.component(1).trimmed()).filter(|_| is_one) else {
            return Effective { note: Some(UNREADABLE_TIME), ..Effective::default() };
        };
        let note = self.is_ambiguous(chosen).then_some(AMBIGUOUS_TIME);
        if !is_stated(own)
            && start.is_some()
            && let Some(end) = end.filter(|end| self.is_order(chosen, *end))
        {
            let period = Period { start: Some(at), end: self.date_time(end.component(1).trimmed()) };
            return Effective { period: Some(period), note, ..Effective::default() };
        }
        Effective { at: Some(at), note, ..Effective::default() }
    }

    fn is_ambiguous(&self, field: Field<'_>) -> bool {
        let time = MessageTime::parse(field.component(1).trimmed());
        self.is_assumed
            && time.is_ok_and(|time| time.precision > Precision::Day && time.is_ambiguous(&self.zone))
    }

    /// Whether the second time follows the first.
    fn is_order(&self, start: Field<'_>, end: Field<'_>) -> bool {
        let instant = |field: Field<'_>| self.instant(field.component(1).trimmed());
        instant(start).zip(instant(end)).is_some_and(|(start, end)| start < end)
    }
}

/// The time of day of a TM without a zone: `hh:mm:ss`, with the fraction of a second that was sent.
pub(super) fn time_of_day(written: &str) -> Option<String> {
    let (digits, fraction) =
        written.split_once('.').map_or((written, None), |(whole, part)| (whole, Some(part)));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = match fraction {
        None => matches!(digits.len(), 4 | 6),
        Some(fraction) => digits.len() == 6 && (1..=9).contains(&fraction.len()) && are_digits(fraction),
    };
    let part = |from: usize| digits.get(from..from + 2).unwrap_or("00");
    let [hour, minute, second] = [0, 2, 4].map(part);
    let fraction = fraction.map_or_else(String::new, |fraction| format!(".{fraction}"));
    (is_whole && are_digits(digits) && hour < "24" && minute < "60" && second < "60")
        .then(|| format!("{hour}:{minute}:{second}{fraction}"))
}

/// Whether a field has a value other than the null of HL7.
pub(super) fn is_stated(field: Field<'_>) -> bool {
    !matches!(field.component(1).trimmed(), b"" | b"\"\"")
}

/// The characters of a date with its day.
const DAY: usize = 10;

/// The largest offset from UTC that FHIR can write, in seconds.
const MAX_OFFSET: i32 = 14 * 3600;

const NO_TIME: &str = "The message has no time.";
const UNREADABLE_TIME: &str = "The time in the message cannot be read.";
const AMBIGUOUS_TIME: &str =
    "The time was sent without a zone, while the clocks change: it may be an hour wrong.";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(written: &str, of_header: Option<i8>) -> Option<String> {
        let assumed = TimeZone::get("America/New_York").unwrap();
        Times::new(of_header.map(Offset::constant), &assumed).date_time(written.as_bytes())
    }

    #[test]
    fn times_have_the_precision_and_the_zone_that_were_sent() {
        let of = |written| shown(written, None).unwrap();
        assert_eq!(of("2026"), "2026");
        assert_eq!(of("202607"), "2026-07");
        assert_eq!(of("20260701"), "2026-07-01");
        assert_eq!(of("20260701120000+0530"), "2026-07-01T12:00:00+05:30");
        assert_eq!(of("20260701120000.250-0600"), "2026-07-01T12:00:00.25-06:00");
        assert_eq!(of("2026070112"), "2026-07-01T12:00:00-04:00");
        assert_eq!(of("20260101120000"), "2026-01-01T12:00:00-05:00");
        assert_eq!(shown("20260101120000", Some(3)).unwrap(), "2026-01-01T12:00:00+03:00");
    }

    #[test]
    fn a_time_that_fhir_cannot_write_is_none() {
        for written in ["", "yesterday", "00000101", "20260101120000+1500", "20261301"] {
            assert_eq!(shown(written, None), None, "{written}");
        }
    }

    #[test]
    fn a_period_has_both_ends_and_does_not_end_before_it_begins() {
        let times = Times::new(None, &TimeZone::UTC);
        let of = |start: &str, end: &str| times.period([start.as_bytes(), end.as_bytes()]);
        let whole = of("20260701", "20260702120000").unwrap();
        assert_eq!(whole.start.as_deref(), Some("2026-07-01"));
        assert_eq!(whole.end.as_deref(), Some("2026-07-02T12:00:00+00:00"));
        assert_eq!(of("20260701", "").unwrap().end, None);
        assert!(of("20260701120000", "20260701").is_some(), "at some time of that day");
        for (start, end) in [
            ("20260702", "20260701"),
            ("20260701130000+0000", "20260701133000+0100"),
            ("20260701", "tomorrow"),
            ("x", "20260701"),
            ("", "\"\""),
        ] {
            assert_eq!(of(start, end), None, "{start} {end}");
        }
    }

    #[test]
    fn a_time_of_day_is_filled_to_the_second() {
        assert_eq!(time_of_day("0815"), Some("08:15:00".to_owned()));
        assert_eq!(time_of_day("081530.25"), Some("08:15:30.25".to_owned()));
        for written in ["2460", "8", "ab", "0815.5", "081530.", "081530.x", "081530+0100"] {
            assert_eq!(time_of_day(written), None, "{written}");
        }
    }
}
