//! What is counted each minute, for the plots of the pages.

use jiff::Timestamp;
use prometheus::core::Collector;

use super::Platform;
use crate::view::Minute;

/// The present numbers.
pub(super) fn minute(platform: &Platform, now: Timestamp) -> Minute {
    let metrics = &platform.metrics;
    Minute {
        at: now,
        connected: u64::try_from(metrics.connections_active.get()).unwrap_or_default(),
        messages: total(&metrics.messages_total, |_| true),
        rejected: total(&metrics.rejections_total, |_| true),
        refused: total(&metrics.handshakes_total, |(_, value)| value == "refused"),
    }
}

/// The sum of the counters of which a label is taken.
fn total(counters: &impl Collector, takes: impl Fn((&str, &str)) -> bool) -> u64 {
    let families = counters.collect();
    let all = families.iter().flat_map(|family| family.get_metric());
    let taken =
        all.filter(|metric| metric.get_label().iter().any(|label| takes((label.name(), label.value()))));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter of whole events")]
    let sum = taken.map(|metric| metric.get_counter().get_value()).sum::<f64>() as u64;
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.messages_total.with_label_values(&["CA", "pcd-01"]).inc_by(3);
        metrics.messages_total.with_label_values(&["CR", "other"]).inc();
        assert_eq!(total(&metrics.messages_total, |_| true), 4);
        metrics.handshakes_total.with_label_values(&["refused", "expired"]).inc_by(2);
        metrics.handshakes_total.with_label_values(&["accepted", ""]).inc();
        assert_eq!(total(&metrics.handshakes_total, |(_, value)| value == "refused"), 2);
    }
}
