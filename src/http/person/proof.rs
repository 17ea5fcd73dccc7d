//! What proves who makes a request.

use super::way::{Arrival, LocalUser, Way};
use crate::filesystem::accounts;
use crate::tls::PersonCertificate;
use crate::x509::DistinguishedName;

/// What proves who makes a request.
#[derive(Debug, Clone)]
pub(super) enum Proof<'a> {
    /// An account of this machine, of which the kernel speaks.
    Account(&'a LocalUser),
    /// A certificate.
    Certificate(&'a PersonCertificate),
    /// The word of a proxy.
    Named {
        /// Whom it names.
        person: String,
        /// Its own name.
        proxy: String,
    },
}

impl<'a> Proof<'a> {
    /// What the connection proves.
    pub(super) fn of(arrival: &'a Arrival) -> Option<Self> {
        match arrival {
            Arrival::Tcp(_) | Arrival::Tls(_, None) => None,
            Arrival::Tls(_, Some(certificate)) => Some(Self::Certificate(certificate)),
            Arrival::Socket(user) => Some(Self::Account(user)),
        }
    }
}

impl Proof<'_> {
    /// Whether `subject`, as the configuration writes it, means this one.
    pub(super) fn is(&self, subject: &str) -> bool {
        let kind = ["user:", "group:", "person:"].into_iter().find(|kind| subject.starts_with(kind));
        let name = kind.and_then(|kind| subject.strip_prefix(kind)).unwrap_or(subject);
        match (self, kind) {
            (Self::Account(user), Some("user:")) => accounts::user_id(name) == Some(user.user),
            (Self::Account(user), Some("group:")) => {
                accounts::group_id(name).is_some_and(|group| user.groups.contains(&group))
            }
            (Self::Named { person, .. }, Some("person:")) => person == name,
            (Self::Certificate(certificate), None) => is_named(certificate.subject(), name),
            _ => false,
        }
    }

    /// Whether it is root or the platform's own user.
    pub(super) fn owns_the_platform(&self) -> bool {
        matches!(self, Self::Account(user) if user.owns_the_platform())
    }

    /// The way in.
    pub(super) fn way(&self) -> Way {
        match self {
            Self::Account(user) if user.owns_the_platform() => Way::BreakGlass,
            Self::Account(_) => Way::Socket,
            Self::Certificate(_) => Way::Certificate,
            Self::Named { .. } => Way::Proxy,
        }
    }

    /// The name; `None` for a certificate without exactly one Common Name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Account(user) => Some(user.name()),
            Self::Certificate(certificate) => certificate.subject().common_name().ok().map(shown),
            Self::Named { person, .. } => Some(person.clone()),
        }
    }

    /// The name for the audit trail.
    pub(super) fn actor(&self) -> Option<String> {
        match self {
            Self::Account(user) => Some(user.actor()),
            Self::Certificate(certificate) => Some(shown(&certificate.subject().to_string())),
            Self::Named { person, proxy } => Some(format!("{person} by {proxy}")),
        }
    }

    /// What no other person has.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Account(user) => Some(format!("socket:{}", user.user)),
            Self::Certificate(certificate) => Some(format!("certificate:{}", certificate.subject())),
            Self::Named { .. } => self.actor().map(|actor| format!("proxy:{actor}")),
        }
    }
}

/// Whether the subject has every attribute of `name`. A subject with several Common Names names no person.
fn is_named(subject: &DistinguishedName, name: &str) -> bool {
    subject.common_name().is_ok() && subject.has_all(name)
}

/// A name of a certificate, cut to what a row and a page hold.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// Characters of a name.
pub(super) const MAX_NAME: usize = 256;
