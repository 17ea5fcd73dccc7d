//! `reader`: the clients of hospital systems, and what each may read.

mod known;
mod registrations;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use registrations::Admitted;

use super::context::failed;
use super::operator::operator;
use super::text::{column, paragraph};
use super::time::parse_duration;
use super::{Exit, Failure, Outcome, Output};
use crate::clients::{Client, ClientId, KnownCertificate, Oid, Scopes, StoredSecret};
use crate::model::{DeviceId, Right};
use crate::store::{ClientsConflict, Store, StoreError};

/// Subcommands of `reader`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a client; it may read within a second
    ///
    /// Prints its id and its secret. The secret is shown this once; the store has only a hash. A client with
    /// certificates is known by these, and needs no secret. One without comes with a certificate of a trust
    /// community, its id and its secret.
    ///
    /// Example: pcd-platform reader add ehr --organisation 2.25.1 --certificate ehr.pem
    Add {
        /// Its id: letters, digits, '-', '_' and '.'
        id: ClientId,
        /// The object identifier of its organisation
        #[arg(long, value_name = "OID")]
        organisation: Oid,
        /// Its certificate: a file, the SHA-256, or subject:COMMUNITY:SUBJECT; several times
        #[arg(long = "certificate", value_name = "FILE|SHA256|SUBJECT", value_parser = known::parse)]
        certificates: Vec<KnownCertificate>,
        /// What it may read: SMART scopes with blanks between them
        #[arg(long, default_value = "system/*.rs")]
        scopes: Scopes,
        /// A device whose messages it may read, by the Common Name of its certificate; several times;
        /// without it, all
        #[arg(long = "device", value_name = "CN")]
        devices: Vec<DeviceId>,
    },
    /// Change what a client may read, within a second
    ///
    /// Example: pcd-platform reader change ehr --scopes "system/Observation.rs"
    Change {
        /// Its id
        id: ClientId,
        /// What it may read from now on: SMART scopes with blanks between them
        #[arg(long)]
        scopes: Option<Scopes>,
        /// A device whose messages it may read; several times; these replace the former ones
        #[arg(long = "device", value_name = "CN")]
        devices: Vec<DeviceId>,
        /// It may read the messages of all devices
        #[arg(long, conflicts_with = "devices")]
        every_device: bool,
    },
    /// List all clients
    List,
    /// Give a client a new secret; the one before counts for a while
    ///
    /// Prints the new secret, this once, and until when the one before counts. Secrets before that end at
    /// once. After a secret has leaked, --at-once ends the one before too, and the tokens of the client.
    Rotate {
        /// Its id
        id: ClientId,
        /// How long the last secret still counts, such as 24h
        #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = parse_duration)]
        overlap: SignedDuration,
        /// The last secret ends now, and the client's tokens and credentials
        #[arg(long, conflicts_with = "overlap")]
        at_once: bool,
    },
    /// End the secret before the last rotation now, and the tokens of the client
    EndFormerSecret {
        /// Its id
        id: ClientId,
    },
    /// Add a certificate to a client: both count, for a renewal
    AddCertificate {
        /// Its id
        id: ClientId,
        /// A file, the SHA-256, or subject:COMMUNITY:SUBJECT
        #[arg(value_parser = known::parse)]
        certificate: KnownCertificate,
    },
    /// Take a certificate from a client, within a second
    RemoveCertificate {
        /// Its id
        id: ClientId,
        /// A file, the SHA-256, or subject:COMMUNITY:SUBJECT
        #[arg(value_parser = known::parse)]
        certificate: KnownCertificate,
    },
    /// List the clients that have registered themselves, those that wait for a decision first
    Registrations,
    /// Admit a client that has registered itself; it may read within a second
    ///
    /// `reader registrations` shows who waits: make sure that its contacts know of it. Prints the client as
    /// it is admitted. With --revision, which is printed there, it is refused when the client has changed
    /// what it says since.
    ///
    /// Example: pcd-platform reader approve r-Zm9v --organisation 2.25.1
    Approve {
        /// The id that it got
        id: ClientId,
        /// The object identifier of its organisation
        #[arg(long, value_name = "OID")]
        organisation: Oid,
        /// What it may read, if that is less than it asks for: SMART scopes with blanks between them
        #[arg(long)]
        scopes: Option<Scopes>,
        /// A device whose messages it may read, by the Common Name of its certificate; several times;
        /// without it, all
        #[arg(long = "device", value_name = "CN")]
        devices: Vec<DeviceId>,
        /// The revision of the registration that was looked at
        #[arg(long)]
        revision: Option<String>,
    },
    /// End the registration of a client: it is suspended, and its tokens end at once
    Reject {
        /// The id that it got
        id: ClientId,
    },
    /// Refuse a client, within a second
    Suspend {
        /// Its id
        id: ClientId,
    },
    /// Admit a client again
    Resume {
        /// Its id
        id: ClientId,
    },
}

/// A client, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    id: &'a str,
    organisation: &'a str,
    status: &'static str,
    scopes: String,
    devices: Option<Vec<&'a str>>,
    certificates: Vec<String>,
    /// How many secrets count.
    secrets: usize,
    /// Until when the secret before the last rotation counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    former_secret_ends: Option<String>,
    /// A new secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn new(client: &'a Client, now: Timestamp) -> Self {
        let counting = client.secrets.iter().filter(|secret| secret.ends.is_none_or(|ends| ends > now));
        let former = counting.clone().filter_map(|secret| secret.ends).max();
        let names = |devices: &'a Vec<DeviceId>| devices.iter().map(DeviceId::as_str).collect();
        Self {
            id: client.id.as_str(),
            organisation: client.organisation.as_str(),
            status: if client.is_suspended { "suspended" } else { "active" },
            scopes: client.scopes.to_string(),
            devices: client.devices.as_ref().map(names),
            certificates: client.certificates.iter().map(ToString::to_string).collect(),
            secrets: counting.count(),
            former_secret_ends: former.map(|ends| ends.to_string()),
            secret: None,
        }
    }

    fn shown(&self, output: Output) -> String {
        let devices = self.devices.as_ref().map_or_else(|| "all".to_owned(), |devices| devices.join(" "));
        let certificates = self.certificates.iter().map(|known| column(known)).collect::<Vec<_>>();
        let former = self.former_secret_ends.as_deref().map(|ends| {
            format!("counts until {}; `reader end-former-secret {}` ends it", output.time(ends), self.id)
        });
        paragraph(&[
            ("client", self.id.to_owned()),
            ("organisation", self.organisation.to_owned()),
            ("status", self.status.to_owned()),
            ("scopes", self.scopes.clone()),
            ("devices", devices),
            ("certificates", certificates.join(" ")),
            ("secrets", self.secrets.to_string()),
            ("former secret", former.unwrap_or_default()),
            ("secret", self.secret.unwrap_or_default().to_owned()),
        ])
    }
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::List | Self::Registrations => Right::See,
            _ => Right::Administer,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    let actor = operator();
    match command {
        Command::Add { id, organisation, certificates, scopes, devices } => {
            let own = Client {
                id,
                organisation,
                scopes,
                devices: (!devices.is_empty()).then_some(devices),
                is_suspended: false,
                certificates,
                secrets: Vec::new(),
                application: None,
            };
            add(store, own, output, &actor).await?;
        }
        Command::Change { id, scopes, devices, every_device } => {
            let mut own = client(store, &id).await?;
            if every_device || !devices.is_empty() {
                own.devices = (!devices.is_empty()).then_some(devices);
            }
            own.scopes = scopes.unwrap_or(own.scopes);
            change(store, own, output, &actor).await?;
        }
        Command::List => {
            for client in store.clients().await.map_err(failed)? {
                output.print(&Line::new(&client, store.now()), |line| format!("{}\n", line.shown(output)))?;
            }
        }
        Command::Rotate { id, overlap, at_once } => {
            rotate(store, &id, (!at_once).then_some(overlap), output, &actor).await?;
        }
        Command::EndFormerSecret { id } => {
            let own = client(store, &id).await?;
            store.end_former_secrets(own, &actor).await.map_err(failed)?;
        }
        Command::AddCertificate { id, certificate } => {
            let client = client(store, &id).await?;
            store.add_client_certificate(client, certificate, &actor).await.map_err(failed)?;
        }
        Command::RemoveCertificate { id, certificate } => {
            let client = client(store, &id).await?;
            store.remove_client_certificate(client, certificate, &actor).await.map_err(failed)?;
        }
        Command::Registrations => registrations::list(store, output).await?,
        Command::Approve { id, organisation, scopes, devices, revision } => {
            let client =
                approve(store, &id, Admitted { organisation, scopes, devices, revision }, &actor).await?;
            output.print(&Line::new(&client, store.now()), |line| line.shown(output))?;
        }
        Command::Reject { id } => registrations::reject(store, &id, &actor).await?,
        Command::Suspend { id } => suspend(store, &id, true, &actor).await?,
        Command::Resume { id } => suspend(store, &id, false, &actor).await?,
    }
    Ok(Exit::Done)
}

/// Adds a client, and prints its secret once.
async fn add(store: &Store, own: Client, output: Output, actor: &str) -> Result<(), Failure> {
    registrations::check_scopes(&own.scopes)?;
    require_organisation(store, &own.organisation).await?;
    let (secret, hash) = StoredSecret::generate()?;
    let client = Client { secrets: vec![StoredSecret { hash, ends: None }], ..own };
    store.add_client(client.clone(), actor).await.map_err(failed)?;
    let line = Line { secret: Some(secret.as_str()), ..Line::new(&client, store.now()) };
    Ok(output.print(&line, |line| line.shown(output))?)
}

async fn change(store: &Store, own: Client, output: Output, actor: &str) -> Result<(), Failure> {
    registrations::check_scopes(&own.scopes)?;
    store.change_client(own.clone(), actor).await.map_err(failed)?;
    Ok(output.print(&Line::new(&own, store.now()), |line| line.shown(output))?)
}

/// Gives a client a new secret, and prints it once. Without an overlap the one before ends now.
async fn rotate(
    store: &Store,
    id: &ClientId,
    overlap: Option<SignedDuration>,
    output: Output,
    actor: &str,
) -> Result<(), Failure> {
    let (secret, hash) = StoredSecret::generate()?;
    let until = overlap.map(|overlap| store.now().saturating_add(overlap)).transpose()?;
    store.rotate_secret(client(store, id).await?, hash, until, actor).await.map_err(failed)?;
    let own = client(store, id).await?;
    let line = Line { secret: Some(secret.as_str()), ..Line::new(&own, store.now()) };
    Ok(output.print(&line, |line| line.shown(output))?)
}

async fn approve(store: &Store, id: &ClientId, admitted: Admitted, actor: &str) -> Result<Client, Failure> {
    require_organisation(store, &admitted.organisation).await?;
    registrations::approve(store, id, admitted, actor).await
}

async fn suspend(store: &Store, id: &ClientId, is: bool, actor: &str) -> Result<(), Failure> {
    let client = client(store, id).await?;
    store.suspend_client(client, is, actor).await.map_err(failed)
}

async fn client(store: &Store, id: &ClientId) -> Result<Client, Failure> {
    let known = store.clients().await.map_err(failed)?.into_iter().find(|client| client.id == *id);
    known.ok_or_else(|| failed(StoreError::Clients(ClientsConflict::ClientUnknown)))
}

async fn require_organisation(store: &Store, oid: &Oid) -> Result<(), Failure> {
    let is_known = store.organisations().await.map_err(failed)?.iter().any(|own| own.oid == *oid);
    let unknown = || failed(StoreError::Clients(ClientsConflict::OrganisationUnknown));
    if is_known { Ok(()) } else { Err(unknown()) }
}
