//! Whether a certificate ends soon, in words.

use jiff::{SignedDuration, Timestamp};

use super::element::{Html, Tone};
use super::frame::Frame;

/// Whether a certificate ends soon.
pub(super) fn standing(end: Option<Timestamp>, frame: &Frame) -> Html {
    let Some(end) = end else { return Html::tag(Tone::Good, "valid") };
    let left = end.duration_since(frame.times.now());
    match left {
        left if left.is_negative() => Html::tag(Tone::Bad, "ended"),
        left if left < VERY_SOON => Html::tag(Tone::Bad, "ends now"),
        left if left < SOON => Html::tag(Tone::Watch, "ends soon"),
        _ => Html::tag(Tone::Good, "valid"),
    }
}

/// A tag for a certificate that has ended, or does soon.
pub(super) fn warning(end: Timestamp, frame: &Frame) -> Html {
    let is_well = end.duration_since(frame.times.now()) >= SOON;
    if is_well { Html::default() } else { standing(Some(end), frame) }
}

/// The end of a certificate: its day and how far it is.
pub(super) fn end(end: Option<Timestamp>, frame: &Frame) -> Html {
    end.map_or_else(
        || Html::text("never"),
        |end| Html::joined([frame.times.day(end), Html::muted(&frame.times.relative(end))]),
    )
}

/// A certificate that ends sooner than this should be renewed now.
pub(super) const VERY_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Sooner than this: soon.
pub(super) const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
