//! Small plots: drawn by the server, described in words for those who do not see them.

use std::fmt::Write as _;

use super::element::Html;

/// A line over equally spaced points; a missing point is a gap. `label` says what it shows.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a picture of a hundred units")]
pub(super) fn line(points: &[Option<f64>], label: &str) -> Html {
    let known: Vec<f64> = points.iter().flatten().copied().collect();
    if known.len() < 2 {
        return Html::default();
    }
    let least = known.iter().copied().fold(f64::INFINITY, f64::min);
    let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if most > least { most - least } else { 1.0 };
    let step = WIDTH / (points.len().max(2) - 1) as f64;
    let mut path = String::new();
    let mut is_drawing = false;
    for (at, point) in points.iter().enumerate() {
        let Some(value) = point else {
            is_drawing = false;
            continue;
        };
        let height = if most > least { (value - least) / span } else { 0.5 };
        let (x, y) = (at as f64 * step, (HEIGHT - 4.0).mul_add(-height, HEIGHT - 2.0));
        let _ = write!(path, "{}{x:.1} {y:.1}", if is_drawing { 'L' } else { 'M' });
        is_drawing = true;
    }
    Html::written(format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\" \
         vector-effect=\"non-scaling-stroke\" d=\"{path}\"/></svg>",
        Html::text(label)
    ))
}

/// A bar from 0 to 1 with a mark at `at`: how much of a time has passed.
#[must_use]
pub(super) fn span(at: f64, tone_class: &str, label: &str) -> Html {
    let at = if at.is_finite() { at.clamp(0.0, 1.0) * WIDTH } else { 0.0 };
    Html::written(format!(
        "<svg class=\"span {tone_class}\" viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\"><rect class=\"ground\" width=\"{WIDTH}\" height=\"10\" rx=\"2\"/>\
         <rect class=\"passed\" width=\"{at:.1}\" height=\"10\" rx=\"2\"/></svg>",
        Html::text(label)
    ))
}

const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 30.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_point_is_a_gap_and_one_point_is_no_line() {
        let html = line(&[Some(1.0), Some(2.0), None, Some(3.0), Some(3.0)], "1 to 3").to_string();
        assert_eq!(html.matches('M').count(), 2, "{html}");
        assert_eq!(html.matches('L').count(), 2, "{html}");
        assert!(html.contains("aria-label=\"1 to 3\""), "{html}");
        assert!(line(&[Some(1.0), None], "").is_empty());
        assert!(line(&[Some(5.0), Some(5.0)], "5").to_string().contains("M0.0 15.0L100.0 15.0"));
    }
}
