//! `enrol invite`.

use anyhow::anyhow;
use jiff::SignedDuration;

use super::line::Line;
use crate::authz::{Device, DeviceKind};
use crate::cli::context::failed;
use crate::cli::device::{AboutOptions, OrderOptions, SpeaksFor, kind_parser};
use crate::cli::text::column;
use crate::cli::time::parse_duration;
use crate::cli::{Failure, Output};
use crate::clients::ClientId;
use crate::config::{Config, Identity};
use crate::enrol::{Code, Enrolment, EnrolmentId, Invitation, InvitedDevice, Record, Role, State};
use crate::model::DeviceId;
use crate::store::{EnrolmentConflict, Store, StoreError};

/// The arguments of `enrol invite`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The Common Name of a device, the host name of a server, or what operators call a client
    who: DeviceId,
    /// What the certificate is for: client, server or device
    #[arg(long)]
    pub(super) role: Role,
    /// How long the code may be used for the first time, such as 24h; without it,
    /// enrol.invitation-lifetime of the configuration
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    lifetime: Option<SignedDuration>,
    /// The registered client that gets the certificate when it is issued
    #[arg(long, value_name = "ID")]
    reader: Option<ClientId>,
    /// Of a client: a URI that its certificate has; under it the client registers itself. Several times
    #[arg(long = "uri", value_name = "URI")]
    uris: Vec<String>,
    /// Of a device: what it is
    #[arg(long, value_parser = kind_parser(), default_value = "device")]
    kind: DeviceKind,
    #[command(flatten)]
    speaks_for: SpeaksFor,
    #[command(flatten)]
    about: AboutOptions,
    #[command(flatten)]
    orders: OrderOptions,
    /// Of a device: it is missing until its first message is stored
    #[arg(long)]
    expected: bool,
    /// Of a device: a note for operators
    #[arg(long, default_value = "", value_name = "TEXT")]
    note: String,
}

pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    store: &Store,
    actor: &str,
    output: Output,
) -> Result<(), Failure> {
    if !config.enrol.enabled {
        return Err(anyhow!("enrolment is switched off; set enrol.enabled = true").into());
    }
    let Arguments { who, role, lifetime, reader, uris, kind, speaks_for, about, orders, expected, note } =
        arguments;
    if role == Role::Server && !is_host_name(who.as_str()) {
        return Err(anyhow!("{who} is not the whole name of a host, such as emr.partner.example").into());
    }
    if let Some(reader) = &reader {
        require_reader(store, reader, role).await?;
    }
    let is_recorded = || Ok(config.devices.identity == Identity::Record);
    check_uris(&uris, role)?;
    let device = Device { kind, expected, note, ..Device::new(who.clone()) };
    let device =
        speaks_for.applied_to(about.applied_to(orders.applied_to(device)), is_recorded, store).await?;
    let device = (role == Role::Device).then(|| InvitedDevice::new(&device));
    let now = store.now();
    let configured = SignedDuration::try_from(config.enrol.invitation_lifetime);
    let lifetime = lifetime.or(configured.ok()).unwrap_or(SignedDuration::from_hours(24));
    let (code, hash) = Code::generate()?;
    let enrolment = Enrolment {
        id: EnrolmentId::generate()?,
        state: State::Invited,
        failed: 0,
        record: Record {
            role,
            name: who.to_string(),
            environment: config.api.environment.clone(),
            invitation: Invitation {
                at: now,
                by: actor.to_owned(),
                expires: now.saturating_add(lifetime)?,
                code: Some(hash),
            },
            device,
            reader: reader.map(|reader| reader.to_string()),
            uris,
            renews: None,
            origin: None,
            request: None,
            decision: None,
            certificate: None,
        },
    };
    add(&enrolment, store, actor).await?;
    let line = Line::new(&enrolment, now).with_code(&code, &config.api.base_url);
    Ok(output.print(&line, |line| line.whole(output))?)
}

fn is_lower_case(host: &str) -> bool {
    !host.bytes().any(|byte| byte.is_ascii_uppercase())
}

async fn add(enrolment: &Enrolment, store: &Store, actor: &str) -> Result<(), Failure> {
    let others = store.names_of_clients().await.map_err(failed)?;
    if let Some(owner) = others.owner_of_names(enrolment, None, store.now()) {
        return Err(anyhow!("a URI is that of {owner}; a URI belongs to one client").into());
    }
    match store.add_enrolment(enrolment.clone(), actor).await {
        // Forty random bits: it can be there.
        Err(StoreError::Enrolment(EnrolmentConflict::Exists)) => {
            Err(anyhow!("the random id is taken already; run the command again").into())
        }
        other => other.map_err(failed),
    }
}

fn check_uris(uris: &[String], role: Role) -> Result<(), Failure> {
    if !uris.is_empty() && role != Role::Client {
        return Err(anyhow!("only the certificate of a client has URIs; leave --uri out").into());
    }
    let is_uri = |uri: &str| {
        let rest = uri.strip_prefix("https://");
        uri.len() <= MAX_URI
            && uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}@#".contains(&byte))
            && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            // By its meaning it is one that another client may have.
            && rest.and_then(|rest| rest.split('/').next()).is_some_and(is_lower_case)
    };
    match uris.iter().find(|uri| !is_uri(uri)) {
        None => Ok(()),
        Some(uri) => Err(anyhow!(
            "{} is not https://HOST/PATH with the host in lower case, at most {MAX_URI} characters",
            column(uri)
        )
        .into()),
    }
}

/// Whether it is a name that a server can prove: labels of letters, digits and hyphens, at least two.
fn is_host_name(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    labels.len() >= 2 && labels.iter().all(is_label)
}

async fn require_reader(store: &Store, reader: &ClientId, role: Role) -> Result<(), Failure> {
    if role != Role::Client {
        return Err(
            anyhow!("only the certificate of a client belongs to a reader; leave --reader out").into()
        );
    }
    let is_known = store.clients().await.map_err(failed)?.iter().any(|client| client.id == *reader);
    if is_known {
        Ok(())
    } else {
        Err(anyhow!("there is no client {reader}; `reader list` shows all").into())
    }
}

/// Characters of a URI.
const MAX_URI: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_6_a_server_has_the_whole_name_of_a_host() {
        for (name, is) in [
            ("emr.partner.example", true),
            ("a.b", true),
            ("localhost", false),
            ("a..b", false),
            ("-a.b", false),
            ("*.b", false),
            ("a b.c", false),
        ] {
            assert_eq!(is_host_name(name), is, "{name}");
        }
    }
}
