//! Hospital systems that read: changes and queries.

use jiff::Timestamp;

use crate::clients::{Client, KnownCertificate, Oid, Organisation, Registration, Scopes};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::write::clients::ClientsUpdate;
use crate::store::write::entry::Write;
use crate::store::write::registration::{AutomaticApproval, Ended};

impl Store {
    /// A number that grows with each change of organisations and clients.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn clients_revision(&self) -> Result<u64, StoreError> {
        self.reader().clients_revision().await
    }

    /// Every organisation, by its number.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn organisations(&self) -> Result<Vec<Organisation>, StoreError> {
        self.reader().organisations().await
    }

    /// Every client with its certificates and secrets, by its id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.reader().clients().await
    }

    /// What operators have taken from clients, and have given to none since.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn removed_certificates(&self) -> Result<Vec<KnownCertificate>, StoreError> {
        self.reader().removed_certificates().await
    }

    /// Adds an organisation.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is one with this number.
    pub async fn add_organisation(&self, own: Organisation, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::AddOrganisation(own), actor).await
    }

    /// Changes the name and the networks of an organisation.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none with this number.
    pub async fn change_organisation(&self, own: Organisation, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::ChangeOrganisation(own), actor).await
    }

    /// Changes the scopes and the devices of a client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none with this id.
    pub async fn change_client(&self, client: Client, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::ChangeClient(client), actor).await
    }

    /// Suspends or resumes an organisation.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none with this number.
    pub async fn suspend_organisation(&self, oid: Oid, is: bool, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::SuspendOrganisation(oid, is), actor).await
    }

    /// Adds a client with its certificates and secrets.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is one with this id, or a certificate belongs to another one.
    pub async fn add_client(&self, client: Client, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::AddClient(client), actor).await
    }

    /// Suspends or resumes a client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none with this id.
    pub async fn suspend_client(&self, client: Client, is: bool, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::SuspendClient(client, is), actor).await
    }

    /// Adds a certificate to a client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when it belongs to a client already.
    pub async fn add_client_certificate(
        &self,
        client: Client,
        known: KnownCertificate,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::AddCertificate(client, known), actor).await
    }

    /// Removes a certificate from a client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when the client does not have it.
    pub async fn remove_client_certificate(
        &self,
        client: Client,
        known: KnownCertificate,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::RemoveCertificate(client, known), actor).await
    }

    /// Gives a client a new secret. The one before counts until `overlap`; earlier ones end now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn rotate_secret(
        &self,
        client: Client,
        hash: Fingerprint,
        overlap: Option<Timestamp>,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::Rotate { client, hash, overlap }, actor).await
    }

    /// Ends the secrets before the last one now, with tokens and credentials of the client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when it has none.
    pub async fn end_former_secrets(&self, client: Client, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::EndFormerSecrets(client), actor).await
    }

    /// Every registration, by the id of its client.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        self.reader().registrations().await
    }

    /// Adds a registration, which waits for approval; at most `max` do.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is one of this issuer, or as many wait as may.
    pub async fn register(&self, own: Registration, max: u32) -> Result<(), StoreError> {
        let actor = own.issuer.clone();
        self.update_clients(ClientsUpdate::Register(own, max), &actor).await
    }

    /// Changes a registration, by its client. The scopes of a client that was approved become those that it
    /// names, so the caller has to see that it had them: `has` is what it has.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none, or its client has other scopes by now.
    pub async fn change_registration(
        &self,
        own: Registration,
        has: Option<Scopes>,
    ) -> Result<(), StoreError> {
        let actor = own.issuer.clone();
        self.update_clients(ClientsUpdate::ChangeRegistration(own, has), &actor).await
    }

    /// Ends a registration, by its client: the client is removed, unless it is suspended.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none.
    pub async fn cancel_registration(&self, own: Registration) -> Result<(), StoreError> {
        let actor = own.issuer.clone();
        self.update_clients(ClientsUpdate::EndRegistration(own, Ended::Cancelled), &actor).await
    }

    /// Ends a registration, by an operator: the client is suspended.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none.
    pub async fn reject_registration(&self, own: Registration, actor: &str) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::EndRegistration(own, Ended::Rejected), actor).await
    }

    /// Approves a registration, and adds its client.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when none waits with this id.
    pub async fn approve_registration(
        &self,
        own: Registration,
        client: Client,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.update_clients(ClientsUpdate::Approve(own, client, None), actor).await
    }

    /// Approves a registration as the configuration has it, while at most `max` are approved, and adds its
    /// client. `names`: by what the certificate of its statement may be known.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when an operator has to decide.
    pub async fn approve_automatically(
        &self,
        (own, client): (Registration, Client),
        names: Vec<KnownCertificate>,
        max: u32,
        actor: &str,
    ) -> Result<(), StoreError> {
        let automatic = AutomaticApproval { names, max };
        self.update_clients(ClientsUpdate::Approve(own, client, Some(automatic)), actor).await
    }

    async fn update_clients(&self, change: ClientsUpdate, actor: &str) -> Result<(), StoreError> {
        let change = Box::new(change);
        self.write(Write::Clients { change, actor: actor.to_owned() }).await.map(drop)
    }
}
