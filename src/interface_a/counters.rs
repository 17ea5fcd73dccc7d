//! The counters of Interface A start at zero for every label that is known in advance: an alert on the
//! increase of a counter does not see the event that creates it.

use crate::audit::SessionEnd;
use crate::hl7::Rejection;
use crate::metrics::Metrics;
use crate::mllp::{BrokenReason, Deviation};
use crate::model::Refusal;
use crate::pcd::Transaction;
use crate::tls;

pub(super) fn start_at_zero(metrics: &Metrics) {
    let refusals = Refusal::ALL.iter().map(|refusal| refusal.code());
    for code in refusals.clone().chain(SessionEnd::ALL.iter().map(|end| end.code())) {
        metrics.connections_total.with_label_values(&[code]);
    }
    for end in SessionEnd::ALL {
        metrics.operation.sessions_ended_total.with_label_values(&[end.code()]);
    }
    for result in ["accepted", "resumed"] {
        metrics.handshakes_total.with_label_values(&[result, ""]);
    }
    for code in refusals {
        metrics.handshakes_total.with_label_values(&["refused", code]);
    }
    for reason in ["silent", "health-check"] {
        metrics.unrecorded_connections_total.with_label_values(&[reason]);
    }
    for command in ["relayed", "local"] {
        metrics.proxy_headers_total.with_label_values(&[command]);
    }
    for reason in Rejection::codes().chain(["unexpected-acknowledgement", "acknowledgement-of-other-mode"]) {
        metrics.rejections_total.with_label_values(&[reason]);
    }
    for reason in ["frame-memory", "message-rate"] {
        metrics.read_pauses_total.with_label_values(&[reason]);
    }
    for row in ["own", "counted", "others"] {
        metrics.recorded_refusals_total.with_label_values(&[row]);
    }
    for (version, suite) in tls::negotiable_suites() {
        metrics.tls_negotiated_total.with_label_values(&[version, suite]);
    }
    let readable = Deviation::ALL.iter().map(|deviation| deviation.code());
    for code in readable.chain(BrokenReason::ALL.iter().map(|reason| reason.code())) {
        metrics.frame_deviations_total.with_label_values(&[code]);
    }
    let transactions = Transaction::ALL.iter().map(|transaction| transaction.label());
    for transaction in transactions.chain(["other"]) {
        for acknowledgement in ACKNOWLEDGEMENTS {
            metrics.messages_total.with_label_values(&[transaction, acknowledgement]);
        }
    }
    metrics.messages_total.with_label_values(&["acknowledgement", "none"]);
}

/// What `pcd_messages_total` says of the answer to a frame.
const ACKNOWLEDGEMENTS: [&str; 9] = ["AA", "AE", "AR", "CA", "CE", "CR", "CA+AA", "none", "resend"];
