//! Why a search is refused.

/// A search that is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `OperationOutcome.issue.code`.
    pub issue: IssueType,
    /// What is wrong, and what to do. Has no value of the request: it may be a patient's.
    pub text: String,
}

/// `OperationOutcome.issue.code`, as far as searches have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueType {
    /// A value is none of its parameter.
    Invalid,
    /// A parameter is unknown here.
    NotSupported,
    /// No index finds it.
    TooCostly,
}

impl IssueType {
    /// The code of the value set `issue-type`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotSupported => "not-supported",
            Self::TooCostly => "too-costly",
        }
    }
}

impl Refused {
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self { issue: IssueType::Invalid, text: text.into() }
    }

    pub(super) fn not_supported(text: impl Into<String>) -> Self {
        Self { issue: IssueType::NotSupported, text: text.into() }
    }

    /// No index finds it.
    #[must_use]
    pub fn too_costly(text: impl Into<String>) -> Self {
        Self { issue: IssueType::TooCostly, text: text.into() }
    }
}
