//! OAuth 2.0 (RFC 6749): access tokens for hospital systems, and how clients find them.
//!
//! A client proves who it is by the certificate of the connection (RFC 8705) or by a signed assertion
//! (RFC 7523), and gets an opaque token. The token is one more way to be admitted: what a client may read is
//! decided for each request, by its registration.

mod authentication;
mod authorize;
mod browser;
mod code;
mod discovery;
mod failed;
mod forget;
mod form;
mod pages;
mod paths;
mod people;
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
use crate::oauth::{RefusedAuthorization, RefusedGrant, RefusedRegistration};
use form::Form;
pub(super) use paths::token_endpoints;
use paths::{AUTHORIZATION, DECISION, REGISTRATION, REVOCATION, TOKEN};
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
    /// Asks a person whether an application may read (RFC 6749 section 3.1).
    Authorization,
    /// Takes the answer of the person.
    Decision,
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
            AUTHORIZATION => Self::Authorization,
            DECISION => Self::Decision,
            "/fhir/.well-known/udap" => Self::Udap,
            "/.well-known/oauth-authorization-server" => Self::Metadata,
            "/fhir/.well-known/smart-configuration" => Self::SmartConfiguration,
            _ => return None,
        })
    }

    const fn allowed(self) -> Allowed {
        match self {
            Self::Token | Self::Revocation | Self::Registration | Self::Decision => Allowed::Post,
            Self::Authorization => Allowed::Get,
            Self::Metadata | Self::Udap | Self::SmartConfiguration => Allowed::Document,
        }
    }
}

/// How an endpoint is asked.
enum Allowed {
    Post,
    /// Each request changes something: HEAD would too.
    Get,
    /// By GET and HEAD, and as often as a stranger likes.
    Document,
}

/// Answers a request to an endpoint.
pub(super) async fn answer(
    state: &ApiState,
    peer: &Peer,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Body> {
    match (endpoint.allowed(), request.method()) {
        (Allowed::Post, &Method::POST) | (Allowed::Get, &Method::GET) => {
            let timeout = state.config.load().api.query_timeout;
            let answered = tokio::time::timeout(timeout, limited(state, peer, endpoint, request)).await;
            answered.unwrap_or_else(|_| {
                state.metrics.api.refuse("timeout");
                respond::unavailable("the request took too long; try again")
            })
        }
        (Allowed::Document, &Method::GET | &Method::HEAD) => match endpoint {
            Endpoint::SmartConfiguration => discovery::smart_configuration(state),
            Endpoint::Udap => discovery::udap(state, request.uri().query().unwrap_or_default()),
            _ => discovery::metadata(state),
        },
        (Allowed::Post, _) => respond::method_not_allowed("POST"),
        (Allowed::Get, _) => respond::method_not_allowed("GET"),
        (Allowed::Document, _) => respond::method_not_allowed("GET, HEAD"),
    }
}

/// Strangers may ask: how often, how many at once and how much is limited before anything is read.
async fn limited(
    state: &ApiState,
    peer: &Peer,
    endpoint: Endpoint,
    request: Request<Incoming>,
) -> Response<Body> {
    let is_hidden = match endpoint {
        Endpoint::Authorization => browser::is_embedded(request.headers()),
        Endpoint::Decision => browser::is_of_another_site(request.headers()),
        _ => false,
    };
    if is_hidden && state.config.load().api.has_users() {
        // Before the limits: what another site causes uses up nothing of the person.
        return people::fail(state, peer, RefusedAuthorization::Embedded.into()).await;
    }
    let (address, max) = (peer.address.ip(), state.config.load().api.token_requests);
    if !state.rates.allows_address(address, max, state.clock.instant()) {
        return match endpoint {
            Endpoint::Registration => register::refuse(state, peer, None, RefusedRegistration::TooFast).await,
            Endpoint::Authorization | Endpoint::Decision => {
                people::fail(state, peer, RefusedAuthorization::TooFast.into()).await
            }
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
    if endpoint == Endpoint::Authorization {
        return authorize::ask(state, peer, &head.uri).await;
    }
    let form = match Form::read(&head.headers, body).await {
        Ok(form) => form,
        Err(_) if endpoint == Endpoint::Decision => {
            return people::fail(state, peer, RefusedAuthorization::Form.into()).await;
        }
        Err(refused) => return token::refuse(state, peer, token::Attempt::default(), refused).await,
    };
    match endpoint {
        Endpoint::Decision => authorize::decide(state, peer, &form).await,
        Endpoint::Revocation => token::revoke(state, peer, &head.headers, &form).await,
        _ => token::grant(state, peer, &head.headers, &form).await,
    }
}
