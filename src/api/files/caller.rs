//! Who reads files: the partner whose credentials have signed the request.

use axum::http::header::HOST;
use axum::http::request::Parts;

use super::error::FileError;
use super::signature::{Signed, SignedRequest, only};
use crate::api::gate;
use crate::api::partner::secret_access_key;
use crate::api::peer::Peer;
use crate::api::rates::network_of;
use crate::api::state::ApiState;
use crate::api::turns::Turn;
use crate::audit::{Event, PartnerServed};
use crate::clients::{self, Oid, Reader, RefusedReader};
use crate::model::Fingerprint;
use crate::store::PartnerCredential;

/// Who reads files, until the response.
pub(super) struct Caller<'a> {
    pub(super) state: &'a ApiState,
    pub(super) reader: Reader,
    pub(super) organisation: Oid,
    _turn: Turn,
}

/// The partner whose credentials have signed the request. A refused one is counted and recorded.
pub(super) async fn admit<'a>(
    state: &'a ApiState,
    peer: &Peer,
    head: &Parts,
) -> Result<Caller<'a>, FileError> {
    let (known, turn) = match find(state, peer, head).await {
        Ok(found) => found,
        Err(FileError::SlowDown) => return Err(FileError::SlowDown),
        Err(error) => {
            gate::record(state, peer, RefusedReader::InvalidToken).await;
            return Err(error);
        }
    };
    let registry = state.registry.load_full();
    let admitted = clients::admit_credential(&registry, &known.client, known.certificate, peer.address.ip());
    match admitted {
        Ok(reader) => {
            peer.tenancy.is_admitted(true);
            let organisation = reader.organisation().cloned().ok_or(FileError::AccessDenied)?;
            Ok(Caller { state, reader, organisation, _turn: turn })
        }
        Err(refused) => {
            gate::record(state, peer, refused).await;
            Err(FileError::AccessDenied)
        }
    }
}

/// The credentials that have signed the request, with a turn of their client: signatures compute.
async fn find(state: &ApiState, peer: &Peer, head: &Parts) -> Result<(PartnerCredential, Turn), FileError> {
    // Before anything is proved, an address asks the store no more often than the token endpoint.
    let max = state.config.load().api.token_requests;
    let address = network_of(peer.address.ip());
    if !state.rates.allows_client(&format!("files {address}"), max, state.clock.instant()) {
        state.metrics.api.refuse("busy");
        return Err(FileError::SlowDown);
    }
    let signed = Signed::read(&head.headers).ok_or(FileError::AccessDenied)?;
    let token = only(&head.headers, "x-amz-security-token").ok_or(FileError::AccessDenied)?;
    let known = state.partners.store.partner_credential(signed.access_key).await;
    let known = known.map_err(|error| FileError::of_store(&error))?.ok_or(FileError::InvalidAccessKeyId)?;
    // The secret follows from the token, of which the store has a hash.
    if Fingerprint::sha256(token.as_bytes()) != known.token {
        return Err(FileError::SignatureDoesNotMatch);
    }
    let now = state.clock.now();
    if !signed.is_recent(now) {
        return Err(FileError::RequestTimeTooSkewed);
    }
    let Some(turn) = state.turns.take(known.client.as_str()) else {
        state.metrics.api.refuse("busy");
        return Err(FileError::SlowDown);
    };
    let request = SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
    };
    if !head.headers.contains_key(HOST) || !signed.is_of(request, &secret_access_key(token)) {
        return Err(FileError::SignatureDoesNotMatch);
    }
    if known.expires <= now { Err(FileError::ExpiredToken) } else { Ok((known, turn)) }
}

impl Caller<'_> {
    /// Writes the audit row of a service: it is durable before the response leaves.
    pub(super) async fn record(
        &self,
        service: &'static str,
        notification: Option<String>,
        count: u64,
        patients: Vec<String>,
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
            patients,
        };
        let recorded = self.state.store.audit(Event::PartnerServed(Box::new(served))).await;
        recorded.map_err(|error| FileError::of_store(&error))
    }
}
