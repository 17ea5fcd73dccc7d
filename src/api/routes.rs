//! What is served.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;

use super::body::read_body;
use super::enrol;
use super::fhir;
use super::files;
use super::gate;
use super::oauth;
use super::outcome::{INSUFFICIENT_SCOPE, outcome, with_token_error};
use super::partner;
use super::peer::Peer;
use super::state::ApiState;
use crate::clients::{Reader, RefusedReader};
use crate::model::steps_beside_tasks;

/// Answers one request, and counts it.
pub(super) async fn answer(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let began = state.clock.instant();
    let surface = match request.uri().path() {
        path if oauth::Endpoint::at(path).is_some() => "oauth",
        path if is_fhir(path) => "fhir",
        path if partner::is_path(path) => "partner",
        path if files::is_path(path) => "files",
        path if enrol::is_path(path) => "est",
        _ => "pki",
    };
    let mut response = route(state, peer, request).await;
    // N000-8: a client sees what the platform is used for. The configuration has plain letters alone.
    if let Ok(environment) = HeaderValue::from_str(&state.config.load().api.environment) {
        response.headers_mut().insert(HeaderName::from_static("x-environment"), environment);
    }
    let took = state.clock.instant().saturating_duration_since(began);
    state.metrics.api.answered(surface, response.status().as_u16(), took);
    response
}

async fn route(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    if path == "/pki/ca.pem" {
        return match *request.method() {
            Method::GET | Method::HEAD => authorities(state),
            _ => not_allowed("the CAs are read by GET"),
        };
    }
    if let Some(endpoint) = oauth::Endpoint::at(path) {
        return oauth::answer(state, peer, endpoint, request).await;
    }
    if files::is_path(path) {
        return files::answer(state, peer, request).await;
    }
    if partner::is_path(path) {
        return partner::answer(state, peer, request).await;
    }
    if enrol::is_path(path) {
        return Box::pin(enrol::answer(state, peer, request)).await;
    }
    if !is_fhir(path) {
        let text =
            "nothing is served here; FHIR is served under /fhir, the CAs of the platform as /pki/ca.pem";
        return outcome(StatusCode::NOT_FOUND, "not-found", "not-found", text);
    }
    let is_search = *request.method() == Method::POST && path.ends_with("/_search");
    if !is_search && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "the platform is read by GET, and searched by GET or POST to _search; it stores nothing";
        return not_allowed(text);
    }
    let timeout = state.config.load().api.query_timeout;
    let answered = tokio::time::timeout(timeout, admitted(state, peer, request)).await;
    answered.unwrap_or_else(|_| {
        state.metrics.api.refuse("timeout");
        let text = "the answer took too long; ask for less: a shorter period, or fewer results";
        outcome(StatusCode::SERVICE_UNAVAILABLE, "timeout", "timeout", text)
    })
}

async fn admitted(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let is_open = request.uri().path().trim_end_matches('/') == "/fhir/metadata";
    if is_open {
        // It takes no turn of a client, and its body is not read: strangers keep no client waiting.
        return respond(state, None, request.map(|_| Bytes::new())).await;
    }
    let admitted = match gate::admit(state, peer, request.headers()).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused,
    };
    let (head, body) = request.into_parts();
    let body = match read_body(state, &head, body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    // A turn is taken when the request is complete, and no client has all of them: another one that sends
    // slowly or asks for much must not keep it from reading.
    let Some(_turn) = state.turns.take(&turn_of(&admitted.reader)) else {
        state.metrics.api.refuse("busy");
        let text = "the platform answers as many requests as it may at once; try again";
        return outcome(StatusCode::SERVICE_UNAVAILABLE, "throttled", "busy", text);
    };
    let mut response = respond(state, Some(&admitted.reader), Request::from_parts(head, body)).await;
    if response.extensions().get::<fhir::OutOfScope>().is_some() {
        gate::record(state, peer, RefusedReader::Scope).await;
        if admitted.has_token {
            response = with_token_error(response, INSUFFICIENT_SCOPE);
        }
    }
    // N000-9: who renews the certificate of a client reads its answers.
    if let Some(ends) = admitted.renewal.and_then(|ends| HeaderValue::from_str(&ends.to_string()).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-certificate-expires"), ends);
    }
    response
}

/// Whose turns a request takes: those of the registered client, or of the member of a community that has this
/// certificate.
fn turn_of(reader: &Reader) -> String {
    match reader.organisation() {
        Some(_) => reader.client().to_owned(),
        None => reader.certificate().to_string(),
    }
}

/// What is read. Rendering may take long: it delays no device.
async fn respond(state: &ApiState, reader: Option<&Reader>, request: Request<Bytes>) -> Response<Body> {
    steps_beside_tasks(fhir::respond(&state.reads, reader, request)).await
}

/// The CAs of the listener's certificate: open, so that clients can check it (N000-3).
fn authorities(state: &ApiState) -> Response<Body> {
    let mut response = Response::new(Body::from(state.acceptor.authorities_in_pem()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
    response
}

fn not_allowed(text: &str) -> Response<Body> {
    outcome(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "method", text)
}

fn is_fhir(path: &str) -> bool {
    path == "/fhir" || path.starts_with("/fhir/")
}
