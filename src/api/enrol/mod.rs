//! Enrolment of certificates in the manner of EST (RFC 7030).
//!
//! | path | |
//! |---|---|
//! | `GET /.well-known/est/cacerts` | the CAs of the platform and those that issue (section 4.1) |
//! | `POST /.well-known/est/simpleenroll` | a request, with the code of an invitation (section 4.2) |
//! | `POST /.well-known/est/simplereenroll` | a renewal, with the present certificate (section 4.2.2) |

mod answer;
mod intake;
mod renewal;
mod request;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::peer::Peer;
use super::state::ApiState;
use crate::audit::{EnrolmentEvent, Event, RefusedRead};
use crate::config::Config;
use crate::enrol::RefusedEnrolment;
use crate::model::steps_beside_tasks;
use crate::x509::bundle;

/// Whether the path belongs to enrolment.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Answers a request below `/.well-known/est`.
pub(super) async fn answer(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let config = state.config.load_full();
    let operation = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_post = *request.method() == Method::POST;
    let is_known = ["cacerts", "simpleenroll", "simplereenroll"].contains(&operation.as_str());
    let answered = match operation.as_str() {
        _ if is_known && !config.enrol.enabled => Err(RefusedEnrolment::Disabled),
        "cacerts" if is_get => {
            let authorities = state.acceptor.enrolment_authorities();
            Ok(answer::certificates(&bundle::encode(authorities.iter().map(Vec::as_slice))))
        }
        "simpleenroll" | "simplereenroll" if is_post => {
            let is_renewal = operation == "simplereenroll";
            let taken = take(state, peer, &config, request, is_renewal);
            match tokio::time::timeout(config.api.query_timeout, taken).await {
                Ok(answered) => answered,
                Err(_) => {
                    state.metrics.api.refuse("timeout");
                    let text = "the answer took too long; send the request again";
                    return answer::plain(StatusCode::SERVICE_UNAVAILABLE, "timeout", text);
                }
            }
        }
        "cacerts" => return answer::not_allowed("GET, HEAD"),
        "simpleenroll" | "simplereenroll" => return answer::not_allowed("POST"),
        _ => {
            let text = "enrolment has cacerts, simpleenroll and simplereenroll; keys are made by who enrols";
            return answer::plain(StatusCode::NOT_FOUND, "not-found", text);
        }
    };
    match answered {
        Ok(response) => response,
        Err(refused) => {
            record(state, peer, &refused).await;
            answer::refused(&refused, config.enrol.retry_after)
        }
    }
}

/// A request or a renewal. What a stranger lets the platform compute delays no device.
async fn take(
    state: &ApiState,
    peer: &Peer,
    config: &Config,
    request: Request<Incoming>,
    is_renewal: bool,
) -> Result<Response<Body>, RefusedEnrolment> {
    if is_renewal {
        steps_beside_tasks(Box::pin(renewal::renew(state, peer, config, request))).await
    } else {
        steps_beside_tasks(Box::pin(request::enrol(state, peer, config, request))).await
    }
}

/// Counts and records a refused request.
async fn record(state: &ApiState, peer: &Peer, refused: &RefusedEnrolment) {
    state.metrics.api.refuse(refused.code());
    let certificate = peer.certificate.as_ref().map(|certificate| certificate.recorded());
    let (who, max) = ((refused.code(), peer.address.ip()), state.config.load().api.max_refusal_rows);
    state.refusals.record(&state.store, max, who, certificate, refused_event).await;
}

fn refused_event(refused: Box<RefusedRead>) -> Event {
    Event::Enrolment(EnrolmentEvent::Refused(refused))
}

const PREFIX: &str = "/.well-known/est/";
