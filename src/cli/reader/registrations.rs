//! Clients that have registered themselves.

use anyhow::anyhow;
use serde::Serialize;

use crate::cli::context::failed;
use crate::cli::text::{column, paragraph};
use crate::cli::{Failure, Output};
use crate::clients::{Client, ClientId, Oid, Registration, Scopes};
use crate::model::DeviceId;
use crate::store::{ClientsConflict, Store, StoreError};

/// A registration, as it is printed.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: &'a str,
    status: &'static str,
    name: &'a str,
    community: &'a str,
    issuer: &'a str,
    contacts: &'a [String],
    scopes: String,
    /// Where an application takes the answers of people.
    redirect_uris: &'a [String],
    registered: String,
    /// For `--revision`.
    revision: String,
}

impl<'a> Line<'a> {
    fn new(own: &'a Registration) -> Self {
        Self {
            id: own.client.as_str(),
            status: if own.is_approved { "approved" } else { "pending" },
            name: &own.name,
            community: &own.community,
            issuer: &own.issuer,
            contacts: &own.contacts,
            scopes: own.scopes.to_string(),
            redirect_uris: &own.redirect_uris,
            registered: own.registered_at.to_string(),
            revision: own.revision(),
        }
    }

    fn shown(&self) -> String {
        paragraph(&[
            ("client", self.id.to_owned()),
            ("status", self.status.to_owned()),
            // A stranger has written these.
            ("name", column(self.name)),
            ("community", self.community.to_owned()),
            ("issuer", column(self.issuer)),
            ("contacts", self.contacts.iter().map(|contact| column(contact)).collect::<Vec<_>>().join(" ")),
            ("scopes", self.scopes.clone()),
            ("answers to", self.redirect_uris.iter().map(|uri| column(uri)).collect::<Vec<_>>().join(" ")),
            ("registered", self.registered.clone()),
            ("revision", self.revision.clone()),
        ])
    }
}

/// Prints all, those that wait first.
pub(super) async fn list(store: &Store, output: Output) -> Result<(), Failure> {
    let mut all = store.registrations().await.map_err(failed)?;
    all.sort_by_key(|own| (own.is_approved, own.registered_at));
    for own in &all {
        output.print(&Line::new(own), |line| format!("{}\n", line.shown()))?;
    }
    Ok(())
}

/// What an operator admits.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) organisation: Oid,
    pub(super) scopes: Option<Scopes>,
    /// The senders whose messages it may read; none: all.
    pub(super) devices: Vec<DeviceId>,
    /// The revision of the registration that was looked at.
    pub(super) revision: Option<String>,
}

/// Admits a client. It gets no more than it asks for. Returns the client.
pub(super) async fn approve(
    store: &Store,
    id: &ClientId,
    Admitted { organisation, scopes, devices, revision }: Admitted,
    actor: &str,
) -> Result<Client, Failure> {
    let own = registration(store, id).await?;
    if revision.is_some_and(|revision| revision != own.revision()) {
        return Err(failed(StoreError::Clients(ClientsConflict::ChangedMeanwhile)));
    }
    let scopes = scopes.map_or_else(|| own.scopes.clone(), |scopes| scopes.intersection(&own.scopes));
    check_scopes(&scopes)?;
    let devices = (!devices.is_empty()).then_some(devices);
    let client = Client { devices, ..own.approved(organisation, scopes) };
    store.approve_registration(own, client.clone(), actor).await.map_err(failed)?;
    Ok(client)
}

/// Ends a registration.
pub(super) async fn reject(store: &Store, id: &ClientId, actor: &str) -> Result<(), Failure> {
    let own = registration(store, id).await?;
    store.reject_registration(own, actor).await.map_err(failed)
}

/// A client without scopes could not read.
pub(super) fn check_scopes(scopes: &Scopes) -> Result<(), Failure> {
    if scopes.is_empty() {
        return Err(anyhow!("name at least one scope, such as system/Observation.rs").into());
    }
    Ok(())
}

async fn registration(store: &Store, id: &ClientId) -> Result<Registration, Failure> {
    let known = store.registrations().await.map_err(failed)?.into_iter().find(|own| own.client == *id);
    known.ok_or_else(|| failed(StoreError::Clients(ClientsConflict::RegistrationUnknown)))
}
