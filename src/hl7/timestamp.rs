//! Times in HL7 notation (HL7 2.6 ch. 2A, DTM): `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// A time with the precision of its notation, with or without a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTime {
    /// The sender's wall clock; parts that are not written are their first value.
    pub wall: DateTime,
    /// The last part that is written.
    pub precision: Precision,
    /// The sender's offset from UTC, if it is written.
    pub offset: Option<Offset>,
}

/// The last written part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the parts of a time")]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// A value that is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as YYYY[MM[DD[HH[MM[SS[.SSSS]]]]]][+/-ZZZZ]")]
pub struct MessageTimeError;

impl MessageTime {
    /// Parses a time, ignoring surrounding blanks.
    ///
    /// Real devices omit the point of the fraction, or write more than four digits of it; both are accepted.
    ///
    /// # Errors
    /// When the notation is wrong, or the day or hour does not exist.
    pub fn parse(value: &[u8]) -> Result<Self, MessageTimeError> {
        let value = value.trim_ascii();
        let zone = value.iter().position(|byte| matches!(byte, b'+' | b'-'));
        let (time, offset) = value.split_at_checked(zone.unwrap_or(value.len())).ok_or(MessageTimeError)?;
        let (whole, fraction) = time.split_at_checked(time.len().min(14)).ok_or(MessageTimeError)?;
        let precision = match (whole.len(), fraction.is_empty()) {
            (4, true) => Precision::Year,
            (6, true) => Precision::Month,
            (8, true) => Precision::Day,
            (10, true) => Precision::Hour,
            (12, true) => Precision::Minute,
            (14, true) => Precision::Second,
            (14, false) => Precision::Fraction,
            _ => return Err(MessageTimeError),
        };
        let part = |from: usize, length: usize, otherwise: u32| match whole.get(from..from + length) {
            Some(digits) => number(digits),
            None => Ok(otherwise),
        };
        let small = |value: u32| i8::try_from(value).map_err(|_| MessageTimeError);
        let year = i16::try_from(part(0, 4, 0)?).map_err(|_| MessageTimeError)?;
        let wall = DateTime::new(
            year,
            small(part(4, 2, 1)?)?,
            small(part(6, 2, 1)?)?,
            small(part(8, 2, 0)?)?,
            small(part(10, 2, 0)?)?,
            small(part(12, 2, 0)?)?,
            nanoseconds(fraction)?,
        );
        let offset = if offset.is_empty() { None } else { Some(zone_offset(offset)?) };
        let wall = wall.map_err(|_| MessageTimeError)?;
        // At the end of the calendar a zone may lead beyond it.
        if offset.is_some_and(|offset| offset.to_timestamp(wall).is_err()) {
            return Err(MessageTimeError);
        }
        Ok(Self { wall, precision, offset })
    }

    /// The instant; a time without a zone is in the zone `here`.
    ///
    /// Where the clocks of `here` change, the offset before the change counts, as in RFC 5545, 3.3.5: a time
    /// that occurs twice is the earlier one, and a time that is left out is as much later as the clocks are
    /// put forward. So the instant follows from the message alone, is the same on every node and in every
    /// later reading, and is right for a sender whose clock was not changed yet.
    ///
    /// `None` outside the representable range.
    #[must_use]
    pub fn instant(&self, here: &TimeZone) -> Option<Timestamp> {
        match self.offset {
            Some(offset) => offset.to_timestamp(self.wall).ok(),
            None => here.to_ambiguous_timestamp(self.wall).compatible().ok(),
        }
    }

    /// Whether the time states no zone, and occurs twice or never in the zone `here`: [`Self::instant`] is
    /// then an hour wrong for a sender whose clock was changed already.
    #[must_use]
    pub fn is_ambiguous(&self, here: &TimeZone) -> bool {
        self.offset.is_none() && here.to_ambiguous_timestamp(self.wall).is_ambiguous()
    }
}

/// Appends a time to the second, with its zone.
pub(super) fn write(at: &ZonedDateTime, out: &mut Vec<u8>) {
    let two = |out: &mut Vec<u8>, value: u32| {
        out.extend([value / 10 % 10, value % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default()));
    };
    let year = u32::from(at.year().unsigned_abs());
    two(out, year / 100);
    two(out, year);
    for part in [at.month(), at.day(), at.hour(), at.minute(), at.second()] {
        two(out, part.unsigned_abs().into());
    }
    let offset = at.offset().seconds();
    out.push(if offset < 0 { b'-' } else { b'+' });
    two(out, offset.unsigned_abs() / 3600);
    two(out, offset.unsigned_abs() / 60 % 60);
}

fn number(digits: &[u8]) -> Result<u32, MessageTimeError> {
    digits.iter().try_fold(0_u32, |value, byte| {
        let digit = char::from(*byte).to_digit(10).ok_or(MessageTimeError)?;
        value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(MessageTimeError)
    })
}

fn nanoseconds(fraction: &[u8]) -> Result<i32, MessageTimeError> {
    let digits = match fraction {
        [] => return Ok(0),
        [b'.'] => return Err(MessageTimeError),
        [b'.', digits @ ..] => digits,
        digits => digits,
    };
    if digits.len() > 9 {
        return Err(MessageTimeError);
    }
    let missing = u32::try_from(9 - digits.len()).map_err(|_| MessageTimeError)?;
    i32::try_from(number(digits)? * 10_u32.pow(missing)).map_err(|_| MessageTimeError)
}

fn zone_offset(text: &[u8]) -> Result<Offset, MessageTimeError> {
    let [sign, hours @ .., m1, m2] = text else { return Err(MessageTimeError) };
    let (hours, minutes) = (number(hours)?, number(&[*m1, *m2])?);
    if text.len() != 5 || minutes > 59 {
        return Err(MessageTimeError);
    }
    let (behind, minutes) = (*sign == b'-', hours * 60 + minutes);
    // No other zones exist; another number is a mistake, and would shift the time by as much.
    if minutes > if behind { MAX_MINUTES_BEHIND } else { MAX_MINUTES_AHEAD } {
        return Err(MessageTimeError);
    }
    let seconds = i32::try_from(minutes * 60).map_err(|_| MessageTimeError)?;
    Offset::from_seconds(if behind { -seconds } else { seconds }).map_err(|_| MessageTimeError)
}

/// Zones are from -12:00 to +14:00.
const MAX_MINUTES_BEHIND: u32 = 12 * 60;
const MAX_MINUTES_AHEAD: u32 = 14 * 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(value: &str) -> String {
        let time = MessageTime::parse(value.as_bytes()).unwrap();
        format!("{} {:?} {:?}", time.wall, time.precision, time.offset.map(Offset::seconds))
    }

    #[test]
    fn the_notation_gives_the_precision() {
        assert_eq!(shown("2026"), "2026-01-01T00:00:00 Year None");
        assert_eq!(shown("202603"), "2026-03-01T00:00:00 Month None");
        assert_eq!(shown("20260314"), "2026-03-14T00:00:00 Day None");
        assert_eq!(shown("2026031415"), "2026-03-14T15:00:00 Hour None");
        assert_eq!(shown(" 202603141559 "), "2026-03-14T15:59:00 Minute None");
        assert_eq!(shown("20260314155926-0530"), "2026-03-14T15:59:26 Second Some(-19800)");
        assert_eq!(shown("20260314155926.5358+0000"), "2026-03-14T15:59:26.5358 Fraction Some(0)");
        assert_eq!(shown("20220627085521038+0000"), "2022-06-27T08:55:21.038 Fraction Some(0)");
    }

    #[test]
    fn other_notations_are_refused() {
        for value in [
            "",
            "26",
            "20261",
            "2026-13",
            "20261301",
            "20260230",
            "2026010124",
            "202601010060",
            "20260101000000.",
            "20260101000000.1234567890",
            "20260101+1",
            "20260101+0160",
            "20260101+01000",
            "Aug 15, 1942",
            "2026010100000\u{661}",
            "+0100",
            "20260101+9900",
        ] {
            assert_eq!(MessageTime::parse(value.as_bytes()), Err(MessageTimeError), "{value:?}");
        }
    }

    #[test]
    fn a_time_without_zone_is_in_the_local_zone() {
        let at = |value: &str, here: &str| {
            let here = TimeZone::fixed(Offset::from_hours(here.parse().unwrap()).unwrap());
            MessageTime::parse(value.as_bytes()).unwrap().instant(&here).unwrap().to_string()
        };
        assert_eq!(at("20260314155926-0600", "2"), "2026-03-14T21:59:26Z");
        assert_eq!(at("20260314155926", "2"), "2026-03-14T13:59:26Z");
    }

    /// The clocks of Madrid were put forward at 2026-03-29 02:00 and back at 2026-10-25 03:00.
    #[test]
    fn where_clocks_change_the_offset_before_the_change_counts() {
        let madrid = TimeZone::get("Europe/Madrid").unwrap();
        for (value, instant, is_ambiguous) in [
            ("20260329015959", "2026-03-29T00:59:59Z", false),
            ("20260329020000", "2026-03-29T01:00:00Z", true),
            ("20260329023000", "2026-03-29T01:30:00Z", true),
            ("20260329030000", "2026-03-29T01:00:00Z", false),
            ("20261025015959", "2026-10-24T23:59:59Z", false),
            ("20261025023000", "2026-10-25T00:30:00Z", true),
            ("20261025023000+0100", "2026-10-25T01:30:00Z", false),
            ("20261025030000", "2026-10-25T02:00:00Z", false),
        ] {
            let time = MessageTime::parse(value.as_bytes()).unwrap();
            let read = (time.instant(&madrid).unwrap().to_string(), time.is_ambiguous(&madrid));
            assert_eq!(read, (instant.to_owned(), is_ambiguous), "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_written_time_parses_to_itself(second in 0_i64..4_000_000_000, zone in -48_i32..=56) {
            let offset = Offset::from_seconds(zone * 900).unwrap();
            let at = Timestamp::from_second(second).unwrap().to_zoned_datetime(offset.to_time_zone());
            let mut written = Vec::new();
            write(&at, &mut written);
            let read = MessageTime::parse(&written).unwrap();
            prop_assert_eq!(read.instant(&TimeZone::UTC), Some(at.timestamp()));
            prop_assert_eq!((read.precision, read.offset), (Precision::Second, Some(offset)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(value in "[0-9.+-]{0,24}") {
            let _ = MessageTime::parse(value.as_bytes());
        }
    }
}
