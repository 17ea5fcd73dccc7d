//! The file as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::admin::Admin;
use super::api::Api;
use super::audit::Audit;
use super::devices::Devices;
use super::enrol::Enrol;
use super::fhir::Fhir;
use super::gateway::Gateway;
use super::interface_a::InterfaceA;
use super::messages::Messages;
use super::notifications::Notifications;
use super::notify::Notify;
use super::operations::Log;
use super::orders::Orders;
use super::revocation::{Revocation, Stapling};
use super::store::Store;
use super::tls::Tls;
use super::values::Values;

/// The current configuration. A reload replaces it as a whole.
pub type ConfigHandle = Arc<ArcSwap<Config>>;

/// A configuration. What [`Config::load`] and [`Config::parse`] return is checked; its paths are absolute, or
/// relative to the working directory of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// The value of each key, to compare two configurations.
    #[serde(skip)]
    pub values: Values,
    /// The listener for devices.
    #[serde(default)]
    pub interface_a: InterfaceA,
    /// Identities and trust of the TLS profile.
    #[serde(default)]
    pub tls: Tls,
    /// How the revocation status of certificates is found out.
    #[serde(default)]
    pub revocation: Revocation,
    /// What is stapled to the platform's own chains.
    #[serde(default)]
    pub stapling: Stapling,
    /// Which devices may connect and on behalf of which devices they may send.
    #[serde(default)]
    pub devices: Devices,
    /// Which messages are accepted.
    #[serde(default)]
    pub messages: Messages,
    /// Messages from the platform to devices.
    #[serde(default)]
    pub orders: Orders,
    /// The platform to which messages are forwarded; without it this is no gateway.
    #[serde(default)]
    pub gateway: Option<Gateway>,
    /// The index from which messages are read as FHIR.
    #[serde(default)]
    pub fhir: Fhir,
    /// Notifications of partners.
    #[serde(default)]
    pub notifications: Notifications,
    /// The listener for hospital systems that read.
    #[serde(default)]
    pub api: Api,
    /// How partners and devices get a certificate.
    #[serde(default)]
    pub enrol: Enrol,
    /// Where messages and the audit trail are stored, and for how long.
    #[serde(default)]
    pub store: Store,
    /// Signing and forwarding of the audit trail.
    #[serde(default)]
    pub audit: Audit,
    /// How operators come in.
    #[serde(default)]
    pub admin: Admin,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// The receivers of notifications.
    #[serde(default)]
    pub notify: Vec<Notify>,
}
