//! Dates with prefixes: `ge2026-01-01T10:00Z` (FHIR R4 3.1.1.4.4 and 3.1.1.4.6).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::refused::Refused;

/// A value of a date parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// How it is compared.
    pub prefix: Prefix,
    /// The interval that it stands for, by its precision: its begin.
    pub from: Timestamp,
    /// Its end, which is not part of it.
    pub until: Timestamp,
}

/// How a date is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// In the interval.
    Equal,
    /// Not in it.
    NotEqual,
    /// Some of it before the interval.
    Less,
    /// Some of it behind the interval.
    Greater,
    /// In it or before.
    AtMost,
    /// In it or behind.
    AtLeast,
    /// All of it behind.
    StartsAfter,
    /// All of it before.
    EndsBefore,
}

impl Moment {
    pub(super) fn parse(name: &str, written: &str, zone: &TimeZone) -> Result<Self, Refused> {
        let (prefix, value) = PREFIXES
            .iter()
            .find_map(|(text, prefix)| Some((*prefix, written.strip_prefix(text)?)))
            .unwrap_or((Prefix::Equal, written));
        interval(value, zone).map(|(from, until)| Self { prefix, from, until }).ok_or_else(|| {
            Refused::invalid(format!(
                "{name} is a date such as 2026-01-31 or 2026-01-31T10:00:00Z, with a prefix eq, ne, lt, gt, le, ge, sa \
                 or eb before it; the + of a zone is written %2B"
            ))
        })
    }

    /// Whether something that lasts from `start` to `end` is what is meant.
    #[must_use]
    pub fn fits(&self, start: Timestamp, end: Timestamp) -> bool {
        let is_in = start >= self.from && end < self.until;
        match self.prefix {
            Prefix::Equal => is_in,
            Prefix::NotEqual => !is_in,
            Prefix::Less => start < self.from,
            Prefix::Greater => end >= self.until,
            Prefix::AtMost => start < self.from || is_in,
            Prefix::AtLeast => end >= self.until || is_in,
            Prefix::StartsAfter => start >= self.until,
            Prefix::EndsBefore => end < self.from,
        }
    }

    /// What fits ends at this time or later; `None`: at any time.
    #[must_use]
    pub const fn earliest_end(&self) -> Option<Timestamp> {
        match self.prefix {
            Prefix::Equal | Prefix::AtLeast => Some(self.from),
            Prefix::Greater | Prefix::StartsAfter => Some(self.until),
            Prefix::NotEqual | Prefix::Less | Prefix::AtMost | Prefix::EndsBefore => None,
        }
    }

    /// What fits begins before this time; `None`: at any time.
    #[must_use]
    pub const fn latest_start(&self) -> Option<Timestamp> {
        match self.prefix {
            Prefix::Equal | Prefix::AtMost => Some(self.until),
            Prefix::Less | Prefix::EndsBefore => Some(self.from),
            Prefix::NotEqual | Prefix::Greater | Prefix::AtLeast | Prefix::StartsAfter => None,
        }
    }
}

/// The interval of a date, a month, a year or a time.
fn interval(value: &str, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let Some((date, time)) = value.split_once('T') else { return dates(value, zone) };
    let date = day(date)?;
    // A + that was not encoded has become a blank.
    let at = time.rfind(['Z', '+', '-', ' ']).unwrap_or(time.len());
    let (time, written_zone) = (time.get(..at)?, time.get(at..)?);
    let (time, length) = time_of_day(time)?;
    let begin = DateTime::from_parts(date, time);
    let from = match written_zone {
        "" => zone.to_ambiguous_timestamp(begin).compatible().ok()?,
        "Z" => TimeZone::UTC.to_timestamp(begin).ok()?,
        offset => {
            let utc = TimeZone::UTC.to_timestamp(begin).ok()?;
            utc.checked_sub(offset_of(offset)?).ok()?
        }
    };
    Some((from, from.checked_add(length).ok()?))
}

fn dates(value: &str, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let (first, next) = match value.len() {
        4 => {
            let first = day(&format!("{value}-01-01"))?;
            (first, first.checked_add(1.year()).ok()?)
        }
        7 => {
            let first = day(&format!("{value}-01"))?;
            (first, first.checked_add(1.month()).ok()?)
        }
        _ => {
            let first = day(value)?;
            (first, first.checked_add(1.day()).ok()?)
        }
    };
    let midnight = |day: Date| {
        zone.to_ambiguous_timestamp(DateTime::from_parts(day, Time::midnight())).compatible().ok()
    };
    Some((midnight(first)?, midnight(next)?))
}

fn day(written: &str) -> Option<Date> {
    let is_shaped = written.len() == 10
        && written.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let number = |from: usize, to: usize| written.get(from..to)?.parse::<i16>().ok();
    if !is_shaped {
        return None;
    }
    let small = |from, to| i8::try_from(number(from, to)?).ok();
    Date::new(number(0, 4)?, small(5, 7)?, small(8, 10)?).ok().filter(|day| day.year() > 0)
}

/// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`, and how long it lasts.
fn time_of_day(written: &str) -> Option<(Time, SignedDuration)> {
    let (whole, fraction) = match written.split_once('.') {
        Some((whole, fraction)) if whole.len() == 8 => (whole, Some(fraction)),
        Some(_) => return None,
        None => (written, None),
    };
    let is_shaped = matches!(whole.len(), 5 | 8)
        && whole.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if !is_shaped {
        return None;
    }
    let part = |from: usize| whole.get(from..from + 2).map_or(Some(0), |part| part.parse::<i8>().ok());
    let [hour, minute, second] = [part(0)?, part(3)?, part(6)?];
    let (nanoseconds, length) = match fraction {
        None if whole.len() == 5 => (0, SignedDuration::from_mins(1)),
        None => (0, SignedDuration::from_secs(1)),
        Some(fraction) => {
            let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
            let digits = u32::try_from(fraction.len()).ok().filter(|digits| is_number && *digits <= 9)?;
            let unit = 10_i32.pow(9 - digits);
            // The store has microseconds.
            (fraction.parse::<i32>().ok()? * unit, SignedDuration::from_nanos(i64::from(unit.max(1000))))
        }
    };
    Some((Time::new(hour, minute, second, nanoseconds).ok()?, length))
}

fn offset_of(written: &str) -> Option<SignedDuration> {
    let (sign, rest) = written.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| {
        let is_shaped = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_shaped)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = SignedDuration::from_mins(hours * 60 + minutes);
    (hours <= 14 && minutes < 60).then_some(if sign == "-" { -all } else { all })
}

const PREFIXES: [(&str, Prefix); 8] = [
    ("eq", Prefix::Equal),
    ("ne", Prefix::NotEqual),
    ("lt", Prefix::Less),
    ("gt", Prefix::Greater),
    ("le", Prefix::AtMost),
    ("ge", Prefix::AtLeast),
    ("sa", Prefix::StartsAfter),
    ("eb", Prefix::EndsBefore),
];
