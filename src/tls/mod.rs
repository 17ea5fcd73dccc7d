//! The TLS profile of the specification on rustls; the only folder that names it.
//!
//! [`Acceptor`] is Interface A's side: it turns an accepted TCP connection into a [`Secured`] one, and a
//! [`Secured`] one cannot be had without a certificate that chains to an installed root, is not revoked, and
//! names a device that may connect. All of that is decided inside the handshake, so that a refusal is a TLS
//! alert. [`Connector`] is Interface B's side.

mod acceptable;
mod acceptor;
mod audit_key;
mod authorities;
pub mod choice;
mod connector;
mod credential;
mod file;
mod installed;
mod key;
mod own_chain;
pub mod provider;
mod refused;
mod remembered;
pub mod stapling;
pub mod status_request_v2;
mod stream;
mod trust;
mod verifier;

pub use acceptor::{Acceptor, AcceptorError, Peer, Prepared, Secured};
pub use audit_key::AuditJudge;
pub use connector::{ConnectError, Connector, ConnectorSettings};
pub use credential::{CredentialError, PlatformCredentials};
pub use file::FileError;
#[cfg(feature = "pkcs11")]
pub use key::TokenError;
pub use key::{Encryption, KeyError, KeyFileError, PrivateFileError, Secret};
pub use own_chain::ChainError;
pub use refused::{Refused, evidence};
pub use stream::SecuredStream;
pub use trust::{Trust, TrustError};

use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::model::Clock;

/// Our clock as rustls asks for it.
#[derive(Debug)]
struct TlsTime(Clock);

impl TimeProvider for TlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

fn time_of(clock: &Clock) -> Arc<dyn TimeProvider> {
    Arc::new(TlsTime(clock.clone()))
}
