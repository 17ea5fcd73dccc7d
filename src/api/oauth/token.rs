//! The token endpoint, and the revocation endpoint.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use jiff::SignedDuration;
use serde_json::json;

use super::authentication::{Authenticated, authenticate};
use super::code::{self, Allowed};
use super::failed::Failed;
use super::form::Form;
use super::respond;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::{Event, TokenGranted, TokenRevoked};
use crate::clients::{RefusedReader, Scopes, StoredSecret, Token};
use crate::model::Fingerprint;
use crate::oauth::{AssertionFault, CodeFault, RefusedGrant};
use crate::store::{NewToken, TokenWrite};

pub(super) use super::authentication::Attempt;

/// Answers a request for a token.
pub(super) async fn grant(state: &ApiState, peer: &Peer, headers: &HeaderMap, form: &Form) -> Response<Body> {
    let mut attempt = Attempt::default();
    match granted(state, peer, headers, form, &mut attempt).await {
        Ok(response) => response,
        Err(failed) => fail(state, peer, attempt, failed).await,
    }
}

/// Answers a request that gives a token back (RFC 7009). A token that is unknown is as good as revoked.
pub(super) async fn revoke(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
    form: &Form,
) -> Response<Body> {
    let mut attempt = Attempt::default();
    let revoked = async {
        let Authenticated { reader, assertion, .. } =
            authenticate(state, peer, headers, form, &mut attempt).await?;
        if let Some(verified) = assertion {
            let used = state.store.use_assertion(verified.id, verified.ends).await.map_err(Failed::Store)?;
            if !used {
                return Err(RefusedGrant::Assertion(AssertionFault::Replayed).into());
            }
        }
        let hash = Fingerprint::sha256(form.require("token")?.as_bytes());
        let revoked =
            TokenRevoked { client: reader.client().to_owned(), peer: peer.address.ip(), reason: None };
        state.store.revoke_token(hash, reader.holder().clone(), revoked).await.map_err(Failed::Store)
    };
    match revoked.await {
        Ok(_) => respond::json(StatusCode::OK, &json!({})),
        Err(failed) => fail(state, peer, attempt, failed).await,
    }
}

async fn granted(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
    form: &Form,
    attempt: &mut Attempt,
) -> Result<Response<Body>, Failed> {
    let has_code = match form.require("grant_type")? {
        "client_credentials" => false,
        "authorization_code" if state.config.load().api.has_users() => true,
        _ => return Err(RefusedGrant::GrantType.into()),
    };
    let authenticated = authenticate(state, peer, headers, form, attempt).await?;
    let holder = authenticated.reader.holder().to_string();
    let max = state.config.load().api.token_requests;
    if !state.rates.allows_client(&holder, max, state.clock.instant()) {
        return Err(RefusedGrant::TooFast.into());
    }
    let own = authenticated.reader.scopes();
    let (scopes, allowed) = if has_code {
        let allowed = code::exchange(state, peer, form, &authenticated).await?;
        (own.intersection(&allowed.scopes), Some(allowed))
    } else {
        let reader = authenticated.reader.clone();
        reader.with_person_where_needed().map_err(RefusedGrant::Client)?;
        (form.get("scope").map_or_else(|| own.clone(), |asked| own.intersection(&Scopes::known(asked))), None)
    };
    if scopes.is_empty() {
        return Err(RefusedGrant::Scope.into());
    }
    let method = attempt.method.unwrap_or_default();
    issue(state, peer, authenticated, (scopes, allowed.as_ref()), method).await
}

/// The token is durable, and counts on every node, before the client gets it.
async fn issue(
    state: &ApiState,
    peer: &Peer,
    Authenticated { reader, connection, assertion }: Authenticated,
    (scopes, allowed): (Scopes, Option<&Allowed>),
    method: &'static str,
) -> Result<Response<Body>, Failed> {
    let config = state.config.load_full();
    let bound = connection.filter(|_| config.api.bind_tokens);
    let lifetime = SignedDuration::try_from(config.api.token_lifetime).unwrap_or(MIN_LIFETIME);
    let now = state.store.now();
    let token = Token {
        holder: reader.holder().clone(),
        certificate: bound.unwrap_or_else(|| reader.certificate()),
        is_bound: bound.is_some(),
        proof: reader.certificate(),
        known: reader.known().cloned(),
        ends: now.saturating_add(lifetime).unwrap_or(now),
        scopes,
        person: allowed.map(|allowed| allowed.person.clone()),
    };
    let purpose = assertion.as_ref().and_then(|verified| verified.purpose.as_ref());
    let code = allowed.map(|allowed| (allowed.code, allowed.revoked(peer)));
    let granted = TokenGranted {
        client: reader.client().to_owned(),
        organisation: reader.organisation().map(ToString::to_string),
        method,
        certificate: token.certificate,
        is_bound: token.is_bound,
        peer: reader.address(),
        scopes: token.scopes.to_string(),
        ends: token.ends,
        purpose: purpose.map(|purpose| purpose.as_str().to_owned()),
        person: allowed.map(|allowed| allowed.person.subject.clone()),
    };
    let (value, hash) = StoredSecret::generate().map_err(|_| Failed::Randomness)?;
    let answer = json!({
        "access_token": value.as_str(),
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": token.scopes.to_string(),
    });
    let (max_tokens, assertion) =
        (config.api.max_tokens, assertion.map(|verified| (verified.id, verified.ends)));
    let new = NewToken { hash, token, max_tokens, code, assertion, granted };
    match state.store.grant_token(new).await.map_err(Failed::Store)? {
        TokenWrite::Granted => {
            state.metrics.api.token(method, true);
            Ok(respond::json(StatusCode::OK, &answer))
        }
        TokenWrite::Replayed => Err(RefusedGrant::Assertion(AssertionFault::Replayed).into()),
        TokenWrite::Withdrawn => Err(RefusedGrant::Client(RefusedReader::Removed).into()),
        TokenWrite::TooMany => Err(RefusedGrant::TooManyTokens.into()),
        TokenWrite::CodeUsed(_) => Err(RefusedGrant::Code(CodeFault::Used).into()),
    }
}

async fn fail(state: &ApiState, peer: &Peer, attempt: Attempt, failed: Failed) -> Response<Body> {
    match failed {
        Failed::Refused(refused) => refuse(state, peer, attempt, refused).await,
        Failed::Store(error) => {
            state.store_failed(&error);
            respond::unavailable("the token could not be stored; try again")
        }
        Failed::Randomness => {
            tracing::error!("the operating system provides no random bytes; no token is granted");
            respond::unavailable("the platform has no randomness; try again")
        }
    }
}

/// Counts and records a refused request, and answers it.
pub(super) async fn refuse(
    state: &ApiState,
    peer: &Peer,
    attempt: Attempt,
    refused: RefusedGrant,
) -> Response<Body> {
    state.metrics.api.refuse(refused.code());
    if let Some(method) = attempt.method {
        state.metrics.api.token(method, false);
    }
    let shown = || peer.certificate.as_ref().map(|certificate| certificate.recorded());
    let certificate = attempt.certificate.or_else(shown);
    let (who, max) = ((refused.reason(), peer.address.ip()), state.config.load().api.max_refusal_rows);
    state.refusals.record(&state.store, max, who, certificate, Event::ReadRefused).await;
    respond::refused(refused, attempt.method == Some("client_secret_basic"))
}

/// Of a token, where the configuration has none that can be added to a time.
const MIN_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
