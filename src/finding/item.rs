//! One finding.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::code::{Code, Severity};

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The platform as a whole.
    Platform,
    /// A device of the directory, by its Common Name.
    Device(String),
    /// A peer that is in no directory, by name or address.
    Peer(String),
    /// A certificate, by its subject or its file.
    Certificate(String),
    /// The store.
    Store,
    /// The audit trail.
    AuditTrail,
    /// An order, by its identifier.
    Order(String),
}

impl Subject {
    /// The stable code of the kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Device(_) => "device",
            Self::Peer(_) => "peer",
            Self::Certificate(_) => "certificate",
            Self::Store => "store",
            Self::AuditTrail => "audit-trail",
            Self::Order(_) => "order",
        }
    }

    /// The name, where there are several of the kind.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Device(name) | Self::Peer(name) | Self::Certificate(name) | Self::Order(name) => Some(name),
            Self::Platform | Self::Store | Self::AuditTrail => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.kind()),
            None => f.write_str(&self.kind().replace('-', " ")),
        }
    }
}

/// What a look at one thing found: a sentence that all is well, or a finding.
pub type Looked = Result<String, Finding>;

/// Something that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// How soon it needs a person.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// One sentence with the facts, without a full stop. Never content of a message.
    pub what: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
}

impl Finding {
    /// A finding with the usual severity of its code.
    #[must_use]
    pub fn new(code: Code, subject: Subject, what: impl Into<String>) -> Self {
        Self { code, severity: code.severity(), subject, what: what.into(), since: None }
    }

    /// The same with another severity.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same with the time at which it began.
    #[must_use]
    pub fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    /// How it is shown as JSON.
    #[must_use]
    pub fn view(&self) -> FindingView<'_> {
        FindingView {
            code: self.code.code(),
            severity: self.severity.code(),
            subject: self.subject.kind(),
            name: self.subject.name(),
            what: &self.what,
            what_to_do: self.code.what_to_do(),
            since: self.since.map(|since| since.to_string()),
            help: format!("/help/{}", self.code),
        }
    }
}

/// A finding as JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FindingView<'a> {
    /// The stable code, which is the name of its help page.
    pub code: &'static str,
    /// `info`, `attention` or `urgent`.
    pub severity: &'static str,
    /// The kind of what it is about.
    pub subject: &'static str,
    /// The name of what it is about, where there are several of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// One sentence with the facts.
    pub what: &'a str,
    /// What an operator does about it.
    pub what_to_do: &'static str,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The path of the help page.
    pub help: String,
}
