//! Who reads files: the partner whose credentials have signed the request.

use axum::http::header::HOST;
use axum::http::request::Parts;

use super::error::FileError;
use super::signature::{Signed, SignedRequest, only};
use crate::api::gate;
use crate::api::partner::secret_access_key;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::{Event, PartnerServed};
use crate::clients::{self, Oid, Reader};
use crate::model::Fingerprint;

/// Who reads files, until the response.
pub(super) struct Caller<'a> {
    pub(super) state: &'a ApiState,
    pub(super) reader: Reader,
    pub(super) organisation: Oid,
}

/// The partner whose credentials have signed the request.
pub(super) async fn admit<'a>(
    state: &'a ApiState,
    peer: &Peer,
    head: &Parts,
) -> Result<Caller<'a>, FileError> {
    let signed = Signed::read(&head.headers).ok_or(FileError::AccessDenied)?;
    let token = only(&head.headers, "x-amz-security-token").ok_or(FileError::AccessDenied)?;
    let known = state.store.partner_credential(signed.access_key).await;
    let known = known.map_err(|error| FileError::of_store(&error))?.ok_or(FileError::InvalidAccessKeyId)?;
    // The secret follows from the token, of which the store has a hash.
    if Fingerprint::sha256(token.as_bytes()) != known.token {
        return Err(FileError::SignatureDoesNotMatch);
    }
    let now = state.clock.now();
    if !signed.is_recent(now) {
        return Err(FileError::RequestTimeTooSkewed);
    }
    let request = SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
    };
    if !head.headers.contains_key(HOST) || !signed.is_of(request, &secret_access_key(token)) {
        return Err(FileError::SignatureDoesNotMatch);
    }
    if known.expires <= now {
        return Err(FileError::ExpiredToken);
    }
    let registry = state.registry.load_full();
    let admitted = clients::admit_credential(&registry, &known.client, known.certificate, peer.address.ip());
    match admitted {
        Ok(reader) => {
            peer.tenancy.is_admitted(true);
            let organisation = reader.organisation().cloned().ok_or(FileError::AccessDenied)?;
            Ok(Caller { state, reader, organisation })
        }
        Err(refused) => {
            gate::record(state, peer, refused).await;
            Err(FileError::AccessDenied)
        }
    }
}

impl Caller<'_> {
    /// Writes the audit row of a service: it is durable before the response leaves.
    pub(super) async fn record(
        &self,
        service: &'static str,
        notification: Option<String>,
        count: u64,
    ) -> Result<(), FileError> {
        let served = PartnerServed {
            service,
            client: self.reader.client().to_owned(),
            organisation: self.organisation.to_string(),
            certificate: None,
            peer: self.reader.address(),
            request: None,
            notification,
            count,
        };
        let recorded = self.state.store.audit(Event::PartnerServed(Box::new(served))).await;
        recorded.map_err(|error| FileError::of_store(&error))
    }
}
