//! Changes of the hospital systems that read, and their audit rows. The same on both databases.

use jiff::Timestamp;

use crate::audit::{ClientsChange, Event};
use crate::clients::{Client, ClientId, KnownCertificate, Oid, Organisation, Registration, Scopes};
use crate::model::Fingerprint;
use crate::store::error::{ClientsConflict, StoreError};
use crate::store::statement::{Statement, json};
use crate::store::write::connection::Connection;
use crate::store::write::grant::CredentialsOf;
use crate::store::write::one_row::one;
use crate::store::write::registration::{AutomaticApproval, Ended};
use crate::store::write::{grant, registration};

/// A change of organisations and clients.
#[derive(Debug)]
pub(in crate::store) enum ClientsUpdate {
    AddOrganisation(Organisation),
    /// Suspends or resumes.
    SuspendOrganisation(Oid, bool),
    /// Adds a client with its certificates and secrets.
    AddClient(Client),
    SuspendClient(Client, bool),
    /// Its name and its networks.
    ChangeOrganisation(Organisation),
    /// Its scopes and its devices.
    ChangeClient(Client),
    AddCertificate(Client, KnownCertificate),
    RemoveCertificate(Client, KnownCertificate),
    /// A new secret; the last one counts until `overlap` at most. `None`: those before end now, with what was
    /// got by them.
    Rotate {
        client: Client,
        hash: Fingerprint,
        overlap: Option<Timestamp>,
    },
    /// The secrets before the last one end now, with what was got by them.
    EndFormerSecrets(Client),
    /// A client registers itself; at most this number waits for approval.
    Register(Registration, u32),
    /// A client that has registered itself changes what it says of itself. It loses scopes, and gets none.
    /// The scopes that an approved client has now are given: they must not have changed meanwhile.
    ChangeRegistration(Registration, Option<Scopes>),
    /// The registration ends, by the client or an operator; its client is suspended.
    EndRegistration(Registration, Ended),
    /// An operator admits the client; or the configuration, within these limits.
    Approve(Registration, Client, Option<AutomaticApproval>),
}

impl ClientsUpdate {
    /// Whether a client asks for it: it waits behind other requests of clients, and devices and operators do
    /// not wait.
    pub(in crate::store) const fn is_asked_by_client(&self) -> bool {
        matches!(
            self,
            Self::Register(..)
                | Self::ChangeRegistration(..)
                | Self::EndRegistration(_, Ended::Cancelled)
                | Self::Approve(_, _, Some(_))
        )
    }

    /// The audit row of the change, written in the same transaction.
    pub(in crate::store) fn event(&self, actor: &str) -> Event {
        let suspended = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
        let of = |client: &Client| (client.organisation.to_string(), Some(client.id.to_string()));
        let registered = |own: &Registration| (String::new(), Some(own.client.to_string()));
        let (change, (organisation, client), detail) = match self {
            Self::AddOrganisation(own) | Self::ChangeOrganisation(own) => {
                let networks = own.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                let is_new = matches!(self, Self::AddOrganisation(_));
                let change = if is_new { "organisation-added" } else { "organisation-changed" };
                (change, (own.oid.to_string(), None), Some(networks))
            }
            Self::SuspendOrganisation(oid, is) => {
                let change = suspended(*is, "organisation-suspended", "organisation-resumed");
                (change, (oid.to_string(), None), None)
            }
            Self::AddClient(client) => ("client-added", of(client), Some(described(client))),
            Self::ChangeClient(client) => ("client-changed", of(client), Some(described(client))),
            Self::SuspendClient(client, is) => {
                (suspended(*is, "client-suspended", "client-resumed"), of(client), None)
            }
            Self::AddCertificate(client, known) => ("certificate-added", of(client), Some(known.to_string())),
            Self::RemoveCertificate(client, known) => {
                ("certificate-removed", of(client), Some(known.to_string()))
            }
            Self::Rotate { client, overlap, .. } => {
                let until = overlap.map(|until| format!("the secret before counts until {until}"));
                ("secret-rotated", of(client), until)
            }
            Self::EndFormerSecrets(client) => ("former-secrets-ended", of(client), None),
            Self::Approve(own, client, _) => {
                let detail = format!("{}; {}", described(client), presented(own));
                ("registration-approved", of(client), Some(detail))
            }
            Self::Register(own, _) => {
                let detail = format!("{}; {}", own.known(), asked(own));
                ("client-registered", registered(own), Some(detail))
            }
            Self::ChangeRegistration(own, _) => ("registration-changed", registered(own), Some(asked(own))),
            Self::EndRegistration(own, ended) => {
                let change = match ended {
                    Ended::Cancelled => "registration-cancelled",
                    Ended::Rejected => "registration-rejected",
                };
                (change, registered(own), None)
            }
        };
        let actor = actor.to_owned();
        Event::ClientsChanged(Box::new(ClientsChange { change, organisation, client, detail, actor }))
    }

    /// A SELECT that finds one row when the change is stored as it was written.
    pub(in crate::store) fn stored(&self) -> (&'static str, Statement, u64) {
        let suspended = |sql: &str, id: &str, is: bool| Statement::new(sql).bind(id).bind(i64::from(is));
        match self {
            Self::AddOrganisation(own) | Self::ChangeOrganisation(own) => {
                let sql = "SELECT 1 FROM organisation WHERE oid = $1 AND networks = $2 AND name = $3";
                let select = Statement::new(sql).bind(own.oid.as_str()).bind(networks(own));
                ("organisation", select.bind(own.name.as_str()), 1)
            }
            Self::SuspendOrganisation(oid, is) => {
                let sql = "SELECT 1 FROM organisation WHERE oid = $1 AND suspended = $2";
                ("organisation", suspended(sql, oid.as_str(), *is), 1)
            }
            Self::AddClient(client) | Self::ChangeClient(client) => {
                let sql = "SELECT 1 FROM api_client WHERE id = $1 AND scopes = $2";
                let scopes = client.scopes.to_string();
                ("api_client", Statement::new(sql).bind(client.id.as_str()).bind(scopes), 1)
            }
            Self::SuspendClient(client, is) => {
                let sql = "SELECT 1 FROM api_client WHERE id = $1 AND suspended = $2";
                ("api_client", suspended(sql, client.id.as_str(), *is), 1)
            }
            Self::AddCertificate(client, known) => ("api_certificate", certificate(client, known), 1),
            Self::RemoveCertificate(client, known) => ("api_certificate", certificate(client, known), 0),
            Self::Register(own, _) | Self::ChangeRegistration(own, _) => {
                let select = Statement::new(SELECT_REGISTRATION)
                    .bind(own.client.as_str())
                    .bind(own.issuer.as_str())
                    .bind(own.scopes.to_string())
                    .bind(own.name.as_str())
                    .bind(json(&own.redirect_uris));
                ("api_registration", select, 1)
            }
            Self::EndRegistration(own, _) => {
                let sql = "SELECT 1 FROM api_registration WHERE client = $1";
                ("api_registration", Statement::new(sql).bind(own.client.as_str()), 0)
            }
            Self::Approve(own, ..) => {
                let sql = "SELECT 1 FROM api_registration WHERE client = $1 AND approved = 1";
                ("api_registration", Statement::new(sql).bind(own.client.as_str()), 1)
            }
            Self::EndFormerSecrets(client) => {
                let sql = "SELECT 1 FROM api_secret WHERE client = $1 AND ends IS NOT NULL";
                ("api_secret", Statement::new(sql).bind(client.id.as_str()), 0)
            }
            Self::Rotate { client, hash, .. } => {
                let sql = "SELECT 1 FROM api_secret WHERE hash = $1 AND client = $2 AND ends IS NULL";
                let select = Statement::new(sql).bind(hash.to_string()).bind(client.id.as_str());
                ("api_secret", select, 1)
            }
        }
    }
}

/// What a registration asks for, what people read of it, and where an application takes their answers.
fn asked(own: &Registration) -> String {
    format!("{}; {}", own.scopes, presented(own))
}

/// What people read of an application, and where it takes their answers.
fn presented(own: &Registration) -> String {
    let addresses = own.redirect_uris.iter().map(|uri| format!("answers to: {uri}"));
    std::iter::once(format!("name: {}", own.name)).chain(addresses).collect::<Vec<_>>().join("; ")
}

/// What a client may read, and by which certificates it is known.
fn described(client: &Client) -> String {
    let mut parts = vec![client.scopes.to_string()];
    if let Some(devices) = &client.devices {
        let names: Vec<_> = devices.iter().map(ToString::to_string).collect();
        parts.push(format!("devices: {}", names.join(" ")));
    }
    parts.extend(client.certificates.iter().map(|known| format!("certificate: {known}")));
    parts.join("; ")
}

/// Applies the change.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    change: &ClientsUpdate,
) -> Result<(), StoreError> {
    match change {
        ClientsUpdate::AddOrganisation(own) => {
            let statement = Statement::new(INSERT_ORGANISATION)
                .bind(own.oid.as_str())
                .bind(own.name.as_str())
                .bind(networks(own));
            one(connection, statement, ClientsConflict::OrganisationExists).await?;
        }
        ClientsUpdate::SuspendOrganisation(oid, is) => {
            let statement = Statement::new("UPDATE organisation SET suspended = $1 WHERE oid = $2")
                .bind(i64::from(*is))
                .bind(oid.as_str());
            one(connection, statement, ClientsConflict::OrganisationUnknown).await?;
            if *is {
                grant::revoke_all_of(connection, oid.as_str()).await?;
            }
        }
        ClientsUpdate::ChangeOrganisation(own) => {
            let statement = Statement::new("UPDATE organisation SET name = $1, networks = $2 WHERE oid = $3")
                .bind(own.name.as_str())
                .bind(networks(own))
                .bind(own.oid.as_str());
            one(connection, statement, ClientsConflict::OrganisationUnknown).await?;
        }
        ClientsUpdate::ChangeClient(client) => change_client(connection, client).await?,
        ClientsUpdate::AddClient(client) => add_client(connection, client).await?,
        ClientsUpdate::SuspendClient(client, is) => {
            let statement = Statement::new("UPDATE api_client SET suspended = $1 WHERE id = $2")
                .bind(i64::from(*is))
                .bind(client.id.as_str());
            one(connection, statement, ClientsConflict::ClientUnknown).await?;
            if *is {
                grant::revoke_all(connection, client.id.as_str()).await?;
            }
        }
        ClientsUpdate::AddCertificate(client, known) => add_certificate(connection, client, known).await?,
        ClientsUpdate::RemoveCertificate(client, known) => {
            remove_certificate(connection, client, known).await?;
        }
        ClientsUpdate::Rotate { client, hash, overlap } => {
            rotate(connection, &client.id, hash, *overlap).await?;
        }
        ClientsUpdate::EndFormerSecrets(client) => {
            let id = client.id.as_str();
            let ended = Statement::new(DELETE_FORMER_SECRETS).bind(id);
            one(connection, ended, ClientsConflict::NoFormerSecret).await?;
            grant::revoke_all(connection, id).await?;
        }
        of_registration => apply_registration(connection, of_registration).await?,
    }
    changed(connection).await
}

/// An enrolled certificate opens nothing more, whatever its CA says.
pub(in crate::store) async fn withdraw(
    connection: &mut impl Connection,
    certificate: Fingerprint,
    enrolment: &str,
) -> Result<(), StoreError> {
    grant::remove(connection, &KnownCertificate::Fingerprint(certificate), enrolment).await?;
    changed(connection).await
}

async fn changed(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.execute(Statement::new("UPDATE api_revision SET value = value + 1")).await.map(drop)
}

/// Applies a change of a registration.
async fn apply_registration(
    connection: &mut impl Connection,
    change: &ClientsUpdate,
) -> Result<(), StoreError> {
    match change {
        ClientsUpdate::Register(own, max) => registration::register(connection, own, *max).await,
        ClientsUpdate::ChangeRegistration(own, has) => {
            registration::change(connection, own, has.as_ref()).await
        }
        ClientsUpdate::EndRegistration(own, ended) => registration::end(connection, own, *ended).await,
        ClientsUpdate::Approve(own, client, automatic) => {
            if let Some(automatic) = automatic {
                registration::require_automatic(connection, own, automatic).await?;
            }
            registration::approve(connection, own).await?;
            grant::forget_removal(connection, &own.known()).await?;
            add_client(connection, client).await
        }
        _ => Ok(()),
    }
}

async fn change_client(connection: &mut impl Connection, client: &Client) -> Result<(), StoreError> {
    let mut statement =
        Statement::new("UPDATE api_client SET scopes = $1, devices = ").bind(client.scopes.to_string());
    push_devices(&mut statement, client);
    statement.push(" WHERE id = ").push_bind(client.id.as_str());
    one(connection, statement, ClientsConflict::ClientUnknown).await
}

fn push_devices(statement: &mut Statement, client: &Client) {
    match &client.devices {
        Some(devices) => {
            let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
            statement.push_bind(json(&names));
        }
        None => {
            statement.push("NULL");
        }
    }
}

async fn add_client(connection: &mut impl Connection, client: &Client) -> Result<(), StoreError> {
    let mut statement = Statement::new(INSERT_CLIENT)
        .bind(client.id.as_str())
        .bind(client.organisation.as_str())
        .bind(client.scopes.to_string());
    push_devices(&mut statement, client);
    statement.push(", 0) ON CONFLICT DO NOTHING");
    one(connection, statement, ClientsConflict::ClientExists).await?;
    for known in &client.certificates {
        add_certificate(connection, client, known).await?;
    }
    for secret in &client.secrets {
        add_secret(connection, &client.id, &secret.hash, secret.ends).await?;
    }
    Ok(())
}

async fn add_certificate(
    connection: &mut impl Connection,
    client: &Client,
    known: &KnownCertificate,
) -> Result<(), StoreError> {
    let statement = Statement::new(INSERT_CERTIFICATE).bind(known.to_string()).bind(client.id.as_str());
    one(connection, statement, ClientsConflict::CertificateTaken).await?;
    grant::forget_removal(connection, known).await
}

/// It is remembered: where every member of a community reads, it must not read as one of these. What is
/// granted at the same time waits for the row of the client, so that its tokens are found here.
async fn remove_certificate(
    connection: &mut impl Connection,
    client: &Client,
    known: &KnownCertificate,
) -> Result<(), StoreError> {
    let id = client.id.as_str();
    let turn = Statement::new("UPDATE api_client SET suspended = suspended WHERE id = $1");
    one(connection, turn.bind(id), ClientsConflict::ClientUnknown).await?;
    let statement = Statement::new("DELETE FROM api_certificate WHERE known = $1 AND client = $2");
    let statement = statement.bind(known.to_string()).bind(id);
    one(connection, statement, ClientsConflict::CertificateUnknown).await?;
    let others = Statement::new(SELECT_CERTIFICATES).bind(id);
    if connection.count(others).await? == 0 {
        return Err(StoreError::Clients(ClientsConflict::LastCertificate));
    }
    grant::remove(connection, known, id).await?;
    grant::revoke_all(connection, id).await
}

/// Who has a secret that ends at once may have got tokens by it.
async fn rotate(
    connection: &mut impl Connection,
    client: &ClientId,
    hash: &Fingerprint,
    overlap: Option<Timestamp>,
) -> Result<(), StoreError> {
    let id = client.as_str();
    connection.execute(Statement::new(DELETE_FORMER_SECRETS).bind(id)).await?;
    match overlap {
        Some(ends) => {
            let earlier = Statement::new("UPDATE api_secret SET ends = $1 WHERE client = $2");
            connection.execute(earlier.bind(ends).bind(id)).await?;
            // The secret is one of the two factors by which they were got.
            grant::revoke_credentials(connection, CredentialsOf::Client(id)).await?;
        }
        None => {
            let earlier = Statement::new("DELETE FROM api_secret WHERE client = $1");
            connection.execute(earlier.bind(id)).await?;
            grant::revoke_all(connection, id).await?;
        }
    }
    add_secret(connection, client, hash, None).await
}

async fn add_secret(
    connection: &mut impl Connection,
    client: &ClientId,
    hash: &Fingerprint,
    ends: Option<Timestamp>,
) -> Result<(), StoreError> {
    let mut statement = Statement::new("INSERT INTO api_secret (hash, client, ends) VALUES ($1, $2, ")
        .bind(hash.to_string())
        .bind(client.as_str());
    match ends {
        Some(ends) => statement.push_bind(ends),
        None => statement.push("NULL"),
    };
    statement.push(")");
    connection.execute(statement).await.map(drop)
}

fn certificate(client: &Client, known: &KnownCertificate) -> Statement {
    Statement::new("SELECT 1 FROM api_certificate WHERE known = $1 AND client = $2")
        .bind(known.to_string())
        .bind(client.id.as_str())
}

fn networks(organisation: &Organisation) -> String {
    json(&organisation.networks.iter().map(ToString::to_string).collect::<Vec<_>>())
}

const INSERT_ORGANISATION: &str = "
    INSERT INTO organisation (oid, name, networks, suspended) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING";
const DELETE_FORMER_SECRETS: &str = "DELETE FROM api_secret WHERE client = $1 AND ends IS NOT NULL";
const SELECT_REGISTRATION: &str = "
    SELECT 1 FROM api_registration
    WHERE client = $1 AND issuer = $2 AND scopes = $3 AND name = $4 AND redirect_uris = $5";
const INSERT_CLIENT: &str = "
    INSERT INTO api_client (id, organisation, scopes, devices, suspended) VALUES ($1, $2, $3, ";
const INSERT_CERTIFICATE: &str =
    "INSERT INTO api_certificate (known, client) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SELECT_CERTIFICATES: &str = "
    SELECT 1 FROM api_certificate WHERE client = $1
    UNION ALL SELECT 1 FROM api_registration WHERE client = $1 AND approved = 1";
