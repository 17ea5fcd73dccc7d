//! `OperationOutcome`: what went wrong, and what to do.

use serde::Serialize;

/// An `OperationOutcome` with issues.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationOutcome {
    resource_type: &'static str,
    issue: Vec<Issue>,
}

#[derive(Debug, Clone, Serialize)]
struct Issue {
    severity: &'static str,
    /// A code of the value set `issue-type`.
    code: &'static str,
    diagnostics: String,
}

impl OperationOutcome {
    /// An error.
    #[must_use]
    pub fn error(code: &'static str, text: impl Into<String>) -> Self {
        Self::of(Issue { severity: "error", code, diagnostics: text.into() })
    }

    /// What a reader should know of an answer.
    #[must_use]
    pub fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self::of(Issue { severity: "warning", code, diagnostics: text.into() })
    }

    fn of(issue: Issue) -> Self {
        Self { resource_type: "OperationOutcome", issue: vec![issue] }
    }
}
