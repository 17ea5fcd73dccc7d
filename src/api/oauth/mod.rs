//! OAuth 2.0 (RFC 6749): access tokens for hospital systems, and how clients find them.
//!
//! A client proves who it is by the certificate of the connection (RFC 8705) or by a signed assertion
//! (RFC 7523), and gets an opaque token. The token is one more way to be admitted: what a client may read is
//! decided for each request, by its registration.

mod authentication;
mod discovery;
mod forget;
mod form;
mod paths;
mod register;
mod respond;
mod signed_metadata;
mod token;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use hyper::body::Incoming;

use super::body::read_body;
use super::peer::Peer;
use super::rates::network_of;
use super::state::ApiState;
use crate::oauth::{RefusedGrant, RefusedRegistration};
use form::Form;
pub(super) use paths::token_endpoints;
use paths::{REGISTRATION, REVOCATION, TOKEN};
pub(super) use signed_metadata::SignedMetadata;

pub(super) use forget::forget_ended;

/// What is served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Grants tokens (RFC 6749 section 3.2).
    Token,
    /// Takes them back (RFC 7009).
    Revocation,
    /// Registers clients (RFC 7591).
    Registration,
    /// The metadata of the server (RFC 8414).
    Metadata,
    /// The same, signed (HL7 FAST security guide).
    Udap,
    /// The same, as SMART App Launch 2.2 has it.
    SmartConfiguration,
}

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            TOKEN => Self::Token,
            REVOCATION => Self::Revocation,
            REGISTRATION => Self::Registration,
            "/fhir/.well-known/udap" => Self::Udap,
            "/.well-known/oauth-authorization-server" => Self::Metadata,
            "/fhir/.well-known/smart-configuration" => Self::SmartConfiguration,
            _ => return None,
        })
    }
}

/// Answers a request to an endpoint.
pub(super) async fn answer(
    state: &ApiState,
    peer: &Peer,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Body> {
    match (endpoint, request.method()) {
        (Endpoint::Token | Endpoint::Revocation | Endpoint::Registration, &Method::POST) => {
            let timeout = state.config.load().api.query_timeout;
            let answered = tokio::time::timeout(timeout, posted(state, peer, endpoint, request)).await;
            answered.unwrap_or_else(|_| {
                state.metrics.api.refuse("timeout");
                respond::unavailable("the request took too long; try again")
            })
        }
        (Endpoint::Metadata, &Method::GET | &Method::HEAD) => discovery::metadata(state),
        (Endpoint::SmartConfiguration, &Method::GET | &Method::HEAD) => discovery::smart_configuration(state),
        (Endpoint::Udap, &Method::GET | &Method::HEAD) => {
            discovery::udap(state, request.uri().query().unwrap_or_default())
        }
        (Endpoint::Token | Endpoint::Revocation | Endpoint::Registration, _) => {
            respond::method_not_allowed("POST")
        }
        (Endpoint::Metadata | Endpoint::SmartConfiguration | Endpoint::Udap, _) => {
            respond::method_not_allowed("GET, HEAD")
        }
    }
}

/// Strangers may post: how often, how many at once and how much is limited before anything is read.
async fn posted(
    state: &ApiState,
    peer: &Peer,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Body> {
    let (address, max) = (peer.address.ip(), state.config.load().api.token_requests);
    if !state.rates.allows_address(address, max, state.clock.instant()) {
        return match endpoint {
            Endpoint::Registration => register::refuse(state, peer, None, RefusedRegistration::TooFast).await,
            _ => token::refuse(state, peer, token::Attempt::default(), RefusedGrant::TooFast).await,
        };
    }
    let (head, body) = request.into_parts();
    let body = match read_body(state, &head, body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    // Behind the body: who sends it slowly takes no turn of others.
    let Some(_turn) = state.token_turns.take(&network_of(address).to_string()) else {
        state.metrics.api.refuse("busy");
        return respond::unavailable("the platform answers as many requests as it may at once; try again");
    };
    if endpoint == Endpoint::Registration {
        return register::register(state, peer, &head.headers, body).await;
    }
    let form = match Form::read(&head.headers, body).await {
        Ok(form) => form,
        Err(refused) => return token::refuse(state, peer, token::Attempt::default(), refused).await,
    };
    match endpoint {
        Endpoint::Revocation => token::revoke(state, peer, &head.headers, &form).await,
        _ => token::grant(state, peer, &head.headers, &form).await,
    }
}
