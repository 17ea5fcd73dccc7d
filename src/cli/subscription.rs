//! `subscription`: which events partners are notified of.

use anyhow::anyhow;
use serde::Serialize;

use super::context::failed;
use super::operator::operator;
use super::text::paragraph;
use super::{Exit, Failure, Outcome, Output};
use crate::clients::{EventFilter, EventKind, Oid, Subscription, SubscriptionName, Webhook};
use crate::config::WebhookUrl;
use crate::model::{DeviceId, Right};
use crate::pcd::Transaction;
use crate::store::{ClientsConflict, Store, StoreError, SubscriptionStanding};

/// Subcommands of `subscription`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a subscription: the partner is notified of what happens from now on
    ///
    /// A notification follows once its message is indexed for FHIR. Without --event the partner is notified
    /// of messages and alerts. Different options narrow each other; of one option given several times, one
    /// has to fit.
    ///
    /// Example: pcd-platform subscription add ward-3 --organisation 2.25.1 --event alert --ward ICU
    Add(Box<Add>),
    /// List all subscriptions, with what waits and what was given up
    List,
    /// Remove a subscription with all of its notifications
    Remove {
        /// Its name
        name: SubscriptionName,
    },
}

/// A new subscription.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Its name: letters, digits, '-', '_' and '.'
    name: SubscriptionName,
    /// The object identifier of the organisation that is notified
    #[arg(long, value_name = "OID")]
    organisation: Oid,
    /// message, alert, device-silent or certificate-refused; several times
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<EventKind>,
    /// A device, by the Common Name of its certificate; several times; without it, all
    #[arg(long = "device", value_name = "CN")]
    devices: Vec<DeviceId>,
    /// A ward: the point of care in PV1-3; several times; without it, all
    #[arg(long = "ward", value_name = "WARD")]
    wards: Vec<String>,
    /// A transaction, such as pcd-01; several times; without it, all
    #[arg(long = "transaction", value_name = "TRANSACTION")]
    transactions: Vec<String>,
    /// Where notifications are posted to: https://HOST/PATH; without it, the partner asks for them
    #[arg(long, value_name = "URL", requires = "credential")]
    webhook: Option<WebhookUrl>,
    /// The credential of notifications.credentials with which the platform authenticates itself there
    #[arg(long, value_name = "NAME", requires = "webhook")]
    credential: Option<String>,
    /// The CA bundle of notifications.ca-bundles that its certificate chains to; without it, the system's
    #[arg(long, value_name = "NAME", requires = "webhook")]
    ca_bundle: Option<String>,
}

/// A subscription, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    name: &'a str,
    organisation: &'a str,
    filter: &'a EventFilter,
    receiver: Option<&'a str>,
    created: String,
    waiting: u64,
    dead: u64,
    oldest: Option<String>,
}

impl<'a> Line<'a> {
    fn new(own: &'a Subscription, standing: Option<&SubscriptionStanding>) -> Self {
        Self {
            name: own.name.as_str(),
            organisation: own.organisation.as_str(),
            filter: &own.filter,
            receiver: own.webhook.as_ref().map(|webhook| webhook.url.as_str()),
            created: own.created_at.to_string(),
            waiting: standing.map_or(0, |standing| standing.waiting),
            dead: standing.map_or(0, |standing| standing.dead),
            oldest: standing.and_then(|standing| standing.oldest).map(|oldest| oldest.to_string()),
        }
    }

    fn shown(&self, output: Output) -> String {
        let every = |list: &[String]| if list.is_empty() { "every".to_owned() } else { list.join(" ") };
        let events = match self.filter.events.as_slice() {
            [] => "message alert".to_owned(),
            events => events.iter().map(|event| event.name()).collect::<Vec<_>>().join(" "),
        };
        paragraph(&[
            ("subscription", self.name.to_owned()),
            ("organisation", self.organisation.to_owned()),
            ("events", events),
            ("devices", every(&self.filter.devices)),
            ("wards", every(&self.filter.wards)),
            ("transactions", every(&self.filter.transactions)),
            ("receiver", self.receiver.unwrap_or("the partner asks").to_owned()),
            ("waiting", self.waiting.to_string()),
            ("oldest", self.oldest.as_ref().map(|oldest| output.time(oldest)).unwrap_or_default()),
            ("given up", self.dead.to_string()),
        ])
    }
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::List => Right::See,
            _ => Right::Administer,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::Add(new) => {
            let Add {
                name,
                organisation,
                events,
                devices,
                wards,
                transactions,
                webhook,
                credential,
                ca_bundle,
            } = *new;
            check(&wards, &transactions)?;
            let known = store.organisations().await.map_err(failed)?;
            if !known.iter().any(|own| own.oid == organisation) {
                return Err(failed(StoreError::Clients(ClientsConflict::OrganisationUnknown)));
            }
            if store.subscriptions().await.map_err(failed)?.len() >= MAX_SUBSCRIPTIONS {
                let error = anyhow!("there are {MAX_SUBSCRIPTIONS} subscriptions, which is the most");
                return Err(Failure::new(Exit::Refused, error));
            }
            let webhook = receiver(webhook, credential, ca_bundle)?;
            let devices = devices.iter().map(ToString::to_string).collect();
            let filter = EventFilter { events, devices, wards, transactions };
            let own = Subscription { name, organisation, filter, webhook, created_at: store.now() };
            store.subscribe(own.clone(), &operator()).await.map_err(failed)?;
            output.print(&Line::new(&own, None), |line| line.shown(output))?;
        }
        Command::List => {
            let standings = store.subscription_standings().await.map_err(failed)?;
            for own in store.subscriptions().await.map_err(failed)? {
                let standing = standings.iter().find(|standing| standing.subscription == own.name);
                output.print(&Line::new(&own, standing), |line| format!("{}\n", line.shown(output)))?;
            }
        }
        Command::Remove { name } => {
            let own = find(store, &name).await?;
            store.unsubscribe(own, &operator()).await.map_err(failed)?;
        }
    }
    Ok(Exit::Done)
}

/// The subscription with this name.
pub(super) async fn find(store: &Store, name: &SubscriptionName) -> Result<Subscription, Failure> {
    let all = store.subscriptions().await.map_err(failed)?;
    let unknown = || failed(StoreError::Clients(ClientsConflict::SubscriptionUnknown));
    all.into_iter().find(|own| own.name == *name).ok_or_else(unknown)
}

fn receiver(
    url: Option<WebhookUrl>,
    credential: Option<String>,
    ca_bundle: Option<String>,
) -> Result<Option<Webhook>, Failure> {
    let (Some(url), Some(credential)) = (url, credential) else { return Ok(None) };
    if !url.is_tls() {
        return Err(anyhow!("a receiver has to prove who it is: write https://").into());
    }
    let url = format!("https://{}{}", url.authority(), url.path());
    Ok(Some(Webhook { url, credential, ca_bundle }))
}

fn check(wards: &[String], transactions: &[String]) -> Result<(), Failure> {
    let is_ward =
        |ward: &String| (1..=MAX_WARD).contains(&ward.trim().len()) && !ward.contains(char::is_control);
    if !wards.iter().all(is_ward) {
        return Err(anyhow!("a ward has 1 to {MAX_WARD} bytes, and no control characters").into());
    }
    let labels =
        || Transaction::ALL.into_iter().filter(|own| own.comes_from_devices()).map(Transaction::label);
    let unknown = transactions.iter().find(|name| !labels().any(|label| label == name.as_str()));
    if let Some(unknown) = unknown {
        let known = labels().collect::<Vec<_>>().join(", ");
        return Err(anyhow!("\"{unknown}\" is no transaction that devices send: {known}").into());
    }
    Ok(())
}

/// Subscriptions of a platform: each message is compared with all of them.
const MAX_SUBSCRIPTIONS: usize = 256;
/// Bytes of the name of a ward.
const MAX_WARD: usize = 64;
