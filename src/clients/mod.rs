//! Hospital systems that read what devices sent: whose they are, and what each may read. Pure.
//!
//! An organisation has clients; a client has certificates, secrets and rights. A [`Reader`] is a client that
//! was admitted for one request. A [`Subscription`] says which events an organisation is notified of.

mod admission;
mod authorization;
mod client;
mod last_reads;
mod oid;
mod organisation;
mod partner;
mod reader;
mod receipt;
mod refused;
mod registration;
mod registry;
mod secret;
mod standing;
mod subscription;
mod token;

pub use crate::model::{Interaction, Scope, ScopeError, Scopes};
pub use admission::{Bearer, Presented, Unregistered, admit};
pub use authorization::{Authorization, AuthorizationStage, Person};
pub use client::{Application, Client, ClientId, ClientIdError, KnownCertificate, KnownCertificateError};
pub use last_reads::{LastRead, LastReads};
pub use oid::{Oid, OidError};
pub use organisation::Organisation;
pub use partner::{admit_credential, admit_partner};
pub use reader::Reader;
pub use receipt::{ReceiptHandle, ReceiptHandleError};
pub use refused::RefusedReader;
pub use registration::Registration;
pub use registry::{Registry, RegistryHandle};
pub use secret::{NoRandomness, StoredSecret};
pub use standing::PresentedCertificate;
pub use subscription::{
    EventFilter, EventKind, EventKindError, NotifiableEvent, Subscription, SubscriptionName,
    SubscriptionNameError, Webhook,
};
pub use token::{Holder, HolderError, Token};
