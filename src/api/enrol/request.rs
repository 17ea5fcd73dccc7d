//! `simpleenroll`: a request with the code of an invitation.

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

use super::answer;
use super::intake::{check_rate, read_body};
use crate::api::gate::basic;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::config::Config;
use crate::enrol::{
    CheckedRequest, Code, Enrolment, EnrolmentId, Policy, RefusedEnrolment, Requested, State, request_in,
};
use crate::store::{EnrolmentConflict, StoreError};
use crate::x509::{bundle, pem};

/// The answer to a request: 202 while it waits, then the certificate.
///
/// # Errors
/// Why it is refused.
pub(super) async fn enrol(
    state: &ApiState,
    peer: &Peer,
    config: &Config,
    request: Request<Incoming>,
) -> Result<Response<Body>, RefusedEnrolment> {
    check_rate(state, peer, config)?;
    let (head, body) = request.into_parts();
    let enrolment = match invited(state, config, &head.headers).await {
        Ok(enrolment) => enrolment,
        Err(Stopped::Refused(refused)) => return Err(refused),
        Err(Stopped::Store(error)) => return Ok(unavailable(state, &error)),
    };
    let body = read_body(&head.headers, body, config.enrol.max_body).await?;
    let policy = Policy::new(&config.enrol, &config.api.environment);
    let checked = policy.check(request_in(body)?, &enrolment.record)?;
    match enrolment.state {
        State::Invited => match state.store.names_of_clients().await {
            Err(error) => Ok(unavailable(state, &error)),
            Ok(others) => {
                let owner = others.owner_of_names(&enrolment, Some(&checked.subject), state.store.now());
                if owner.is_some() {
                    return Err(RefusedEnrolment::NameTaken);
                }
                requested(state, peer, config, enrolment, &checked).await
            }
        },
        _ => polled(state, config, &enrolment, &checked),
    }
}

/// Why there is no enrolment.
enum Stopped {
    Refused(RefusedEnrolment),
    Store(StoreError),
}

impl From<RefusedEnrolment> for Stopped {
    fn from(refused: RefusedEnrolment) -> Self {
        Self::Refused(refused)
    }
}

/// The enrolment whose id and code the request has.
async fn invited(state: &ApiState, config: &Config, headers: &HeaderMap) -> Result<Enrolment, Stopped> {
    let pair = basic(headers).ok_or(RefusedEnrolment::NoCode)?;
    let (user, given) = pair.split_once(':').unwrap_or_default();
    let id: EnrolmentId = user.trim().parse().map_err(|_| RefusedEnrolment::WrongCode)?;
    let found = state.store.enrolment(&id).await.map_err(Stopped::Store)?;
    let enrolment = found.ok_or(RefusedEnrolment::WrongCode)?;
    let hash = enrolment.record.invitation.code.ok_or(RefusedEnrolment::WrongCode)?;
    if enrolment.failed >= config.enrol.max_failed_codes {
        return Err(RefusedEnrolment::Locked.into());
    }
    if !Code::is(&hash, given) {
        state.store.count_wrong_code(id).await.map_err(Stopped::Store)?;
        return Err(RefusedEnrolment::WrongCode.into());
    }
    Ok(standing(state, config, enrolment)?)
}

/// # Errors
/// When nothing more comes of it.
fn standing(state: &ApiState, config: &Config, enrolment: Enrolment) -> Result<Enrolment, RefusedEnrolment> {
    let refused = match enrolment.state {
        State::Invited if enrolment.has_expired(state.store.now()) => RefusedEnrolment::Expired,
        State::Rejected => {
            let decision = enrolment.record.decision.as_ref();
            RefusedEnrolment::Rejected(decision.map(|own| own.reason.clone()).unwrap_or_default())
        }
        State::Revoked => RefusedEnrolment::Revoked,
        State::Invited | State::Pending if enrolment.record.environment != config.api.environment => {
            RefusedEnrolment::EnvironmentChanged
        }
        State::Invited | State::Pending | State::Issued => return Ok(enrolment),
    };
    Err(refused)
}

/// The first request with the code.
async fn requested(
    state: &ApiState,
    peer: &Peer,
    config: &Config,
    mut enrolment: Enrolment,
    checked: &CheckedRequest,
) -> Result<Response<Body>, RefusedEnrolment> {
    let id = enrolment.id.clone();
    enrolment.state = State::Pending;
    enrolment.record.request = Some(Requested::new(checked, peer.address.ip(), state.store.now()));
    match state.store.request_enrolment(enrolment, config.enrol.max_pending).await {
        Ok(()) => {
            state.metrics.api.enrolled("requested");
            Ok(answer::pending(config.enrol.retry_after))
        }
        Err(StoreError::Enrolment(EnrolmentConflict::Full)) => Err(RefusedEnrolment::Full),
        // Another request with this code was faster, or an operator: what is there now decides.
        Err(StoreError::Enrolment(_)) => match state.store.enrolment(&id).await {
            Ok(Some(now)) => polled(state, config, &standing(state, config, now)?, checked),
            Ok(None) => Err(RefusedEnrolment::WrongCode),
            Err(error) => Ok(unavailable(state, &error)),
        },
        Err(error) => Ok(unavailable(state, &error)),
    }
}

/// The same request again.
pub(super) fn polled(
    state: &ApiState,
    config: &Config,
    enrolment: &Enrolment,
    checked: &CheckedRequest,
) -> Result<Response<Body>, RefusedEnrolment> {
    if enrolment.record.request.as_ref().is_none_or(|request| request.key != checked.key) {
        return Err(RefusedEnrolment::CodeUsed);
    }
    let Some(certificate) = enrolment.record.certificate.as_ref() else {
        state.metrics.api.enrolled("pending");
        return Ok(answer::pending(config.enrol.retry_after));
    };
    state.metrics.api.enrolled("issued");
    // RFC 7030 section 4.2.3: only the certificate; its CAs are those of cacerts.
    let chain = pem::certificates(certificate.chain.as_bytes()).unwrap_or_default();
    Ok(answer::certificates(&bundle::encode(chain.iter().take(1).map(Vec::as_slice))))
}

/// The store does not answer.
pub(super) fn unavailable(state: &ApiState, error: &StoreError) -> Response<Body> {
    state.store_failed(error);
    let text = "the platform cannot store requests now; send it again later";
    answer::plain(axum::http::StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", text)
}
