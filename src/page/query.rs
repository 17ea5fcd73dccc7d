//! Filters in the address of a page, and links to the same page with another filter.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::element::{Html, address};

/// The value of a field of a form; an empty one is none.
#[must_use]
pub(super) fn given(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A point in time, or a duration before `now`: `2026-01-31T08:00:00Z`, `24h`.
#[must_use]
pub(super) fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!duration.is_negative() && duration < MAX_SPAN)
        .then(|| now.checked_sub(duration).unwrap_or(Timestamp::MIN))
}

/// The link to the next page: the same filters, before the last row of this page.
#[must_use]
pub(super) fn older(path: &str, filters: &[(&str, &str)], last: Option<String>) -> Html {
    let Some(last) = last else { return Html::default() };
    let query: Vec<_> = filters.iter().copied().chain([("before", last.as_str())]).collect();
    Html::link(&address(path, &query), "Older")
}

/// The times that a form offers.
pub(super) const SPANS: [(&str, &str); 5] = [
    ("", "all times"),
    ("1h", "last hour"),
    ("24h", "last 24 hours"),
    ("7d", "last 7 days"),
    ("30d", "last 30 days"),
];

const MAX_SPAN: SignedDuration = SignedDuration::from_hours(24 * 366 * 100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_duration() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().unwrap();
        assert_eq!(since("24h", now).unwrap().to_string(), "2026-01-30T08:00:00Z");
        assert_eq!(since("7d", now).unwrap().to_string(), "2026-01-24T08:00:00Z");
        assert_eq!(since("2026-01-30T08:00:00+01:00", now).unwrap().to_string(), "2026-01-30T07:00:00Z");
        for wrong in ["", "yesterday", "-1h", "9999y"] {
            assert_eq!(since(wrong, now), None, "{wrong}");
        }
        for (value, _) in SPANS.iter().skip(1) {
            assert!(since(value, now).is_some(), "{value}");
        }
    }
}
