//! `simplereenroll`: a renewal, with the certificate that is renewed (RFC 7030 section 4.2.2).

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use jiff::SignedDuration;

use super::answer;
use super::intake::{check_rate, read_body};
use super::request::{polled, unavailable};
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::clients::{Client, KnownCertificate};
use crate::config::{Config, Renewal};
use crate::enrol::{
    Certified, CheckedRequest, Decision, Enrolment, EnrolmentId, Invitation, Policy, Record,
    RefusedEnrolment, Requested, Role, State, request_in,
};
use crate::model::{Fingerprint, explained};
use crate::pki;
use crate::store::{EnrolmentConflict, Opened, StoreError};

/// The answer to a renewal: 202 while it waits, then the certificate.
///
/// # Errors
/// Why it is refused.
pub(super) async fn renew(
    state: &ApiState,
    peer: &Peer,
    config: &Config,
    request: Request<Incoming>,
) -> Result<Response<Body>, RefusedEnrolment> {
    check_rate(state, peer, config)?;
    let certificate = peer.certificate.as_ref().ok_or(RefusedEnrolment::NoCertificate)?;
    let counts = state.acceptor.check_renewable(certificate).await;
    let fingerprint = counts.map_err(|refusal| RefusedEnrolment::Certificate(refusal.code()))?;
    let present = match state.store.enrolment_of(&fingerprint).await {
        Ok(Some(present)) => present,
        Ok(None) => return Err(RefusedEnrolment::Certificate("not-enrolled")),
        Err(error) => return Ok(unavailable(&error)),
    };
    if present.state != State::Issued {
        return Err(RefusedEnrolment::Certificate("revoked"));
    }
    match still_stands(state, &present.record, fingerprint).await {
        Ok(true) => {}
        Ok(false) => return Err(RefusedEnrolment::Certificate("withdrawn")),
        Err(error) => return Ok(unavailable(&error)),
    }
    let (head, body) = request.into_parts();
    let body = read_body(&head.headers, body, config.enrol.max_body).await?;
    let policy = Policy::new(&config.enrol, &config.api.environment);
    let checked = policy.check(request_in(body)?, present.record.role, &present.record.name)?;
    if present.record.request.as_ref().is_none_or(|before| before.subject != checked.subject) {
        return Err(RefusedEnrolment::OtherSubject);
    }
    let id = EnrolmentId::for_renewal(fingerprint, checked.key);
    match state.store.enrolment(&id).await {
        Ok(None) => {}
        Ok(Some(known)) => return known_renewal(state, config, &known, &checked),
        Err(error) => return Ok(unavailable(&error)),
    }
    let day = SignedDuration::from_hours(24);
    let since = state.store.now().saturating_sub(day).unwrap_or(jiff::Timestamp::MIN);
    match state.store.renewals(&fingerprint, since).await {
        Ok(count) if count >= u64::from(config.enrol.renewals_per_day) => {
            return Err(RefusedEnrolment::TooMany);
        }
        Ok(_) => {}
        Err(error) => return Ok(unavailable(&error)),
    }
    let renewal = renewal(state, peer, config, (id, fingerprint), &present, &checked);
    match state.store.add_enrolment(renewal.clone(), Some(config.enrol.max_pending), "").await {
        Ok(()) => state.metrics.api.enrolled("requested"),
        Err(StoreError::Enrolment(EnrolmentConflict::Full)) => return Err(RefusedEnrolment::Full),
        // The same request was faster; this one is answered when it comes again.
        Err(StoreError::Enrolment(_)) => return Ok(answer::pending(config.enrol.retry_after)),
        Err(error) => return Ok(unavailable(&error)),
    }
    match issued(state, config, renewal).await {
        Some(issued) => polled(state, config, &issued, &checked),
        None => Ok(answer::pending(config.enrol.retry_after)),
    }
}

/// Whether the certificate still stands for what it was issued for. An operator may have suspended or removed
/// the device, the reader or its organisation, or taken the certificate from the reader.
async fn still_stands(
    state: &ApiState,
    record: &Record,
    certificate: Fingerprint,
) -> Result<bool, StoreError> {
    if record.role == Role::Device {
        let Ok(device) = record.name.parse() else { return Ok(false) };
        return Ok(state.store.device(&device).await?.is_some_and(|device| device.is_active()));
    }
    let Some(reader) = record.reader.as_deref() else { return Ok(true) };
    let Some(client) = client(state, Some(reader)).await? else { return Ok(false) };
    let organisations = state.store.organisations().await?;
    let is_active = organisations.iter().any(|own| own.oid == client.organisation && !own.is_suspended);
    let is_known = client.certificates.contains(&KnownCertificate::Fingerprint(certificate));
    Ok(is_active && is_known && !client.is_suspended)
}

/// The same renewal again.
fn known_renewal(
    state: &ApiState,
    config: &Config,
    known: &Enrolment,
    checked: &CheckedRequest,
) -> Result<Response<Body>, RefusedEnrolment> {
    match known.state {
        State::Rejected => {
            let reason = known.record.decision.as_ref().map(|own| own.reason.clone()).unwrap_or_default();
            Err(RefusedEnrolment::Rejected(reason))
        }
        State::Revoked => Err(RefusedEnrolment::Revoked),
        State::Invited | State::Pending | State::Issued => polled(state, config, known, checked),
    }
}

fn renewal(
    state: &ApiState,
    peer: &Peer,
    config: &Config,
    (id, certificate): (EnrolmentId, Fingerprint),
    present: &Enrolment,
    checked: &CheckedRequest,
) -> Enrolment {
    let (now, before) = (state.store.now(), &present.record);
    Enrolment {
        id,
        state: State::Pending,
        failed: 0,
        record: Record {
            role: before.role,
            name: before.name.clone(),
            environment: config.api.environment.clone(),
            invitation: Invitation { at: now, by: "renewal".to_owned(), expires: now, code: None },
            device: before.device.clone(),
            reader: before.reader.clone(),
            renews: Some(certificate),
            request: Some(Requested::new(checked, peer.address.ip(), now)),
            decision: None,
            certificate: None,
        },
    }
}

/// The renewal with its certificate, where the test PKI issues at once. When it cannot, an operator decides.
async fn issued(state: &ApiState, config: &Config, mut renewal: Enrolment) -> Option<Enrolment> {
    if config.enrol.renewal != Renewal::Automatic {
        return None;
    }
    let folder = config.enrol.authority(renewal.record.role == Role::Device)?;
    let request = renewal.record.request.as_ref()?;
    let chain = pki::issue_enrolled(folder, &renewal, request, config.enrol.days, &state.clock);
    let chain = chain.map_err(|error| {
        tracing::error!(error = %explained(&error), "the test PKI did not renew a certificate; an operator decides");
    });
    renewal.record.certificate = Some(Certified::read(chain.ok()?).ok()?);
    renewal.record.decision =
        Some(Decision { at: state.store.now(), by: ACTOR.to_owned(), reason: String::new() });
    renewal.state = State::Issued;
    let client = client(state, renewal.record.reader.as_deref()).await.ok()?;
    let opened = Opened { device: None, client };
    let decided = state.store.decide_enrolment(renewal.clone(), State::Pending, opened, ACTOR).await;
    match decided {
        Ok(()) => {
            state.metrics.api.enrolled("renewed");
            Some(renewal)
        }
        Err(error) => {
            tracing::error!(error = %explained(&error), "a renewed certificate was not stored; an operator decides");
            None
        }
    }
}

/// The client that gets the certificate.
async fn client(state: &ApiState, reader: Option<&str>) -> Result<Option<Client>, StoreError> {
    let Some(reader) = reader else { return Ok(None) };
    Ok(state.store.clients().await?.into_iter().find(|client| client.id.as_str() == reader))
}

/// Who decides about a renewal that the configuration lets the test PKI issue at once.
const ACTOR: &str = "renewal";
