//! The configuration: one TOML file, read whole, checked whole, published whole.
//!
//! Each section has a file with its struct, its defaults and the list of its keys: what a reload does with a
//! change, and the limits of the value. Unknown keys are refused with line and column. [`Config::load`]
//! checks everything else at once and reports every problem; only what it returns may be used.

mod admin;
mod api;
mod audit;
mod devices;
mod effective;
mod enrol;
mod error;
mod fhir;
mod gateway;
mod host;
mod interface_a;
mod json_schema;
mod key;
mod keys;
mod load;
mod log_level;
mod message_zone;
mod messages;
mod network;
mod notifications;
mod notify;
mod operations;
mod orders;
mod overrides;
mod quantity;
mod quiet_hours;
mod reference;
mod revocation;
mod salvage;
mod schema;
mod store;
mod subject;
mod syntax_error;
mod tls;
#[cfg(feature = "pkcs11")]
mod token_uri;
mod validate;
mod values;
mod webhook_url;

pub use admin::{Admin, AdminRoles, AdminSocket};
pub use api::{Api, ApiRead, Approval, Community};
pub use audit::{Audit, AuditRepository, RefusalInterval};
pub use devices::{Devices, Identity, MissingIdentity, SilentAfterError, Unknown};
pub use effective::{Effective, Origin};
pub use enrol::{Enrol, Renewal};
pub use error::{ConfigError, Problem};
pub use fhir::{Assigner, AuditReads, Fhir, FhirPatients};
pub use gateway::{DuringOutage, Gateway, MissingStaple};
pub use host::{HostAndPort, HostAndPortError};
pub use interface_a::{FrameMemory, InterfaceA};
pub use json_schema::json_schema;
pub use key::ReloadClass;
pub use log_level::log_filter;
pub use message_zone::MessageZone;
pub use messages::{Conformance, MessageTypes, Messages, UnreadableMessage};
pub use network::{Network, NetworkError, truncate};
pub use notifications::{CaBundle, Notifications, WebhookCredential};
pub use notify::Notify;
pub use operations::{Log, LogFormat};
pub use orders::Orders;
pub use overrides::Overrides;
pub use quiet_hours::{QuietHours, QuietHoursError};
pub use reference::{Reference, references};
pub use revocation::{ExpiredSessions, MustStaple, Nonce, Responder, Revocation, Stapling, Undetermined};
pub use salvage::Salvaged;
pub use schema::{Config, ConfigHandle};
pub use store::{BackupAge, Retain, Store, WhenBehind, WhenMissing};
pub use syntax_error::SyntaxError;
pub use tls::{Credential, KeyLocation, Tls, TlsVersion};
#[cfg(feature = "pkcs11")]
pub use token_uri::TokenUri;
pub use values::{Change, Values};
pub use webhook_url::{WebhookUrl, WebhookUrlError};

#[cfg(test)]
mod tests;
