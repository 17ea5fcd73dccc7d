//! Findings about the store, its server, and the audit trail in it.

use jiff::SignedDuration;
use serde_json::Value;

use crate::audit::Event;
use crate::finding::facts::{
    AuditChainBroken, AuditEndUnread, BrokenRow, ClockDifference, CopyReplaced, OtherChainBroken,
    StoreRightMissing, StoreRisk, StoreUnavailable,
};
use crate::finding::{Code, Finding, Severity, Subject};
use crate::model::{self, MessageId, explained};
use crate::store::{
    AuditFilter, LARGE_CLOCK_DIFFERENCE, OtherFault, Page, Removals, ServerReport, Store, StoreError,
};
use crate::view::code_of;

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
        found.retain(|finding| finding.code() != Code::AuditChainBroken);
        found.push(of_error(&error));
    } else if let Some(warning) = chain.warning() {
        found.push(Finding::new(Subject::AuditTrail, AuditEndUnread { error: warning }));
    }
    found.extend(other_chains(&chain.other_faults()));
    // Whatever else is read would wait for the server once more.
    if store.is_on_server() && is_away(&found) {
        return found;
    }
    found.extend(copies(store).await);
    if let Ok(Some(report)) = store.server_report().await {
        found.extend(server(&report));
    }
    found
}

/// Whether the store cannot be used.
pub(super) fn is_away(found: &[Finding]) -> bool {
    found.iter().any(|finding| finding.code() == Code::StoreUnavailable)
}

/// Faults of other nodes' chains: one finding, which names some of them.
fn other_chains(faults: &[OtherFault]) -> Option<Finding> {
    let since = faults.iter().map(|fault| fault.since).min()?;
    let row = |OtherFault { node, row, is_gone, .. }: &OtherFault| BrokenRow {
        node: node.to_string(),
        row: row.number,
        gone: *is_gone,
    };
    let rows = faults.iter().take(MAX_NAMED).map(row).collect();
    let more = faults.len().saturating_sub(MAX_NAMED) as u64;
    Some(Finding::new(Subject::AuditTrail, OtherChainBroken { rows, more }).since(since))
}

/// Copies that the platform had not stored, of the last week, by the rows of every node: one finding.
async fn copies(store: &Store) -> Option<Finding> {
    let event = Some(Event::COPY_REPLACED.to_owned());
    let since = store.now().checked_sub(COPIES_SHOWN).ok();
    let filter = AuditFilter { event, device: None, since, page: Page::Latest, limit: MAX_COPIES };
    // A store that cannot be read is a finding by itself.
    let rows = store.audit_rows(&filter).await.unwrap_or_default();
    let (last, first) = (rows.first()?, rows.last()?);
    let details: Value = serde_json::from_str(&last.details).unwrap_or_default();
    // Who writes to the database can write anything here.
    let id = |key: &str| details.get(key)?.as_str()?.parse::<MessageId>().ok();
    let facts = CopyReplaced {
        copies: rows.len() as u64,
        or_more: rows.len() >= MAX_COPIES as usize,
        last_message: id("message").map(|id| id.to_string()),
    };
    Some(Finding::new(Subject::Store, facts).since(first.at))
}

/// The finding for a store that does not do its work.
pub fn of_error(error: &StoreError) -> Finding {
    let text = explained(error);
    match (code_of(error), error) {
        (Code::AuditChainBroken, StoreError::Diverged(divergence)) => {
            let facts = AuditChainBroken {
                error: Some(text),
                node: Some(divergence.node.to_string()),
                remembered_row: Some(divergence.remembered.number),
                found_row: Some(divergence.found.number),
                verified: None,
            };
            Finding::new(Subject::AuditTrail, facts)
        }
        (Code::StoreRisk, StoreError::Risky(found)) => Finding::new(
            Subject::Store,
            StoreRisk { risks: codes(found.iter()), accepted: false, detail: text },
        ),
        (Code::StoreRightMissing, _) => Finding::new(Subject::Store, StoreRightMissing { error: text }),
        _ => Finding::new(Subject::Store, StoreUnavailable { error: text }),
    }
}

fn codes(risks: impl Iterator<Item = model::StoreRisk>) -> Vec<String> {
    risks.map(|risk| risk.code().to_owned()).collect()
}

/// Accepted risks of the server, and the clocks of server and nodes.
fn server(report: &ServerReport) -> Vec<Finding> {
    let mut found = Vec::new();
    if !report.accepted.is_empty() && !report.risks.is_empty() {
        let accepted = report.risks.without(report.risks.without(report.accepted));
        if !accepted.is_empty() {
            let (risks, detail) = (codes(accepted.iter()), accepted.to_string());
            let finding = Finding::new(Subject::Store, StoreRisk { risks, accepted: true, detail });
            found.push(finding.with_severity(Severity::Attention));
        }
    }
    if let Some(difference) = report.clock.filter(|difference| difference.is_large()) {
        let milliseconds_ahead = milliseconds(difference.ahead);
        let facts = ClockDifference { node: None, host: None, milliseconds_ahead };
        found.push(Finding::new(Subject::Platform, facts));
    }
    for node in &report.nodes {
        if let Some(ahead) = node.ahead.filter(|ahead| ahead.unsigned_abs() > LARGE_CLOCK_DIFFERENCE) {
            let (name, host) = (Some(node.node.to_string()), Some(node.host.to_string()));
            let facts = ClockDifference { node: name, host, milliseconds_ahead: milliseconds(ahead) };
            found.push(Finding::new(Subject::Store, facts));
        }
    }
    found
}

fn milliseconds(ahead: SignedDuration) -> i64 {
    i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX)
}

/// How long a copy that was replaced stays a finding.
const COPIES_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Copies that are counted.
const MAX_COPIES: u32 = 100;
/// Faults of other chains that a finding names.
const MAX_NAMED: usize = 3;
