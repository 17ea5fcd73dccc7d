//! Times of a message in the zone of the reader.

use jiff::tz::Offset;

use super::options::TreeOptions;
use crate::hl7::{MessageTime, Precision};

/// How the times of one message are shown.
#[derive(Clone, Copy)]
pub(super) struct Times<'o> {
    /// The zone of MSH-7.
    pub(super) sender: Option<Offset>,
    pub(super) options: &'o TreeOptions,
}

impl Times<'_> {
    /// A time with its zone, to the precision in which it was sent; `None` when it is no time.
    ///
    /// A day stays as it is: without an hour it has no zone. A time without a zone is in that of MSH-7 (HL7
    /// 2.6 ch. 2, 2.14.9.7); where MSH-7 has none, the time says so.
    pub(super) fn shown(self, text: &str) -> Option<String> {
        let time = MessageTime::parse(text.as_bytes()).ok()?;
        let day = match time.precision {
            Precision::Year => Some("%Y"),
            Precision::Month => Some("%Y-%m"),
            Precision::Day => Some("%Y-%m-%d"),
            _ => None,
        };
        if let Some(format) = day {
            return Some(time.wall.strftime(format).to_string());
        }
        let assumed = &self.options.assumed_zone;
        let instant = match self.sender {
            Some(offset) => time.instant(&offset.to_time_zone()),
            None => time.instant(assumed),
        };
        let format = match time.precision {
            Precision::Fraction => "%Y-%m-%d %H:%M:%S%.f %:z",
            Precision::Second => "%Y-%m-%d %H:%M:%S %:z",
            _ => "%Y-%m-%d %H:%M %:z",
        };
        // Minutes may come from the zones, as in India; none were sent.
        let to_hour = if time.precision == Precision::Hour { " (to the hour)" } else { "" };
        let shown =
            instant?.to_zoned_datetime(self.options.zone.clone()).strftime(format).to_string() + to_hour;
        Some(match self.sender {
            None if time.is_ambiguous(assumed) => {
                format!("{shown} (sent without zone, while the clocks change: may be an hour wrong)")
            }
            None if time.offset.is_none() => format!("{shown} (sent without zone)"),
            _ => shown,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn shown(text: &str, sender: Option<i8>) -> Option<String> {
        let zone = |name: &str| TimeZone::get(name).unwrap();
        let options = TreeOptions {
            zone: zone("Europe/Madrid"),
            assumed_zone: zone("America/New_York"),
            ..TreeOptions::default()
        };
        Times { sender: sender.map(Offset::constant), options: &options }.shown(text)
    }

    #[test]
    fn a_time_is_shown_in_the_zone_of_the_reader_to_its_own_precision() {
        let local = |text: &str, sender| shown(text, sender).unwrap();
        assert_eq!(local("20260701120000+0000", None), "2026-07-01 14:00:00 +02:00");
        assert_eq!(local("20260101120000.25-0500", None), "2026-01-01 18:00:00.25 +01:00");
        assert_eq!(local("202601011200+0000", None), "2026-01-01 13:00 +01:00");
        assert_eq!(local("2026010112+0000", None), "2026-01-01 13:00 +01:00 (to the hour)");
        assert_eq!(local("20260101120000", Some(-5)), "2026-01-01 18:00:00 +01:00");
        assert_eq!(local("20260101120000", None), "2026-01-01 18:00:00 +01:00 (sent without zone)");
        assert_eq!(
            local("20261101013000", None),
            "2026-11-01 06:30:00 +01:00 (sent without zone, while the clocks change: may be an hour wrong)"
        );
        assert_eq!((local("20260101", None), local("202601", None)), ("2026-01-01".into(), "2026-01".into()));
        assert_eq!(shown("yesterday", None), None);
    }
}
