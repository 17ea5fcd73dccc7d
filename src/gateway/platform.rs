//! How the platform is reached: certificate, roots, and the status of its certificates (B14 to B19).

use crate::config::{Gateway, MissingStaple, Revocation, TlsVersion};
use crate::model::Clock;
use crate::revocation::{Engine, RevocationError};
use crate::tls::{ConnectError, Connector, ConnectorSettings, Staples, StatusCheck};

/// The client side of the gateway cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A certificate, a key or a root cannot be used.
    #[error(transparent)]
    Tls(#[from] ConnectError),
    /// A CRL cannot be used.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
}

/// Loads the certificate, the key and the roots for the platform.
///
/// # Errors
/// When one of them cannot be used.
pub fn connector(gateway: &Gateway, clock: &Clock) -> Result<Connector, SetupError> {
    // The client asks no responder: what counts is stapled (B18).
    let engine = Engine::for_client(&Revocation::default(), clock.clone())?;
    let missing = match gateway.staples {
        MissingStaple::Require => Staples::Require,
        MissingStaple::Accept => Staples::Accept,
    };
    let settings = ConnectorSettings {
        credential: gateway.certificate.clone(),
        trust_anchors: gateway.trust_anchors.clone(),
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: None,
        status: Some(StatusCheck { engine, missing }),
    };
    Ok(Connector::build(&settings, clock)?)
}
