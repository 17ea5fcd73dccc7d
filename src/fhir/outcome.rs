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
    /// The platform's own code, which stays the same when the sentence changes.
    diagnostics: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Details {
    text: String,
}

impl OperationOutcome {
    /// An error: of which type, the platform's code, what happened and what to do.
    #[must_use]
    pub fn error(issue: &'static str, code: &'static str, text: impl Into<String>) -> Self {
        Self::of("error", (issue, code), text)
    }

    /// What a reader should know of an answer.
    #[must_use]
    pub fn warning(issue: &'static str, code: &'static str, text: impl Into<String>) -> Self {
        Self::of("warning", (issue, code), text)
    }

    fn of(
        severity: &'static str,
        (code, diagnostics): (&'static str, &'static str),
        text: impl Into<String>,
    ) -> Self {
        let details = Details { text: text.into() };
        Self {
            resource_type: "OperationOutcome",
            issue: vec![Issue { severity, code, details, diagnostics }],
        }
    }
}
