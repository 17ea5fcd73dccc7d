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
    details: Details,
    /// The platform's own code.
    diagnostics: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Details {
    text: String,
}

impl OperationOutcome {
    /// An error: its code of `issue-type`, the platform's own code, and what to do.
    #[must_use]
    pub fn error(code: &'static str, own: &'static str, text: impl Into<String>) -> Self {
        Self::of("error", code, own, text.into())
    }

    /// What a reader should know of an answer.
    #[must_use]
    pub fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self::of("warning", code, code, text.into())
    }

    fn of(severity: &'static str, code: &'static str, own: &'static str, text: String) -> Self {
        let issue = Issue { severity, code, details: Details { text }, diagnostics: own };
        Self { resource_type: "OperationOutcome", issue: vec![issue] }
    }
}
