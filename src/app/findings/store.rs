//! Findings about the store, its server, and the audit trail in it.

use jiff::SignedDuration;
use serde_json::Value;

use crate::audit::Event;
use crate::finding::{Code, Finding, Severity, Subject};
use crate::model::{MessageId, explained};
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
        found.retain(|finding| finding.code != Code::AuditChainBroken);
        found.push(of_error(&error));
    } else if let Some(warning) = chain.warning() {
        found.push(Finding::new(Code::AuditEndUnread, Subject::AuditTrail, warning));
    }
    found.extend(other_chains(&chain.other_faults()));
    found.extend(copies(store).await);
    if let Ok(Some(report)) = store.server_report().await {
        found.extend(server(&report));
    }
    found
}

/// Faults of other nodes' chains: one finding, which names some of them.
fn other_chains(faults: &[OtherFault]) -> Option<Finding> {
    let since = faults.iter().map(|fault| fault.since).min()?;
    let mut what: Vec<_> = faults.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if faults.len() > MAX_NAMED {
        what.push(format!("and {} more", faults.len() - MAX_NAMED));
    }
    let subject = Subject::AuditTrail;
    Some(Finding::new(Code::OtherChainBroken, subject, what.join("; ")).since(since))
}

/// Copies that the platform had not stored, of the last week, by the rows of every node: one finding.
async fn copies(store: &Store) -> Option<Finding> {
    let event = Some(Event::COPY_REPLACED.to_owned());
    let since = store.now().checked_sub(COPIES_SHOWN).ok();
    let filter = AuditFilter { event, device: None, since, page: Page::Latest, limit: MAX_COPIES };
    // A store that cannot be read is a finding by itself.
    let rows = store.audit_rows(&filter).await.unwrap_or_default();
    let (last, first) = (rows.first()?, rows.last()?);
    let number = match rows.len() {
        1 => "a copy".to_owned(),
        number if number >= MAX_COPIES as usize => format!("{number} copies or more"),
        number => format!("{number} copies"),
    };
    let details: Value = serde_json::from_str(&last.details).unwrap_or_default();
    // Who writes to the database can write anything here.
    let id = |key: &str| details.get(key)?.as_str()?.parse::<MessageId>().ok();
    let last = id("message").map(|id| format!("; the last one for message {id}")).unwrap_or_default();
    let what = format!(
        "another program had put {number} of messages into the store, and the platform stored what it received \
         in the place{last}"
    );
    Some(Finding::new(Code::CopyReplaced, Subject::Store, what).since(first.at))
}

/// The finding for a store that does not do its work.
pub fn of_error(error: &StoreError) -> Finding {
    let code = code_of(error);
    let subject = if code == Code::AuditChainBroken { Subject::AuditTrail } else { Subject::Store };
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

/// How long a copy that was replaced stays a finding.
const COPIES_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Copies that are counted.
const MAX_COPIES: u32 = 100;
/// Faults of other chains that a finding names.
const MAX_NAMED: usize = 3;
