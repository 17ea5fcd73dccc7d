//! The services of partners: notifications about what devices sent (seed of the contract:
//! "Partners Services API", v1).
//!
//! Each request shows two factors, a client certificate and the secret of a client. Both, and the
//! organisation that it names, belong together, or it is refused without a word more.

mod console;
mod contract;
mod identity;
mod notifications;
mod problem;
mod queue;
mod token;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response};
use axum::http::{Request, Uri};
use hyper::body::Incoming;

use super::peer::Peer;
use super::state::ApiState;
use contract::{API, REQUEST_ID};
use identity::{Caller, request_id};
use problem::Problem;
pub(super) use queue::PartnerQueue;
pub(super) use token::{bucket, key_of, notification_of, secret_access_key};

/// A service, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Acknowledge,
    Notifications,
    Token,
}

/// Whether the path is one of partners.
pub(super) fn is_path(path: &str) -> bool {
    path == ROOT || path.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('/'))
}

/// Answers a request. Its body, if it has one, is not read: what counts is in its headers.
pub(super) async fn answer(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let path = head.uri.path();
    let id = request_id(&head.headers);
    if let Some(described) = console::answer(path, &head.method) {
        let is_head = head.method == Method::HEAD;
        let mut response = described.unwrap_or_else(|problem| problem.response(path));
        if is_head {
            *response.body_mut() = Body::empty();
        }
        return response;
    }
    let answered = match service(path, &head.method) {
        Ok(service) => {
            let limit = state.config.load().api.query_timeout + longest_wait(&head.uri);
            let serving = Box::pin(serve(state, peer, service, &head));
            tokio::time::timeout(limit, serving).await.unwrap_or_else(|_| {
                state.metrics.api.refuse("timeout");
                Err(Problem::Busy)
            })
        }
        Err(problem) => Err(problem),
    };
    let mut response = answered.unwrap_or_else(|problem| problem.response(path));
    // The client finds its request in our answer, also where we refuse it.
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn service(path: &str, method: &Method) -> Result<Service, Problem> {
    let (service, allowed) = match path.strip_prefix(API).unwrap_or_default() {
        "/v1/notification/ack" => (Service::Acknowledge, Method::POST),
        "/v1/notification" => (Service::Notifications, Method::GET),
        "/v1/token" => (Service::Token, Method::POST),
        _ => return Err(Problem::Nothing),
    };
    if *method == allowed {
        return Ok(service);
    }
    Err(Problem::of_method(method, if allowed == Method::POST { "POST" } else { "GET" }))
}

async fn serve(
    state: &ApiState,
    peer: &Peer,
    service: Service,
    head: &axum::http::request::Parts,
) -> Result<Response<Body>, Problem> {
    let reader = identity::admit(state, peer, &head.headers).await?;
    let id = request_id(&head.headers).ok_or(Problem::RequestId)?;
    let organisation = reader.organisation().cloned().ok_or(Problem::Certificate)?;
    // Each is a durable write: other hospital systems wait for the same ones.
    let max = state.config.load().api.token_requests;
    let is_allowed = state.rates.allows_client(reader.client(), max, state.clock.instant());
    let turn = state.turns.take(reader.client()).filter(|_| is_allowed);
    let Some(turn) = turn else {
        state.metrics.api.refuse("busy");
        return Err(Problem::Busy);
    };
    let caller = Caller { state, reader, organisation, request: id, peer, headers: &head.headers };
    match service {
        Service::Acknowledge => notifications::acknowledge(&caller, &head.headers).await,
        Service::Notifications => {
            // One that waits has a turn of those that wait.
            drop(turn);
            notifications::receive(&caller, &head.uri).await
        }
        Service::Token => token::issue(&caller).await,
    }
}

/// How long a request may wait, besides the time of its answer.
fn longest_wait(uri: &Uri) -> Duration {
    notifications::wait(uri).unwrap_or_default()
}

const ROOT: &str = "/partners/services";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_7_a_method_that_a_service_does_not_have_is_405_and_one_that_is_unknown_501() {
        let of = |path: &str, method: &str| service(path, &Method::from_bytes(method.as_bytes()).unwrap());
        let ack = "/partners/services/api/v1/notification/ack";
        assert_eq!(of(ack, "POST"), Ok(Service::Acknowledge));
        assert_eq!(of(ack, "GET"), Err(Problem::Method("POST")));
        assert_eq!(of(ack, "BREW"), Err(Problem::Unknown));
        assert_eq!(of("/partners/services/api/v1/notification", "PUT"), Err(Problem::Method("GET")));
        assert_eq!(of("/partners/services/api/v2/notification", "GET"), Err(Problem::Nothing));
        assert!(is_path(ack) && is_path(ROOT) && !is_path("/partners/services2"));
    }
}
