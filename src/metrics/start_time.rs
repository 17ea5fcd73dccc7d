//! When the process started, where the kernel's files do not say it.

use jiff::Timestamp;
use prometheus::proto::{Gauge, MetricFamily};

/// Sets the start of the process to `started` if it is missing. `/proc/stat`, from which it is computed, is
/// hidden from services with `ProcSubset=pid` (systemd.exec(5)).
pub(super) fn complete(families: &mut [MetricFamily], started: Timestamp) {
    let found = families.iter_mut().find(|family| family.name() == NAME);
    let Some(metric) = found.and_then(|family| family.mut_metric().first_mut()) else { return };
    if metric.get_gauge().get_value() <= 0.0 {
        let mut gauge = Gauge::default();
        // Seconds of this time fit a double exactly.
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        gauge.set_value(started.as_second() as f64);
        metric.set_gauge(gauge);
    }
}

const NAME: &str = "process_start_time_seconds";

#[cfg(test)]
mod tests {
    use prometheus::proto::Metric;

    use super::*;

    #[test]
    fn a_start_that_is_missing_is_completed_and_another_one_stays() {
        let family = |value: f64| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut family = MetricFamily::default();
            family.set_name(NAME.to_owned());
            family.set_metric(vec![Metric::from_gauge(gauge)]);
            family
        };
        let started = Timestamp::from_second(1_700_000_000).unwrap();
        let mut families = [family(0.0), family(7.0)];
        for (at, expected) in [(0, 1_700_000_000.0), (1, 7.0)] {
            complete(&mut families[at..=at], started);
            assert!((families[at].get_metric()[0].get_gauge().get_value() - expected).abs() < f64::EPSILON);
        }
    }
}
