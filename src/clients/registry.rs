//! All organisations and clients, as they were last read from the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::client::{Client, ClientId, KnownCertificate};
use super::oid::Oid;
use super::organisation::Organisation;
use super::refused::RefusedReader;
use crate::model::DeviceId;

/// Organisations and clients. Requests of clients are decided by the current one; by one that was not read
/// from the store none is.
#[derive(Debug, Default)]
pub struct Registry {
    organisations: HashMap<Oid, Organisation>,
    clients: HashMap<ClientId, Client>,
    by_certificate: HashMap<KnownCertificate, ClientId>,
    removed: HashSet<KnownCertificate>,
    is_read: bool,
}

/// The current registry; it is replaced as a whole.
pub type RegistryHandle = Arc<ArcSwap<Registry>>;

impl Registry {
    /// A registry of what the store has: `removed` is what an operator has taken from clients.
    #[must_use]
    pub fn new(
        organisations: Vec<Organisation>,
        clients: Vec<Client>,
        removed: Vec<KnownCertificate>,
    ) -> Self {
        let known = |client: &Client| {
            let id = client.id.clone();
            client.certificates.clone().into_iter().map(move |known| (known, id.clone()))
        };
        Self {
            by_certificate: clients.iter().flat_map(known).collect(),
            organisations: organisations.into_iter().map(|own| (own.oid.clone(), own)).collect(),
            clients: clients.into_iter().map(|own| (own.id.clone(), own)).collect(),
            removed: removed.into_iter().collect(),
            is_read: true,
        }
    }

    /// # Errors
    /// When it was not read from the store: who is refused is not known.
    pub(super) const fn require_read(&self) -> Result<(), RefusedReader> {
        if self.is_read { Ok(()) } else { Err(RefusedReader::Unread) }
    }

    /// How many clients there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is no client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The organisation.
    #[must_use]
    pub fn organisation(&self, oid: &Oid) -> Option<&Organisation> {
        self.organisations.get(oid)
    }

    /// The client.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        self.clients.get(id)
    }

    /// The senders whose messages some client of the organisation may read; `None`: all.
    #[must_use]
    pub fn devices_of(&self, organisation: &Oid) -> Option<Vec<DeviceId>> {
        self.devices_where(|own| own.organisation == *organisation && !own.is_suspended)
    }

    /// The senders about whose messages the organisation is notified; `None`: all. A client that is suspended
    /// for now gets its notifications afterwards, and one that is added later those since its subscription.
    #[must_use]
    pub fn notified_devices_of(&self, organisation: &Oid) -> Option<Vec<DeviceId>> {
        let is_own = |own: &Client| own.organisation == *organisation;
        self.clients.values().any(is_own).then(|| self.devices_where(is_own))?
    }

    fn devices_where(&self, counts: impl Fn(&Client) -> bool) -> Option<Vec<DeviceId>> {
        let own = self.clients.values().filter(|own| counts(own));
        let mut devices = Vec::new();
        for client in own {
            devices.extend_from_slice(client.devices.as_deref()?);
        }
        devices.sort_unstable();
        devices.dedup();
        Some(devices)
    }

    /// The client to which a certificate belongs.
    #[must_use]
    pub fn client_of(&self, known: &KnownCertificate) -> Option<&Client> {
        self.clients.get(self.by_certificate.get(known)?)
    }

    /// Whether an operator has taken it from a client, and has given it to none since.
    #[must_use]
    pub fn is_removed(&self, known: &KnownCertificate) -> bool {
        self.removed.contains(known)
    }
}
