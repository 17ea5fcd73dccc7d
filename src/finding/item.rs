//! One finding.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::code::{Code, Facts, Severity};

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
    /// What it is: its code and the facts of that code. Never content of a message.
    pub facts: Box<Facts>,
    /// How soon it needs a person.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// The ward of the device that it is about; empty where there is none.
    pub ward: Box<str>,
    /// What an operator does about it where the facts ask for something else than the code does.
    pub advice: Option<Arc<str>>,
}

impl Finding {
    /// A finding with the usual severity of its code.
    #[must_use]
    pub fn new(subject: Subject, facts: impl Into<Facts>) -> Self {
        let facts = facts.into();
        Self {
            severity: facts.code().severity(),
            facts: Box::new(facts),
            subject,
            since: None,
            ward: Box::default(),
            advice: None,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.facts.code()
    }

    /// One sentence with the facts, without a full stop.
    #[must_use]
    pub fn what(&self) -> String {
        self.facts.to_string()
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

    /// The same about a device of this ward.
    #[must_use]
    pub fn in_ward(self, ward: &str) -> Self {
        Self { ward: ward.trim().into(), ..self }
    }

    /// The same with another advice than that of its code.
    #[must_use]
    pub fn advise(self, advice: impl Into<Arc<str>>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// What an operator does about it: one sentence, whose commands name the device that it is about.
    #[must_use]
    pub fn what_to_do(&self) -> Cow<'static, str> {
        let general = self.advice.as_deref().unwrap_or(self.code().what_to_do());
        // A name that a shell would read differently stays out of a command that is copied.
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        match self.subject.name().filter(is_plain) {
            Some(name) => Cow::Owned(general.replace(" CN", &format!(" {name}"))),
            None => self
                .advice
                .as_deref()
                .map_or(Cow::Borrowed(self.code().what_to_do()), |own| own.to_owned().into()),
        }
    }

    /// How it is shown as JSON.
    #[must_use]
    pub fn view(&self) -> FindingView<'_> {
        FindingView {
            facts: &self.facts,
            severity: self.severity.code(),
            subject: self.subject.kind(),
            name: self.subject.name(),
            ward: &self.ward,
            what: self.what(),
            what_to_do: self.what_to_do(),
            since: self.since.map(|since| since.to_string()),
            help: format!("/help/{}", self.code()),
        }
    }
}

/// A finding as JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Finding)]
pub struct FindingView<'a> {
    /// The stable code, which is the name of its help page, and its facts.
    #[serde(flatten)]
    pub facts: &'a Facts,
    /// `info`, `attention` or `urgent`.
    pub severity: &'static str,
    /// The kind of what it is about.
    pub subject: &'static str,
    /// The name of what it is about, where there are several of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The ward of the device that it is about.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub ward: &'a str,
    /// One sentence, made of the facts.
    pub what: String,
    /// What an operator does about it.
    pub what_to_do: Cow<'static, str>,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The path of the help page.
    pub help: String,
}
