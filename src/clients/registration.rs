//! Clients that have registered themselves with a signed software statement (RFC 7591).

use jiff::Timestamp;

use super::client::{Application, Client, ClientId, KnownCertificate};
use super::oid::Oid;
use crate::model::{Fingerprint, Scopes};

/// A registration. Its client reads when an operator has approved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The id that the client got.
    pub client: ClientId,
    /// The community of the certificate that signed the statement.
    pub community: String,
    /// The issuer of the statement: a URI of the subjectAltName of that certificate.
    pub issuer: String,
    /// What the client calls itself.
    pub name: String,
    /// Addresses of the people who run it.
    pub contacts: Vec<String>,
    /// The scopes that it asks for, as far as the configuration allows them.
    pub scopes: Scopes,
    /// Where it takes the answers of people; none: it reads on its own behalf.
    pub redirect_uris: Vec<String>,
    /// When it was made.
    pub registered_at: Timestamp,
    /// Whether it was approved.
    pub is_approved: bool,
}

impl Registration {
    /// Changes with everything that the client says of itself: an operator approves what was looked at.
    #[must_use]
    pub fn revision(&self) -> String {
        let Self { community, issuer, name, contacts, scopes, redirect_uris, .. } = self;
        let (contacts, addresses) = (contacts.join("\0"), redirect_uris.join("\0"));
        let text = format!("{community}\0{issuer}\0{name}\0{contacts}\0{scopes}\0\0{addresses}");
        Fingerprint::sha256(text.as_bytes()).to_string().chars().take(REVISION_DIGITS).collect()
    }

    /// By what the certificates of the client are known.
    #[must_use]
    pub fn known(&self) -> KnownCertificate {
        KnownCertificate::Uri { community: self.community.clone(), uri: self.issuer.clone() }
    }

    /// The client, when the registration is approved.
    #[must_use]
    pub fn approved(&self, organisation: Oid, scopes: Scopes) -> Client {
        Client {
            id: self.client.clone(),
            organisation,
            scopes,
            devices: None,
            is_suspended: false,
            // It is known by its registration.
            certificates: Vec::new(),
            secrets: Vec::new(),
            application: self.application(),
        }
    }

    /// What people use the client as, if they do.
    #[must_use]
    pub fn application(&self) -> Option<Application> {
        let own = || Application { name: self.name.clone(), redirect_uris: self.redirect_uris.clone() };
        (!self.redirect_uris.is_empty()).then(own)
    }
}

/// Digits of a revision.
const REVISION_DIGITS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            client: "r-1".parse().unwrap(),
            community: "hospital".to_owned(),
            issuer: "https://app.example".to_owned(),
            name: "App".to_owned(),
            contacts: vec!["mailto:it@hospital.example".to_owned()],
            scopes: "system/Observation.rs".parse().unwrap(),
            redirect_uris: vec!["https://app.example/back".to_owned()],
            registered_at: Timestamp::UNIX_EPOCH,
            is_approved: false,
        }
    }

    #[test]
    fn n001_7_everything_that_a_client_says_of_itself_is_in_its_revision() {
        let own = registration();
        let changes: [fn(&mut Registration); 6] = [
            |own| own.community.push('x'),
            |own| own.issuer.push('x'),
            |own| own.name.push('x'),
            |own| own.contacts.push("mailto:evil@example".to_owned()),
            |own| own.scopes = "system/*.rs".parse().unwrap(),
            |own| own.redirect_uris = vec!["https://evil.example/back".to_owned()],
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut changed = registration();
            change(&mut changed);
            assert_ne!(changed.revision(), own.revision(), "{place}");
        }
        let approved = Registration { is_approved: true, ..registration() };
        assert_eq!(approved.revision(), own.revision(), "it says that not of itself");
    }
}
