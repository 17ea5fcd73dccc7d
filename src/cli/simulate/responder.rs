//! The OCSP responder of the PKI, for simulations with revoked devices.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::pki::{OcspResponder, OcspSigner, PkiError, TestPki};

/// Answers for the PKI where its certificates name this machine and nothing listens there: the platform has
/// to learn somewhere that a certificate is revoked.
pub(super) async fn respond(pki: TestPki) -> Result<Option<JoinHandle<()>>, PkiError> {
    let Some(address) = pki.loopback() else { return Ok(None) };
    let Ok(socket) = TcpListener::bind(address).await else { return Ok(None) };
    let responder = Arc::new(OcspResponder::new(pki, OcspSigner::Delegate, LIFETIME)?);
    Ok(Some(tokio::spawn(async move {
        // It ends with the command, and nothing depends on its result.
        let _ = crate::pki::serve(socket, responder).await;
    })))
}

/// Validity of a response.
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
