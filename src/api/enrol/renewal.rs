//! `simplereenroll`: a renewal, with the certificate that is renewed (RFC 7030 section 4.2.2).

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;

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
        Err(error) => return Ok(unavailable(state, &error)),
    };
    if present.state != State::Issued {
        return Err(RefusedEnrolment::Certificate("revoked"));
    }
    let Owner(owner) = match owner_now(state, &present.record, fingerprint).await {
        Ok(Some(owner)) => owner,
        Ok(None) => return Err(RefusedEnrolment::Certificate("withdrawn")),
        Err(error) => return Ok(unavailable(state, &error)),
    };
    let (head, body) = request.into_parts();
    let body = read_body(&head.headers, body, config.enrol.max_body).await?;
    let policy = Policy::new(&config.enrol, &config.api.environment);
    let checked = policy.check(request_in(body)?, &present.record)?;
    let before = present.record.request.as_ref();
    if before.is_none_or(|before| before.subject != checked.subject)
        || present.record.alternative_names() != Some(checked.alternative_names.clone())
    {
        return Err(RefusedEnrolment::OtherSubject);
    }
    let id = EnrolmentId::for_renewal(fingerprint, checked.key);
    match state.store.enrolment(&id).await {
        Ok(None) => {}
        Ok(Some(known)) => return known_renewal(state, config, &known, &checked),
        Err(error) => return Ok(unavailable(state, &error)),
    }
    let mut renewal = renewal(state, peer, config, (id, fingerprint), &present, &checked);
    renewal.record.reader = owner;
    added(state, config, renewal, &checked).await
}

/// Stores the renewal, and issues its certificate where that is configured.
async fn added(
    state: &ApiState,
    config: &Config,
    renewal: Enrolment,
    checked: &CheckedRequest,
) -> Result<Response<Body>, RefusedEnrolment> {
    let (max_pending, max_renewals) = (config.enrol.max_pending, config.enrol.renewals_per_day);
    match state.store.add_renewal(renewal.clone(), max_pending, max_renewals).await {
        Ok(()) => state.metrics.api.enrolled("requested"),
        Err(StoreError::Enrolment(EnrolmentConflict::Full)) => return Err(RefusedEnrolment::Full),
        Err(StoreError::Enrolment(EnrolmentConflict::TooManyRenewals)) => {
            return Err(RefusedEnrolment::TooMany);
        }
        Err(StoreError::Enrolment(EnrolmentConflict::Withdrawn)) => {
            return Err(RefusedEnrolment::Certificate("withdrawn"));
        }
        // The same request was faster; this one is answered when it comes again.
        Err(StoreError::Enrolment(_)) => return Ok(answer::pending(config.enrol.retry_after)),
        Err(error) => return Ok(unavailable(state, &error)),
    }
    match issued(state, config, renewal).await {
        Some(issued) => polled(state, config, &issued, checked),
        None => Ok(answer::pending(config.enrol.retry_after)),
    }
}

/// Whose the certificate is now, if it still stands: an operator may have suspended or removed the device,
/// the client or its organisation, or taken the certificate from the client. The client to which it belongs
/// now counts, not for whom it was issued. `None`: it does not stand.
async fn owner_now(
    state: &ApiState,
    record: &Record,
    certificate: Fingerprint,
) -> Result<Option<Owner>, StoreError> {
    if record.role == Role::Device {
        let Ok(device) = record.name.parse() else { return Ok(None) };
        let is_active = state.store.device(&device).await?.is_some_and(|device| device.is_active());
        return Ok(is_active.then_some(Owner(None)));
    }
    let itself = KnownCertificate::Fingerprint(certificate);
    if state.store.removed_certificates().await?.contains(&itself) {
        return Ok(None);
    }
    let subject = record.request.as_ref().map(|request| request.subject.as_str());
    let is_known = |known: &KnownCertificate| match known {
        KnownCertificate::Fingerprint(_) => *known == itself,
        KnownCertificate::Subject { subject: own, .. } => subject == Some(own.as_str()),
        KnownCertificate::Uri { uri, .. } => record.uris.contains(uri),
    };
    let clients = state.store.clients().await?;
    let owner = clients
        .iter()
        .find(|client| client.certificates.contains(&itself))
        .or_else(|| clients.iter().find(|client| client.certificates.iter().any(is_known)));
    let Some(owner) = owner else { return Ok(record.reader.is_none().then_some(Owner(None))) };
    let organisations = state.store.organisations().await?;
    let is_active = organisations.iter().any(|own| own.oid == owner.organisation && !own.is_suspended);
    Ok((is_active && !owner.is_suspended).then(|| Owner(Some(owner.id.to_string()))))
}

/// The client to which the certificate belongs, if it belongs to one.
struct Owner(Option<String>);

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
            reader: None,
            uris: before.uris.clone(),
            renews: Some(certificate),
            origin: Some(before.origin.clone().unwrap_or_else(|| present.id.clone())),
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
