//! Findings about the store, its server, and the audit trail in it.

use crate::finding::{Code, Finding, Severity, Subject};
use crate::model::explained;
use crate::store::{LARGE_CLOCK_DIFFERENCE, Removals, ServerReport, Store, StoreError};

/// What is wrong with the store of a running platform.
pub(super) async fn store(store: &Store, removals: Removals) -> Vec<Finding> {
    let mut found = Vec::new();
    // First the rights: what is missing has a name there.
    if let Err(error) = store.check_rights(removals).await {
        found.push(of_error(&error));
    } else if let Err(error) = store.check().await {
        found.push(of_error(&error));
    }
    let chain = store.own_chain();
    if let Some(divergence) = chain.refused() {
        let error = StoreError::Diverged(Box::new(divergence));
        found.retain(|finding| finding.code != Code::AuditChainBroken);
        found.push(of_error(&error));
    } else if let Some(warning) = chain.warning() {
        found.push(Finding::new(Code::AuditEndUnread, Subject::AuditTrail, warning));
    }
    if let Ok(Some(report)) = store.server_report().await {
        found.extend(server(&report));
    }
    found
}

/// The finding for a store that does not do its work.
pub fn of_error(error: &StoreError) -> Finding {
    let (code, subject) = match error {
        StoreError::Risky(_) => (Code::StoreRisk, Subject::Store),
        StoreError::Diverged(_) => (Code::AuditChainBroken, Subject::AuditTrail),
        StoreError::Denied(_) => (Code::StoreRightMissing, Subject::Store),
        _ => (Code::StoreUnavailable, Subject::Store),
    };
    Finding::new(code, subject, explained(error))
}

/// Accepted risks of the server, and the clocks of server and nodes.
fn server(report: &ServerReport) -> Vec<Finding> {
    let mut found = Vec::new();
    if !report.accepted.is_empty() && !report.risks.is_empty() {
        let accepted = report.risks.without(report.risks.without(report.accepted));
        if !accepted.is_empty() {
            let what =
                format!("store.accepted-risks accepts that the store can lose or hide messages: {accepted}");
            let finding = Finding::new(Code::StoreRisk, Subject::Store, what);
            found.push(finding.with_severity(Severity::Attention));
        }
    }
    if let Some(difference) = report.clock.filter(|difference| difference.is_large()) {
        let what = format!(
            "the clock of this machine is {:.3} s from that of the store's server",
            difference.ahead.as_secs_f64()
        );
        found.push(Finding::new(Code::ClockDifference, Subject::Platform, what));
    }
    for node in &report.nodes {
        if let Some(ahead) = node.ahead.filter(|ahead| ahead.unsigned_abs() > LARGE_CLOCK_DIFFERENCE) {
            let what = format!(
                "the clock of node {} on {} is {:.3} s from that of the store's server",
                node.node,
                node.host,
                ahead.as_secs_f64()
            );
            found.push(Finding::new(Code::ClockDifference, Subject::Store, what));
        }
    }
    found
}
