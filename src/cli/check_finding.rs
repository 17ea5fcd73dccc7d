//! The lines of `check`.

use serde::Serialize;
use serde_json::Value;

use crate::finding::{Looked, Severity};
use crate::model::explained;
use crate::store::StoreError;
use crate::view::help_of;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) what: &'static str,
    pub(super) detail: String,
    /// The code of a warning or an error, which is the name of its help page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    /// The facts of a finding that a running platform has as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) facts: Option<Value>,
    /// What to do about it, where that is not what the page of the code begins with.
    #[serde(skip)]
    pub(super) next_step: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    Ok,
    Warning,
    Error,
}

impl Finding {
    /// The line of what a look at one thing found.
    pub(super) fn of(what: &'static str, looked: Looked) -> Self {
        match looked {
            Ok(detail) => Self::ok(what, detail),
            Err(finding) => Self {
                level: if finding.severity == Severity::Urgent { Level::Error } else { Level::Warning },
                what,
                detail: finding.what(),
                code: Some(finding.code().code()),
                facts: Some(finding.facts.values()),
                next_step: None,
            },
        }
    }

    /// What is wrong with the store: the same code as `/readyz` and `status` have.
    pub(super) fn of_store(what: &'static str, error: &StoreError) -> Self {
        Self::error(what, help_of(error), explained(error))
    }

    pub(super) const fn ok(what: &'static str, detail: String) -> Self {
        Self { level: Level::Ok, what, detail, code: None, facts: None, next_step: None }
    }

    /// A warning; `code` is that of a [`Code`](crate::finding::Code) or a
    /// [`SetupCode`](crate::finding::SetupCode).
    pub(super) const fn warning(what: &'static str, code: &'static str, detail: String) -> Self {
        Self { level: Level::Warning, what, detail, code: Some(code), facts: None, next_step: None }
    }

    /// An error, with its code.
    pub(super) const fn error(what: &'static str, code: &'static str, detail: String) -> Self {
        Self { level: Level::Error, what, detail, code: Some(code), facts: None, next_step: None }
    }

    /// The same, with what to do about it.
    pub(super) fn with_next_step(self, step: &str) -> Self {
        Self { next_step: Some(step.to_owned()), ..self }
    }

    /// Every warning and error up to here depends on the time: what ends, and what has begun.
    pub(super) fn doubt_clock(&mut self) {
        if self.level != Level::Ok && self.what != "identities" {
            self.detail.push_str("; or the clock of this machine is wrong (see clock): look at it first");
        }
    }
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
