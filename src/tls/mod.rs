//! The TLS profile of the specification on rustls. No other folder names the TLS library.
//!
//! [`Acceptor`] is the server side of Interface A. It turns an accepted TCP connection into a [`Secured`]
//! one. A [`Secured`] connection exists only for a peer whose certificate chains to an installed root, is not
//! revoked and names a device that may connect. The decision is taken inside the handshake, so that a refusal
//! reaches the peer as a TLS alert. [`Connector`] is the client side of Interface B.

mod acceptor;
mod anchor_fitness;
mod api;
mod api_authorities;
mod api_user;
mod audit_signature;
mod ca_cache;
mod certificate_selection;
mod chain_examination;
mod community;
mod connector;
mod credential;
mod enrolled;
mod faults;
mod file;
mod identity;
mod inventory;
mod key;
mod key_policy;
mod listener_identity;
mod peer;
mod people;
mod platform_chain;
mod platform_verifier;
pub mod provider;
mod raw_key;
mod reach;
mod received_alert;
mod refusal;
mod resumption;
mod server_stream;
mod signature_cache;
pub mod stapling;
pub mod status_request_v2;
mod stream;
mod tcp;
mod time;
mod trust;
mod udap_signer;
mod verifier;
mod web_connector;
mod web_exchange;

pub use acceptor::{Acceptor, AcceptorError, Prepared, Secured};
pub use anchor_fitness::{UnfitAnchor, UnfitReason};
pub use api::{ApiAcceptor, ApiCertificate, Membership, PreparedApi};
pub use api_user::ApiUser;
pub use audit_signature::{AuditSignatureVerifier, AuditSigner};
pub use certificate_selection::PlatformCertificates;
pub use chain_examination::examine_chain;
pub use connector::{ClientKey, ConnectError, Connector, ConnectorSettings, ConnectorTemplate};
pub use credential::{CredentialError, PlatformCredentials, UnusableIdentity, has_issuing_ca, leaf};
pub use enrolled::{examine_partner_client, examine_partner_server};
pub use faults::faults;
pub use file::FileError;
pub use identity::{ChainStaples, IdentityError, PlatformIdentity, ServedChain};
pub use inventory::{Authority, AuthorityRole};
#[cfg(feature = "pkcs11")]
pub use key::TokenError;
pub use key::{Encryption, KeyError, KeyFileError, PrivateFileError, Secret};
pub use peer::Peer;
pub use people::{PeopleAcceptor, PersonCertificate, PreparedPeople};
pub use platform_chain::ChainError;
pub use platform_verifier::{PlatformRefusal, Staples, StatusCheck};
pub use provider::negotiable_suites;
pub use reach::reach;
pub use received_alert::ReceivedAlert;
pub use refusal::{HandshakeError, evidence};
pub use server_stream::ServerStream;
pub use status_request_v2::{NewConnection, hello_facts};
pub use stream::SecuredStream;
pub use tcp::{limit_send_buffer, prepare_tcp};
pub use trust::{Trust, TrustError};
pub use udap_signer::UdapSigner;
#[cfg(fuzzing)]
pub use verifier::fuzzing;
pub use web_connector::{WebConnector, WebTrustError};
pub use web_exchange::{WebPost, WebPostError, look_up};
