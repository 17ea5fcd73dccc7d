//! Metrics of the index of FHIR resources.

use prometheus::core::Collector as _;
use prometheus::proto::Metric;
use prometheus::{IntCounter, IntGauge};

use super::registrar::{CounterVec, Registrar};

/// What the projector does.
#[derive(Debug, Clone)]
pub struct Fhir {
    /// Whether this node projects: 1 or 0.
    pub leads: IntGauge,
    /// How old the oldest row of a trail is that is not projected, in seconds; 0 without one.
    pub lag_seconds: IntGauge,
    /// Rows of the trail that are still to be projected again.
    pub rows_again: IntGauge,
    /// Messages that were projected.
    pub messages_total: IntCounter,
    /// Observations of them.
    pub observations_total: IntCounter,
    /// OBX of them that became nothing, by `reason`.
    pub unmapped_total: CounterVec,
    /// Accepted messages that were not projected, by `reason`: `gone`, `altered`, `unreadable`, `fault`.
    pub skipped_total: CounterVec,
    /// Resources and groups beyond what one message may have in the index.
    pub left_out_total: IntCounter,
    /// Batches that were not written, because another node leads or has moved the position.
    pub refused_batches_total: IntCounter,
}

impl Fhir {
    /// Why an accepted message is not projected.
    const SKIPPED: [&str; 4] = ["gone", "altered", "unreadable", "fault"];

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            leads: r.gauge("fhir_leads", "Whether this node writes the index of FHIR resources")?,
            lag_seconds: r.gauge("fhir_lag_seconds", LAG)?,
            rows_again: r.gauge("fhir_rows_again", AGAIN)?,
            messages_total: r.counter("fhir_messages_total", "Messages that were indexed for FHIR")?,
            observations_total: r.counter("fhir_observations_total", OBSERVATIONS)?,
            unmapped_total: r.counters("fhir_unmapped_total", UNMAPPED, &["reason"])?,
            skipped_total: r.counters("fhir_skipped_total", SKIPPED, &["reason"])?,
            left_out_total: r.counter("fhir_left_out_total", LEFT_OUT)?,
            refused_batches_total: r.counter("fhir_refused_batches_total", REFUSED)?,
        })
    }

    /// OBX that became nothing since the start, by their reason.
    #[must_use]
    pub fn unmapped(&self) -> Vec<(String, u64)> {
        let families = self.unmapped_total.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        let count = |metric: &Metric| {
            let reason = metric.get_label().first().map(|label| label.value().to_owned());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole OBX")]
            let count = metric.get_counter().get_value() as u64;
            Some((reason?, count))
        };
        metrics.filter_map(count).collect()
    }

    pub(super) fn start_at_zero(&self) {
        for reason in Self::SKIPPED {
            self.skipped_total.with_label_values(&[reason]);
        }
    }
}

const LAG: &str = "Age of the oldest row of the audit trail that is not indexed for FHIR; 0 without one";
const AGAIN: &str = "Rows of the audit trail that are still to be indexed again for FHIR, by another mapping";
const OBSERVATIONS: &str = "Observations of messages that were indexed for FHIR";
const UNMAPPED: &str = "OBX segments of indexed messages that became no FHIR resource";
const SKIPPED: &str = "Accepted messages that were not indexed for FHIR";
const LEFT_OUT: &str = "FHIR resources beyond what one message may have in the index";
const REFUSED: &str = "Batches of the FHIR index that were not written because another node leads";
