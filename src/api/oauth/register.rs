//! The registration endpoint (RFC 7591; HL7 FAST security guide, "Registration").

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::paths::REGISTRATION;
use super::respond;
use crate::api::gate;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::{Certificate, Event};
use crate::clients::{
    KnownCertificate, Oid, PresentedCertificate, RefusedReader, Registration, Scopes, StoredSecret,
};
use crate::config::Approval;
use crate::oauth::{AssertionFault, ClientMetadata, RefusedRegistration, Statement};
use crate::store::{ClientsConflict, StoreError};

#[derive(Deserialize)]
struct Posted {
    software_statement: String,
    udap: String,
}

/// A client whose statement was verified.
struct Stated {
    certificate: PresentedCertificate,
    metadata: ClientMetadata,
}

/// Why there is no registration.
enum Failed {
    Refused(RefusedRegistration),
    Store(StoreError),
    /// The machine has no randomness.
    Randomness,
}

impl From<RefusedRegistration> for Failed {
    fn from(refused: RefusedRegistration) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Clients(ClientsConflict::TooManyRegistrations) => {
                Self::Refused(RefusedRegistration::TooMany)
            }
            StoreError::Clients(ClientsConflict::ChangedMeanwhile) => {
                Self::Refused(RefusedRegistration::Changed)
            }
            error => Self::Store(error),
        }
    }
}

/// Registers a client, changes its registration, or ends it.
pub(super) async fn register(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !state.config.load().api.registration.enabled {
        return respond::not_found();
    }
    let mut certificate = None;
    match registered(state, headers, &body, &mut certificate).await {
        Ok(response) => response,
        Err(Failed::Refused(refused)) => refuse(state, peer, certificate, refused).await,
        Err(Failed::Store(error)) => {
            state.store_failed(&error);
            respond::unavailable("the registration could not be stored; try again")
        }
        Err(Failed::Randomness) => {
            tracing::error!("the operating system provides no random bytes; no client is registered");
            respond::unavailable("the platform has no randomness; try again")
        }
    }
}

/// Counts and records a refused registration, and answers it.
pub(super) async fn refuse(
    state: &ApiState,
    peer: &Peer,
    certificate: Option<Certificate>,
    refused: RefusedRegistration,
) -> Response<Body> {
    state.metrics.api.refuse(refused.code());
    let (who, max) = ((refused.reason(), peer.address.ip()), state.config.load().api.max_refusal_rows);
    state.refusals.record(&state.store, max, who, certificate, Event::ReadRefused).await;
    respond::refused_registration(refused)
}

async fn registered(
    state: &ApiState,
    headers: &HeaderMap,
    body: &[u8],
    certificate: &mut Option<Certificate>,
) -> Result<Response<Body>, Failed> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = content_type.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    let posted = serde_json::from_slice::<Posted>(body).ok().filter(|posted| is_json && posted.udap == "1");
    let posted = posted.ok_or(RefusedRegistration::Form)?;
    let Stated { certificate, metadata } = verified(state, &posted.software_statement, certificate).await?;
    let all = state.store.registrations().await?;
    let is_own = |own: &Registration| own.community == certificate.community && own.issuer == metadata.issuer;
    let known = all.into_iter().find(is_own);
    if metadata.is_cancelled {
        let own = known.ok_or(RefusedRegistration::Unknown)?;
        let answer = answer(&own, &posted, &[]);
        state.store.cancel_registration(own).await?;
        return Ok(respond::json(StatusCode::OK, &answer));
    }
    let config = state.config.load_full();
    let allowed = Scopes::known(&config.api.registration.scopes.join(" "));
    let asked = metadata.scope.as_deref().map(Scopes::known);
    let scopes = asked.map_or_else(|| allowed.clone(), |asked| allowed.intersection(&asked));
    let is_application = !metadata.redirect_uris.is_empty();
    // What an operator approved as one kind of client must not become the other by itself.
    let is_other_kind = |own: &Registration| own.application().is_some() != is_application;
    if is_application && !config.api.has_users() || known.as_ref().is_some_and(is_other_kind) {
        return Err(RefusedRegistration::GrantType.into());
    }
    let grant = if is_application { "authorization_code" } else { "client_credentials" };
    let (status, own) = match known {
        Some(known) => (StatusCode::OK, change(state, known, metadata, scopes).await?),
        None => (StatusCode::CREATED, add(state, certificate, metadata, scopes).await?),
    };
    Ok(respond::json(status, &answer(&own, &posted, &[grant])))
}

/// Size, form and algorithm, then the certificate and what is known of its revocation, then the signature and
/// the claims; only then the responders are asked. A statement counts once.
async fn verified(
    state: &ApiState,
    statement: &str,
    certificate: &mut Option<Certificate>,
) -> Result<Stated, Failed> {
    let statement = Statement::read(statement)?;
    let of_certificate = |refused| RefusedRegistration::Statement(AssertionFault::Certificate(refused));
    let of_path = |refusal| of_certificate(RefusedReader::Certificate(refusal));
    let turns = &state.handshaking;
    let claimed = turns.steps(async { state.acceptor.claimed(statement.chain()) }).await.map_err(of_path)?;
    let config = state.config.load_full();
    let endpoint = format!("{}{REGISTRATION}", config.api.base_url);
    let (metadata, verified) = turns.steps(async { statement.verify(&endpoint, state.clock.now()) }).await?;
    // A copied certificate stands in no row: its owner has signed this.
    *certificate = Some(claimed.recorded());
    let member = state.acceptor.membership(&claimed).await.map_err(of_path)?;
    let own = gate::presented_certificate(&member);
    if !own.is_for(&config.api.environment) {
        return Err(of_certificate(RefusedReader::OtherEnvironment).into());
    }
    // A certificate that is given to a client by itself, or was taken from one, is that of no other client,
    // whatever URIs it has.
    let registry = state.registry.load_full();
    let uri = KnownCertificate::Uri { community: own.community.clone(), uri: metadata.issuer.clone() };
    for known in own.names().iter().filter(|known| !matches!(known, KnownCertificate::Uri { .. })) {
        if registry.is_removed(known) {
            return Err(of_certificate(RefusedReader::Removed).into());
        }
        if registry.client_of(known).is_some_and(|client| !client.certificates.contains(&uri)) {
            return Err(RefusedRegistration::Registered.into());
        }
    }
    // Each takes a row, and more when it changes something.
    let whose = format!("{} {}", own.community, metadata.issuer);
    if !state.registration_rates.allows_client(&whose, MAX_STATEMENTS, state.clock.instant()) {
        return Err(RefusedRegistration::TooFast.into());
    }
    if !state.store.use_assertion(verified.id, verified.ends).await? {
        return Err(RefusedRegistration::Statement(AssertionFault::Replayed).into());
    }
    Ok(Stated { certificate: own, metadata })
}

async fn add(
    state: &ApiState,
    certificate: PresentedCertificate,
    metadata: ClientMetadata,
    scopes: Scopes,
) -> Result<Registration, Failed> {
    if scopes.is_empty() {
        return Err(RefusedRegistration::Scope.into());
    }
    let (random, _) = StoredSecret::generate().map_err(|_| Failed::Randomness)?;
    let id = format!("{PREFIX}{}", random.get(..RANDOM_CHARS).unwrap_or_default());
    let own = Registration {
        client: id.parse().map_err(|_| Failed::Randomness)?,
        community: certificate.community.clone(),
        issuer: metadata.issuer,
        name: metadata.name,
        contacts: metadata.contacts,
        scopes,
        redirect_uris: metadata.redirect_uris,
        registered_at: state.clock.now(),
        is_approved: false,
    };
    let config = state.config.load_full();
    state.store.register(own.clone(), config.api.registration.max_pending).await?;
    let organisation = config.api.registration.organisation.as_ref().and_then(|oid| oid.parse::<Oid>().ok());
    if let (Approval::Automatic, Some(organisation)) = (config.api.registration.approve, organisation) {
        let client = own.approved(organisation, own.scopes.clone());
        let (names, max) = (certificate.names(), config.api.registration.max_automatic);
        match state.store.approve_automatically((own.clone(), client), names, max, BY_CONFIGURATION).await {
            // It waits for an operator.
            Ok(()) | Err(StoreError::Clients(ClientsConflict::ApprovalNeeded)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(own)
}

/// A client that was approved gets no scope that it has not.
async fn change(
    state: &ApiState,
    known: Registration,
    metadata: ClientMetadata,
    asked: Scopes,
) -> Result<Registration, Failed> {
    let clients = if known.is_approved { state.store.clients().await? } else { Vec::new() };
    let granted = clients.into_iter().find(|client| client.id == known.client).map(|client| client.scopes);
    let scopes = granted.as_ref().map_or_else(|| asked.clone(), |granted| granted.intersection(&asked));
    if scopes.is_empty() {
        return Err(RefusedRegistration::Scope.into());
    }
    let ClientMetadata { name, contacts, redirect_uris, .. } = metadata;
    let own = Registration { name, contacts, redirect_uris, scopes, ..known.clone() };
    if own == known && granted.as_ref().is_none_or(|granted| *granted == own.scopes) {
        return Ok(own);
    }
    state.store.change_registration(own.clone(), granted).await?;
    Ok(own)
}

/// RFC 7591 section 3.2.1: the statement comes back unmodified, and what it says at the top.
fn answer(own: &Registration, posted: &Posted, grants: &[&str]) -> Value {
    let mut answer = json!({
        "client_id": own.client.as_str(),
        "client_id_issued_at": own.registered_at.as_second(),
        "software_statement": posted.software_statement,
        "client_name": own.name,
        "contacts": own.contacts,
        "grant_types": grants,
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": own.scopes.to_string(),
    });
    if let (Some(application), Some(answer)) = (own.application(), answer.as_object_mut()) {
        answer.insert("redirect_uris".to_owned(), application.redirect_uris.into());
        answer.insert("response_types".to_owned(), json!(["code"]));
    }
    answer
}

/// How the ids of clients begin that have registered themselves.
const PREFIX: &str = "r-";
/// Random characters of such an id: 132 bits.
const RANDOM_CHARS: usize = 22;
/// Statements of one issuer that are looked into within a minute.
const MAX_STATEMENTS: u32 = 30;
/// Who approves where the configuration does.
const BY_CONFIGURATION: &str = "configuration";
