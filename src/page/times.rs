//! Times as people read them: in the zone of the platform, with the zone named.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::element::Html;

/// The present, and the zone in which a page shows times.
#[derive(Debug, Clone)]
pub(super) struct Times {
    now: Timestamp,
    zone: TimeZone,
}

impl Times {
    /// Times around `now` in the zone of the machine.
    #[must_use]
    pub(super) fn local(now: Timestamp) -> Self {
        Self::new(now, TimeZone::system())
    }

    /// Times around `now` in this zone.
    #[must_use]
    pub(super) const fn new(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone }
    }

    /// The present.
    #[must_use]
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The zone.
    #[must_use]
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A point in time: today's by its clock, others with their day; the zone where it is not the present
    /// one, as on the other side of a change of the clocks.
    #[must_use]
    pub(super) fn moment(&self, at: Timestamp) -> Html {
        let (zoned, present) =
            (at.to_zoned_datetime(self.zone.clone()), self.now.to_zoned_datetime(self.zone.clone()));
        let short = if zoned.date() == present.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
        let zone = if zoned.offset() == present.offset() { "" } else { " %:z" };
        let shown = zoned.strftime(&format!("{short}{zone}")).to_string();
        let full = zoned.strftime("%Y-%m-%d %H:%M:%S%.f %:z");
        let machine = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z");
        Html::written(format!("<time datetime=\"{machine}\" title=\"{full}\">{shown}</time>"))
    }

    /// A point in time as JSON has it; another text stays as it is.
    #[must_use]
    pub(super) fn stated(&self, at: &str) -> Html {
        at.parse().map_or_else(|_| Html::text(at), |at| self.moment(at))
    }

    /// A sentence whose times are in UTC: they are shown like all others.
    #[must_use]
    pub(super) fn sentence(&self, text: &str) -> Html {
        let mut html = String::with_capacity(text.len() + 64);
        for piece in text.split_inclusive(' ') {
            let word = piece.trim_end_matches([' ', '.', ',', ';', ':', ')']);
            let is_time = word.len() >= MIN_TIME && word.ends_with('Z');
            match word.parse::<Timestamp>().ok().filter(|_| is_time) {
                Some(at) => {
                    let behind = piece.strip_prefix(word).unwrap_or_default();
                    html.push_str(&format!("{}{}", self.moment(at), Html::text(behind)));
                }
                None => html.push_str(&Html::text(piece).to_string()),
            }
        }
        Html::written(html)
    }

    /// The beginning of today.
    #[must_use]
    pub(super) fn start_of_day(&self) -> Timestamp {
        let today = self.now.to_zoned_datetime(self.zone.clone());
        today.start_of_day().map_or(self.now, |start| start.timestamp())
    }

    /// A day.
    #[must_use]
    pub(super) fn day(&self, at: Timestamp) -> Html {
        let zoned = at.to_zoned_datetime(self.zone.clone());
        let full = zoned.strftime("%Y-%m-%d %H:%M:%S %:z");
        let day = zoned.strftime("%Y-%m-%d");
        Html::written(format!("<time datetime=\"{day}\" title=\"{full}\">{day}</time>"))
    }

    /// The clock of the page, with the zone: `09:41:07 CET (UTC+01:00)`.
    #[must_use]
    pub(super) fn clock(&self) -> Html {
        let zoned = self.now.to_zoned_datetime(self.zone.clone());
        let name = zoned.strftime("%Z").to_string();
        let offset = zoned.strftime("%:z").to_string();
        let zone = if name == "UTC" || name.starts_with(['+', '-']) {
            format!("UTC{}", offset.replace("+00:00", ""))
        } else {
            format!("{name} (UTC{offset})")
        };
        let (machine, clock) = (zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"), zoned.strftime("%Y-%m-%d %H:%M:%S"));
        Html::written(format!("<time datetime=\"{machine}\">{clock}</time> {zone}"))
    }

    /// How long ago, or how far ahead.
    #[must_use]
    pub(super) fn away(&self, at: Timestamp) -> String {
        rounded(self.now.duration_since(at).abs())
    }

    /// The same with its direction: `in 23 d`, `9 min ago`.
    #[must_use]
    pub(super) fn relative(&self, at: Timestamp) -> String {
        let away = self.away(at);
        if at > self.now { format!("in {away}") } else { format!("{away} ago") }
    }
}

/// Letters of the shortest time in RFC 3339.
const MIN_TIME: usize = "2026-01-31T08:00:00Z".len();

/// A duration in its one or two largest units.
#[must_use]
pub(super) fn rounded(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        86_400..864_000 => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The same for seconds.
#[must_use]
pub(super) fn seconds(seconds: u64) -> String {
    rounded(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_today_is_a_clock_and_others_have_their_day_and_offset() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let times = Times::new(at("2026-11-28T08:41:07Z"), TimeZone::get("Europe/Madrid").unwrap());
        let shown = |text: &str| {
            let html = times.moment(at(text)).to_string();
            html.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
        };
        assert_eq!(shown("2026-11-28T08:12:00Z"), "09:12:00");
        assert_eq!(shown("2026-11-27T22:59:00Z"), "2026-11-27 23:59:00");
        assert_eq!(shown("2026-07-01T12:00:00Z"), "2026-07-01 14:00:00 +02:00");
        assert!(times.clock().to_string().ends_with(">2026-11-28 09:41:07</time> CET (UTC+01:00)"));
        assert!(
            Times::new(at("2026-11-28T08:41:07Z"), TimeZone::UTC)
                .clock()
                .to_string()
                .ends_with("</time> UTC")
        );
        let sentence = times.sentence("it ended at 2026-11-28T08:12:00Z; <b>").to_string();
        assert!(sentence.contains(">09:12:00</time>; &lt;b&gt;") && !sentence.contains("Z;"), "{sentence}");
        assert_eq!(times.stated("never <b>").to_string(), "never &lt;b&gt;");
        assert_eq!(times.relative(at("2026-12-21T08:41:07Z")), "in 23 d");
        assert_eq!(times.relative(at("2026-11-28T07:12:00Z")), "1 h 29 min ago");
    }
}
