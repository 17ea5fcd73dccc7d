//! What an operator revokes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::decide::{authority, reject};
use crate::cli::context::failed;
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::enrol::{Decision, Enrolment, EnrolmentId, State};
use crate::model::{Clock, explained};
use crate::pki::{PkiError, RevocationReason, TestPki};
use crate::store::{EnrolmentConflict, Opened, Store, StoreError};

/// What was revoked, and what is missing.
pub(super) struct Revoked {
    /// The enrolment of the certificate first, then those that renew it.
    pub(super) ended: Vec<Enrolment>,
    /// Those whose certificates another CA has issued: only that CA can revoke them for others.
    pub(super) foreign: Vec<EnrolmentId>,
    /// The test PKIs whose CRLs do not have them, and why.
    unpublished: Vec<(PathBuf, PkiError)>,
}

impl Revoked {
    /// # Errors
    /// When CRLs could not be written.
    pub(super) fn require_published(&self) -> Result<(), Failure> {
        let Some((folder, error)) = self.unpublished.first() else { return Ok(()) };
        let id = self.ended.first().map(|own| own.id.to_string()).unwrap_or_default();
        let what = anyhow!(
            "the platform refuses the certificate from now on, but the CRLs of {} do not have it: {}; correct that, and \
             repeat `enrol revoke {id}`",
            folder.display(),
            explained(error)
        );
        Err(Failure::new(Exit::Failed, what))
    }
}

/// Revokes an issued certificate, and those that renew it: who has its key may have renewed it. First in the
/// store, which each node follows; then in the test PKI. May be repeated: what was done is left as it is.
///
/// # Errors
/// When the store does not take it. What is missing in the test PKI is in the result.
pub(super) async fn revoke(
    enrolment: Enrolment,
    reason: String,
    config: &Config,
    store: &Store,
    actor: &str,
) -> Result<Revoked, Failure> {
    let mut ended = vec![end(enrolment, &reason, store, actor).await?];
    let mut next = 0;
    // A renewal of one that is revoked is not stored any more: this ends.
    while let Some(own) = ended.get(next) {
        next += 1;
        let Some(certificate) = own.record.certificate.as_ref().map(|own| own.fingerprint) else { continue };
        for renewal in store.renewals_of(&certificate).await.map_err(failed)? {
            match renewal.state {
                State::Pending => ended.push(reject(renewal, reason.clone(), store, actor).await?),
                State::Issued | State::Revoked => ended.push(end(renewal, &reason, store, actor).await?),
                State::Invited | State::Rejected => {}
            }
        }
    }
    let (foreign, unpublished) = revoke_in_pki(&ended, config);
    Ok(Revoked { ended, foreign, unpublished })
}

async fn end(
    mut enrolment: Enrolment,
    reason: &str,
    store: &Store,
    actor: &str,
) -> Result<Enrolment, Failure> {
    match enrolment.state {
        State::Revoked => return Ok(enrolment),
        State::Issued => {}
        _ => return Err(failed(StoreError::Enrolment(EnrolmentConflict::State))),
    }
    enrolment.state = State::Revoked;
    let decision = Decision { at: store.now(), by: actor.to_owned(), reason: reason.to_owned() };
    enrolment.record.decision = Some(decision);
    let decided = store.decide_enrolment(enrolment.clone(), State::Issued, Opened::default(), actor);
    decided.await.map_err(failed)?;
    Ok(enrolment)
}

/// Lets the test PKIs revoke what they have issued.
fn revoke_in_pki(ended: &[Enrolment], config: &Config) -> (Vec<EnrolmentId>, Vec<(PathBuf, PkiError)>) {
    let (mut foreign, mut by_folder) = (Vec::new(), BTreeMap::<&Path, Vec<&Enrolment>>::new());
    for own in ended.iter().filter(|own| own.state == State::Revoked) {
        match authority(config, own.record.role) {
            Some(folder) => by_folder.entry(folder).or_default().push(own),
            None => foreign.push(own.id.clone()),
        }
    }
    let mut unpublished = Vec::new();
    for (folder, enrolments) in by_folder {
        match publish(folder, &enrolments) {
            Ok(others) => foreign.extend(others),
            Err(error) => unpublished.push((folder.to_owned(), error)),
        }
    }
    (foreign, unpublished)
}

/// Returns those whose certificates another CA has issued.
fn publish(folder: &Path, enrolments: &[&Enrolment]) -> Result<Vec<EnrolmentId>, PkiError> {
    let pki = TestPki::open(folder, &Clock::system())?;
    let mut foreign = Vec::new();
    for own in enrolments {
        let chain = own.record.certificate.as_ref().map(|own| own.chain.as_bytes()).unwrap_or_default();
        match pki.revoke(chain, RevocationReason::Unspecified) {
            // The CRLs may not have been written at that time.
            Ok(_) | Err(PkiError::AlreadyRevoked(_)) => {}
            Err(PkiError::Foreign) => foreign.push(own.id.clone()),
            Err(error) => return Err(error),
        }
    }
    if foreign.len() < enrolments.len() {
        pki.publish_crls(TestPki::CRL_DAYS)?;
    }
    Ok(foreign)
}
