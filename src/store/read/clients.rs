//! Queries of the hospital systems that read.

use std::collections::HashMap;

use crate::clients::{Client, ClientId, KnownCertificate, Organisation, Registration, Scopes, StoredSecret};
use crate::model::explained;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    /// A number that grows with each change of organisations and clients.
    pub(in crate::store) async fn clients_revision(&self) -> Result<u64, StoreError> {
        let rows = self.fetch(Statement::new("SELECT value FROM api_revision")).await?;
        let row = rows.first().ok_or(StoreError::unreadable("api_revision"))?;
        row.count("value", "api_revision.value")
    }

    /// Every organisation, by its number.
    pub(in crate::store) async fn organisations(&self) -> Result<Vec<Organisation>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_ORGANISATIONS)).await?;
        rows.iter().map(organisation).collect()
    }

    /// Every client with its certificates and secrets, by its id.
    pub(in crate::store) async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_CLIENTS)).await?;
        let mut clients: Vec<Client> = rows.iter().map(client).collect::<Result<_, _>>()?;
        let places: HashMap<String, usize> =
            clients.iter().enumerate().map(|(at, client)| (client.id.to_string(), at)).collect();
        for row in
            self.fetch(Statement::new("SELECT known, client FROM api_certificate ORDER BY known")).await?
        {
            let known: KnownCertificate = row.parsed("known", "api_certificate.known")?;
            let place = places.get(&row.get::<String>("client")?);
            if let Some(client) = place.and_then(|at| clients.get_mut(*at)) {
                client.certificates.push(known);
            }
        }
        for row in
            self.fetch(Statement::new("SELECT hash, client, ends FROM api_secret ORDER BY hash")).await?
        {
            let ends = row.get::<Option<i64>>("ends")?.map(|_| row.time("ends", "api_secret.ends"));
            let secret =
                StoredSecret { hash: row.parsed("hash", "api_secret.hash")?, ends: ends.transpose()? };
            let place = places.get(&row.get::<String>("client")?);
            if let Some(client) = place.and_then(|at| clients.get_mut(*at)) {
                client.secrets.push(secret);
            }
        }
        for own in self.registrations().await?.into_iter().filter(|own| own.is_approved) {
            let place = places.get(own.client.as_str());
            if let Some(client) = place.and_then(|at| clients.get_mut(*at)) {
                client.certificates.push(own.known());
                client.application = own.application();
            }
        }
        Ok(clients)
    }

    /// What operators have taken from clients.
    pub(in crate::store) async fn removed_certificates(&self) -> Result<Vec<KnownCertificate>, StoreError> {
        let rows = self.fetch(Statement::new("SELECT known FROM api_removed")).await?;
        rows.iter().map(|row| row.parsed("known", "api_removed.known")).collect()
    }

    /// Every registration, by the id of its client.
    pub(in crate::store) async fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_REGISTRATIONS)).await?;
        rows.iter().map(registration).collect()
    }
}

fn registration(row: &Row) -> Result<Registration, StoreError> {
    Ok(Registration {
        client: row.parsed("client", "api_registration.client")?,
        community: row.get("community")?,
        issuer: row.get("issuer")?,
        name: row.get("name")?,
        contacts: row.list("contacts", "api_registration.contacts")?,
        scopes: row.parsed("scopes", "api_registration.scopes")?,
        redirect_uris: row.list("redirect_uris", "api_registration.redirect_uris")?,
        registered_at: row.time("registered_at", "api_registration.registered_at")?,
        is_approved: row.get::<i64>("approved")? != 0,
    })
}

fn organisation(row: &Row) -> Result<Organisation, StoreError> {
    let networks = row.list("networks", "organisation.networks")?;
    let network = |text: &String| text.parse().map_err(|_| StoreError::unreadable("organisation.networks"));
    Ok(Organisation {
        oid: row.parsed("oid", "organisation.oid")?,
        name: row.get("name")?,
        networks: networks.iter().map(network).collect::<Result<_, _>>()?,
        is_suspended: row.get::<i64>("suspended")? != 0,
    })
}

/// What another version has written, and this one cannot read, is a client that is refused; the others read
/// on.
fn client(row: &Row) -> Result<Client, StoreError> {
    readable(row).or_else(|error| {
        let id: ClientId = row.parsed("id", "api_client.id")?;
        tracing::error!(client = %id, error = %explained(&error), "a client cannot be read; it is refused");
        Ok(Client {
            id,
            organisation: row.parsed("organisation", "api_client.organisation")?,
            scopes: Scopes::default(),
            devices: Some(Vec::new()),
            is_suspended: true,
            certificates: Vec::new(),
            secrets: Vec::new(),
            application: None,
        })
    })
}

fn readable(row: &Row) -> Result<Client, StoreError> {
    let devices = match row.get::<Option<String>>("devices")? {
        None => None,
        Some(_) => {
            let names = row.list("devices", "api_client.devices")?;
            let name = |text: &String| text.parse().map_err(|_| StoreError::unreadable("api_client.devices"));
            Some(names.iter().map(name).collect::<Result<_, _>>()?)
        }
    };
    Ok(Client {
        id: row.parsed("id", "api_client.id")?,
        organisation: row.parsed("organisation", "api_client.organisation")?,
        scopes: row.parsed("scopes", "api_client.scopes")?,
        devices,
        is_suspended: row.get::<i64>("suspended")? != 0,
        certificates: Vec::new(),
        secrets: Vec::new(),
        application: None,
    })
}

const SELECT_ORGANISATIONS: &str = "SELECT oid, name, networks, suspended FROM organisation ORDER BY oid";
const SELECT_CLIENTS: &str =
    "SELECT id, organisation, scopes, devices, suspended FROM api_client ORDER BY id";
const SELECT_REGISTRATIONS: &str = "
SELECT client, community, issuer, name, contacts, scopes, registered_at, approved, redirect_uris
FROM api_registration ORDER BY client";
