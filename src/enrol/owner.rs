//! Whose names are: a subject, or a URI, by which one client is known is not certified for another one.

use jiff::Timestamp;

use super::record::{Enrolment, State};
use super::role::Role;
use crate::clients::{Client, KnownCertificate, Registration};

/// What there is besides an enrolment.
#[derive(Debug, Default)]
pub struct Others {
    /// Every client.
    pub clients: Vec<Client>,
    /// Every registration, approved or not.
    pub registrations: Vec<Registration>,
    /// Every enrolment.
    pub enrolments: Vec<Enrolment>,
}

impl Others {
    /// By whom a name of the enrolment is taken: by a client, a registration or another enrolment. `subject`:
    /// that of its request, if there is one.
    #[must_use]
    pub fn owner_of_names(&self, own: &Enrolment, subject: Option<&str>, now: Timestamp) -> Option<String> {
        let record = &own.record;
        if record.role != Role::Client {
            return None;
        }
        let reader = record.reader.as_deref();
        let is_name = |known: &KnownCertificate| match known {
            KnownCertificate::Fingerprint(_) => false,
            KnownCertificate::Subject { subject: known, .. } => subject == Some(known.as_str()),
            KnownCertificate::Uri { uri, .. } => record.uris.iter().any(|own| is_same_uri(own, uri)),
        };
        let of_client = self
            .clients
            .iter()
            .filter(|client| reader != Some(client.id.as_str()))
            .find(|client| client.certificates.iter().any(is_name))
            .map(|client| format!("client {}", client.id));
        let of_registration = || {
            let mut others = self.registrations.iter().filter(|other| reader != Some(other.client.as_str()));
            others.find(|other| is_name(&other.known())).map(|other| format!("registration {}", other.client))
        };
        let of_enrolment = || {
            let mut others = self.enrolments.iter().filter(|other| is_other(own, other, now));
            let has_same = |other: &&Enrolment| {
                let theirs = other.record.request.as_ref().map(|request| request.subject.as_str());
                (subject.is_some() && subject == theirs)
                    || record
                        .uris
                        .iter()
                        .any(|uri| other.record.uris.iter().any(|their| is_same_uri(uri, their)))
            };
            others.find(has_same).map(|other| format!("enrolment {}", other.id))
        };
        of_client.or_else(of_registration).or_else(of_enrolment)
    }
}

/// Whether the other one is for another client, and counts or may still.
fn is_other(own: &Enrolment, other: &Enrolment, now: Timestamp) -> bool {
    let (record, theirs) = (&own.record, &other.record);
    let is_live = match other.state {
        State::Invited => !other.has_expired(now),
        State::Pending => true,
        State::Issued => theirs.certificate.as_ref().is_some_and(|own| now < own.ends),
        State::Rejected | State::Revoked => false,
    };
    let is_same_client = match (&record.reader, &theirs.reader) {
        (Some(one), Some(other)) => one == other,
        _ => record.name == theirs.name,
    };
    is_live && own.id != other.id && theirs.role == Role::Client && !is_same_client
}

/// Whether two URIs are one by their meaning, as far as scheme and host (RFC 3986 section 6.2.2.1) and a
/// solidus at the end say.
#[must_use]
pub fn is_same_uri(one: &str, other: &str) -> bool {
    let normal = |uri: &str| {
        let uri = uri.strip_suffix('/').unwrap_or(uri);
        let host = uri.find("://").map_or(0, |at| at + 3);
        let end = uri.get(host..).and_then(|rest| rest.find('/')).map_or(uri.len(), |at| host + at);
        let (begin, path) = uri.split_at_checked(end).unwrap_or((uri, ""));
        format!("{}{path}", begin.to_ascii_lowercase())
    };
    normal(one) == normal(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_compared_by_its_meaning() {
        for (one, other, is) in [
            ("https://EHR.example/fhir", "HTTPS://ehr.example/fhir/", true),
            ("https://ehr.example", "https://ehr.example/", true),
            ("https://ehr.example/FHIR", "https://ehr.example/fhir", false),
            ("https://ehr.example", "https://ehr.example.org", false),
        ] {
            assert_eq!(is_same_uri(one, other), is, "{one} {other}");
        }
    }
}
