//! Enrolments: changes and queries.

use jiff::Timestamp;

use crate::authz::Device;
use crate::clients::{Client, KnownCertificate};
use crate::enrol::{Enrolment, EnrolmentId, Others, State};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::write::clients::ClientsUpdate;
use crate::store::write::directory::DirectoryChange;
use crate::store::write::enrolment::{EnrolmentUpdate, ReachedState};
use crate::store::write::entry::Write;

/// What an issued certificate opens.
#[derive(Debug, Default)]
pub struct Opened {
    /// The new entry of the directory.
    pub device: Option<Device>,
    /// The client that gets the certificate.
    pub client: Option<Client>,
}

impl Store {
    /// Every enrolment, the last one first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        self.reader().enrolments().await
    }

    /// Those that wait for an operator, the last one first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn waiting_enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        self.reader().waiting_enrolments().await
    }

    /// The last `limit` of the others, the last one first; and how many others there are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn other_enrolments(&self, limit: u32) -> Result<(Vec<Enrolment>, u64), StoreError> {
        self.reader().other_enrolments(limit).await
    }

    /// The enrolment with this id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn enrolment(&self, id: &EnrolmentId) -> Result<Option<Enrolment>, StoreError> {
        self.reader().enrolment(id).await
    }

    /// The enrolment that has this certificate.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn enrolment_of(&self, certificate: &Fingerprint) -> Result<Option<Enrolment>, StoreError> {
        self.reader().enrolment_of(certificate).await
    }

    /// Those whose certificates are revoked.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn revoked_enrolments(&self) -> Result<Vec<Enrolment>, StoreError> {
        self.reader().revoked_enrolments().await
    }

    /// Whose names may be: what there is besides an enrolment.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn names_of_clients(&self) -> Result<Others, StoreError> {
        Ok(Others {
            clients: self.clients().await?,
            registrations: self.registrations().await?,
            enrolments: self.enrolments().await?,
        })
    }

    /// How many requests wait for an operator, and since when the first one does.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub async fn pending_enrolments(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.reader().pending_enrolments().await
    }

    /// Those that renew this certificate, the first one first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn renewals_of(&self, certificate: &Fingerprint) -> Result<Vec<Enrolment>, StoreError> {
        self.reader().renewals_of(certificate).await
    }

    /// Stores an invitation.
    ///
    /// # Errors
    /// [`StoreError::Enrolment`] when there is one with this id.
    pub async fn add_enrolment(&self, enrolment: Enrolment, actor: &str) -> Result<(), StoreError> {
        let reached = ReachedState {
            enrolment,
            from: None,
            max_pending: None,
            max_renewals: None,
            directory: None,
            clients: None,
        };
        self.update_enrolment(EnrolmentUpdate::Reached(Box::new(reached)), actor).await
    }

    /// Stores a renewal, if no more than `max_pending` requests wait with it, and no more than `max_renewals`
    /// of its chain came within a day.
    ///
    /// # Errors
    /// [`StoreError::Enrolment`] when there is one with this id, or too many.
    pub async fn add_renewal(
        &self,
        enrolment: Enrolment,
        max_pending: u32,
        max_renewals: u32,
    ) -> Result<(), StoreError> {
        let reached = ReachedState {
            enrolment,
            from: None,
            max_pending: Some(max_pending),
            max_renewals: Some(max_renewals),
            directory: None,
            clients: None,
        };
        self.update_enrolment(EnrolmentUpdate::Reached(Box::new(reached)), "").await
    }

    /// An invitation has got its request, and waits for an operator. At most `max_pending` may.
    ///
    /// # Errors
    /// [`StoreError::Enrolment`] when it is no invitation any more, or too many wait.
    pub async fn request_enrolment(&self, enrolment: Enrolment, max_pending: u32) -> Result<(), StoreError> {
        let reached = ReachedState {
            enrolment,
            from: Some(State::Invited),
            max_pending: Some(max_pending),
            max_renewals: None,
            directory: None,
            clients: None,
        };
        self.update_enrolment(EnrolmentUpdate::Reached(Box::new(reached)), "").await
    }

    /// An operator has decided: the enrolment, which was in the state `from`, reaches another one. What the
    /// certificate opens is changed in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Enrolment`] when its state is another one; [`StoreError::DeviceExists`] and
    /// [`StoreError::DeviceSpelled`] when the directory has the device.
    pub async fn decide_enrolment(
        &self,
        enrolment: Enrolment,
        from: State,
        Opened { device, client }: Opened,
        actor: &str,
    ) -> Result<(), StoreError> {
        let devices: Vec<Device> = device.into_iter().collect();
        self.require_new_spellings(&devices).await?;
        let fingerprint = enrolment.record.certificate.as_ref().map(|own| own.fingerprint);
        let known = client.zip(fingerprint.map(KnownCertificate::Fingerprint));
        let reached = ReachedState {
            enrolment,
            from: Some(from),
            max_pending: None,
            max_renewals: None,
            directory: (!devices.is_empty()).then_some(DirectoryChange::Add(devices)),
            clients: known.map(|(client, known)| ClientsUpdate::AddCertificate(client, known)),
        };
        self.update_enrolment(EnrolmentUpdate::Reached(Box::new(reached)), actor).await
    }

    /// A wrong code was sent for it.
    ///
    /// # Errors
    /// When it cannot be counted.
    pub async fn count_wrong_code(&self, id: EnrolmentId) -> Result<(), StoreError> {
        self.update_enrolment(EnrolmentUpdate::Failed(id), "").await
    }

    async fn update_enrolment(&self, change: EnrolmentUpdate, actor: &str) -> Result<(), StoreError> {
        self.write(Write::Enrolment { change, actor: actor.to_owned() }).await.map(drop)
    }
}
