//! Rows of the audit trail that the platform cannot have written as they are.

use crate::cli::{Exit, Outcome, Output};
use crate::store::AuditRow;

/// Warns of each row that the platform cannot have written as it is.
pub(super) fn warn_of_distorted(rows: &[AuditRow], output: Output) -> Outcome {
    let mut exit = Exit::Done;
    for AuditRow { sequence, node, number, .. } in rows.iter().filter(|row| row.is_distorted) {
        output.warn(&format!(
            "row {number} of node {node} (sequence {sequence}) has a number, a name, a time or a hash that the platform \
             does not write; it is shown with the nearest one (see audit verify)"
        ))?;
        exit = Exit::Failed;
    }
    Ok(exit)
}
