//! A client that may read.

use std::net::IpAddr;
use std::sync::Arc;

use super::client::KnownCertificate;
use super::oid::Oid;
use super::refused::RefusedReader;
use super::token::Holder;
use crate::model::{DeviceId, Fingerprint};
use crate::model::{Interaction, Scopes};

/// A client that was admitted for one request: who it is, and what it may read. Clones are cheap.
///
/// Only the check of this module makes one, so a value is the proof that the check has passed.
#[derive(Debug, Clone)]
pub struct Reader(pub(super) Arc<Rights>);

#[derive(Debug)]
pub(super) struct Rights {
    pub(super) client: String,
    pub(super) holder: Holder,
    pub(super) organisation: Option<Oid>,
    pub(super) certificate: Fingerprint,
    pub(super) known: Option<KnownCertificate>,
    pub(super) address: IpAddr,
    pub(super) scopes: Scopes,
    pub(super) devices: Option<Vec<DeviceId>>,
    /// The subject of the person who lets it read.
    pub(super) person: Option<String>,
    /// Whether it reads with a person alone.
    pub(super) is_application: bool,
}

impl Reader {
    /// The id of the client. A member of a community that is read by every member has `community:NAME`.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.0.client
    }

    /// Whose its tokens are.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.0.holder
    }

    /// The subject of the person who lets it read, if one does.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        self.0.person.as_deref()
    }

    /// The same reader, unless it is an application that no person lets read: that one has proved who it is,
    /// and may do nothing by itself.
    ///
    /// # Errors
    /// When a person is needed.
    pub fn with_person_where_needed(self) -> Result<Self, RefusedReader> {
        if self.0.is_application && self.0.person.is_none() {
            return Err(RefusedReader::PersonNeeded);
        }
        Ok(self)
    }

    /// The organisation of the client; `None` for a member of a community that is not registered.
    #[must_use]
    pub fn organisation(&self) -> Option<&Oid> {
        self.0.organisation.as_ref()
    }

    /// The certificate of the connection; with a token that is bound to none, that by which it was granted.
    #[must_use]
    pub fn certificate(&self) -> Fingerprint {
        self.0.certificate
    }

    /// By what the certificate is known: for its client, or as that of a member of a community. `None`: the
    /// client has proved who it is by a secret.
    #[must_use]
    pub fn known(&self) -> Option<&KnownCertificate> {
        self.0.known.as_ref()
    }

    /// The address from which the request came.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Whether the client may do this with resources of the type, such as `Observation`.
    #[must_use]
    pub fn may(&self, interaction: Interaction, resource_type: &str) -> bool {
        self.0.scopes.allow(resource_type, interaction)
    }

    /// The scopes, as they were granted.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The senders whose messages the client may read, by the Common Name of their certificate; `None`: all.
    #[must_use]
    pub fn devices(&self) -> Option<&[DeviceId]> {
        self.0.devices.as_deref()
    }

    /// Whether the client may read the messages of this sender.
    #[must_use]
    pub fn may_read_device(&self, device: &DeviceId) -> bool {
        self.devices().is_none_or(|devices| devices.contains(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reader {
        /// A reader with these scopes, of these devices alone if there are any.
        pub(crate) fn for_tests(scopes: &str, devices: Option<&[&str]>) -> Self {
            let devices = devices.map(|all| all.iter().map(|device| device.parse().unwrap()).collect());
            Self(Arc::new(Rights {
                client: "ehr".to_owned(),
                holder: Holder::Client("ehr".parse().unwrap()),
                organisation: Some("2.25.1".parse().unwrap()),
                certificate: Fingerprint::sha256(b"certificate"),
                known: None,
                address: IpAddr::from([192, 0, 2, 7]),
                scopes: scopes.parse().unwrap(),
                devices,
                person: None,
                is_application: false,
            }))
        }
    }

    #[test]
    fn n001_3_a_reader_may_read_its_types_and_devices() {
        let reader = Reader::for_tests("system/Observation.rs", Some(&["PUMP0001"]));
        assert!(reader.may(Interaction::Search, "Observation") && !reader.may(Interaction::Read, "Patient"));
        let device = |name: &str| name.parse::<DeviceId>().unwrap();
        assert!(reader.may_read_device(&device("PUMP0001")) && !reader.may_read_device(&device("PUMP0002")));
        assert!(Reader::for_tests("system/*.rs", None).may_read_device(&device("PUMP0002")));
    }
}
