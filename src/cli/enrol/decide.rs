//! What operators decide about a request.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::app::{ExaminedPartner, examine_enrolled};
use crate::authz::Device;
use crate::cli::context::failed;
use crate::cli::{Exit, Failure, input};
use crate::clients::Client;
use crate::config::Config;
use crate::enrol::{Certified, Decision, Enrolment, Policy, Requested, Role, State};
use crate::model::{Clock, DeviceId};
use crate::pki;
use crate::store::{EnrolmentConflict, Opened, Store, StoreError};
use crate::x509::{CertificateFacts, bundle};

/// A request for another CA.
#[derive(Debug, Serialize)]
pub(super) struct Exported<'a> {
    id: &'a str,
    /// PEM.
    pub(super) request: String,
}

impl<'a> Exported<'a> {
    pub(super) fn new(enrolment: &'a Enrolment) -> Result<Self, Failure> {
        let request = requested(enrolment)?;
        let lines = request.der.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok());
        let lines: String = lines.flat_map(|line| [line, "\n"]).collect();
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n");
        Ok(Self { id: enrolment.id.as_str(), request: pem })
    }
}

/// Lets the test PKI issue the certificate.
pub(super) async fn approve(
    enrolment: Enrolment,
    days: Option<u32>,
    config: &Config,
    store: &Store,
    actor: &str,
) -> Result<Enrolment, Failure> {
    let request = pending(&enrolment)?;
    let role = enrolment.record.role;
    let Some(folder) = authority(config, role) else {
        let key = if role == Role::Device { "enrol.device-authority" } else { "enrol.client-authority" };
        let what = anyhow!(
            "there is no test PKI for this role ({key}); print the request by `enrol export {id}`, and give its certificate to \
             `enrol import {id}`",
            id = enrolment.id
        );
        return Err(Failure::new(Exit::Config, what));
    };
    check_policy(&enrolment, request, config)?;
    check_names(&enrolment, request, store).await?;
    let days = days.unwrap_or(config.enrol.days);
    let chain = pki::issue_enrolled(folder, &enrolment, request, days, &Clock::system())?;
    let certificates = bundle::certificates(chain.as_bytes()).context("cannot use the issued certificate")?;
    require_accepted(&enrolment, certificates, config, store).await?;
    issue(enrolment, chain, store, actor).await
}

/// Takes the certificate that another CA has issued.
pub(super) async fn import(
    enrolment: Enrolment,
    file: &Path,
    config: &Config,
    store: &Store,
    actor: &str,
) -> Result<Enrolment, Failure> {
    let request = pending(&enrolment)?;
    check_policy(&enrolment, request, config)?;
    check_names(&enrolment, request, store).await?;
    let unusable = || format!("cannot use {}", file.display());
    let contents = input::read(file).with_context(unusable)?;
    let mut certificates = bundle::certificates(&contents).with_context(unusable)?;
    let is_own =
        |der: &Vec<u8>| CertificateFacts::read(der).is_ok_and(|facts| facts.public_key.hash() == request.key);
    let place = certificates.iter().position(is_own);
    let place = place.ok_or_else(|| refused("no certificate in the file is for the key of the request"))?;
    certificates.swap(0, place);
    let facts = certificates.first().map(|der| CertificateFacts::read(der)).transpose()?;
    let subject = facts.as_ref().map(|facts| facts.subject.to_string()).unwrap_or_default();
    if subject != request.subject {
        let what = format!("the certificate is for {subject}, the request for {}", request.subject);
        return Err(refused(&what));
    }
    require_accepted(&enrolment, certificates.clone(), config, store).await?;
    // What was approved, and nothing else: another name would open what that opens.
    let mut names = facts.map(|facts| facts.extensions.alternative_names).unwrap_or_default();
    names.sort_unstable();
    let asked = enrolment.record.alternative_names().unwrap_or_default();
    if names != asked {
        let shown = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let what = format!(
            "the alternative names of the certificate are {}, of the request {}",
            shown(&names),
            shown(&asked)
        );
        return Err(refused(&what));
    }
    let chain = certificates.iter().map(|der| in_pem(der)).collect();
    issue(enrolment, chain, store, actor).await
}

/// The listeners have to accept the certificate: its owner would be refused, and learn no reason.
async fn require_accepted(
    enrolment: &Enrolment,
    certificates: Vec<Vec<u8>>,
    config: &Config,
    store: &Store,
) -> Result<(), Failure> {
    let device = entry(enrolment, store).await?;
    let known = store.devices().await.map_err(failed)?.into_iter().chain(device).collect();
    let partner = ExaminedPartner { role: enrolment.record.role, name: &enrolment.record.name };
    let examined = examine_enrolled(config, partner, known, certificates, &Clock::system());
    let examined = examined.map_err(|error| Failure::new(Exit::Config, error))?;
    examined.map_err(|code| {
        let what = format!("the certificate would be refused: {code}; `pcd-platform help {code}` says why");
        refused(&what)
    })
}

/// Rejects a request, or withdraws an invitation.
pub(super) async fn reject(
    mut enrolment: Enrolment,
    reason: String,
    store: &Store,
    actor: &str,
) -> Result<Enrolment, Failure> {
    let from = enrolment.state;
    if !matches!(from, State::Invited | State::Pending) {
        return Err(failed(StoreError::Enrolment(EnrolmentConflict::State)));
    }
    enrolment.state = State::Rejected;
    enrolment.record.decision = Some(Decision { at: store.now(), by: actor.to_owned(), reason });
    store.decide_enrolment(enrolment.clone(), from, Opened::default(), actor).await.map_err(failed)?;
    Ok(enrolment)
}

/// The enrolment has its certificate, and what this opens is opened.
async fn issue(
    mut enrolment: Enrolment,
    chain: String,
    store: &Store,
    actor: &str,
) -> Result<Enrolment, Failure> {
    let opened = Opened { device: entry(&enrolment, store).await?, client: reader(&enrolment, store).await? };
    let certificate = Certified::read(chain)?;
    enrolment.state = State::Issued;
    let decision = Decision { at: store.now(), by: actor.to_owned(), reason: String::new() };
    enrolment.record.decision = Some(decision);
    enrolment.record.certificate = Some(certificate);
    store.decide_enrolment(enrolment.clone(), State::Pending, opened, actor).await.map_err(failed)?;
    Ok(enrolment)
}

/// The new entry of the directory; none for a device that has one.
async fn entry(enrolment: &Enrolment, store: &Store) -> Result<Option<Device>, Failure> {
    let Some(invited) = &enrolment.record.device else { return Ok(None) };
    let id: DeviceId = enrolment.record.name.parse()?;
    if store.device(&id).await.map_err(failed)?.is_some() {
        return Ok(None);
    }
    let entry = invited.entry(id).ok_or_else(|| anyhow!("the stored entry of the device cannot be read"))?;
    Ok(Some(entry))
}

/// The client that gets the certificate.
async fn reader(enrolment: &Enrolment, store: &Store) -> Result<Option<Client>, Failure> {
    let Some(reader) = &enrolment.record.reader else { return Ok(None) };
    let found =
        store.clients().await.map_err(failed)?.into_iter().find(|client| client.id.as_str() == reader);
    Ok(Some(found.ok_or_else(|| anyhow!("there is no client {reader} any more; reject this request"))?))
}

/// The policy may have changed since the request was taken.
fn check_policy(enrolment: &Enrolment, request: &Requested, config: &Config) -> Result<(), Failure> {
    let policy = Policy::new(&config.enrol, &config.api.environment);
    let checked = policy.check(request.in_der(), &enrolment.record);
    checked.map(drop).map_err(|error| refused(&error.text()))
}

/// Another client may have got a name since the request was taken.
async fn check_names(enrolment: &Enrolment, request: &Requested, store: &Store) -> Result<(), Failure> {
    let others = store.names_of_clients().await.map_err(failed)?;
    match others.owner_of_names(enrolment, Some(&request.subject), store.now()) {
        None => Ok(()),
        Some(owner) => Err(refused(&format!(
            "{owner} is known by the subject, or by a URI, of this request; reject it, or remove that"
        ))),
    }
}

pub(super) fn authority(config: &Config, role: Role) -> Option<&Path> {
    config.enrol.authority(role == Role::Device)
}

fn pending(enrolment: &Enrolment) -> Result<&Requested, Failure> {
    let request = requested(enrolment)?;
    match enrolment.state {
        State::Pending => Ok(request),
        _ => Err(failed(StoreError::Enrolment(EnrolmentConflict::State))),
    }
}

fn requested(enrolment: &Enrolment) -> Result<&Requested, Failure> {
    let missing = || anyhow!("no request has come for {} yet", enrolment.id);
    Ok(enrolment.record.request.as_ref().ok_or_else(missing)?)
}

fn refused(what: &str) -> Failure {
    Failure::new(Exit::Failed, anyhow!("{what}"))
}

/// RFC 7468 section 5.
fn in_pem(der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let lines = digits.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
}
