//! Trust communities, loaded: whose certificates read, the roots of devices, whose certificates renew, and
//! the roots of the people who let applications read.

use std::sync::Arc;
use std::time::Duration;

use rustls::DistinguishedName as Subject;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::refusal::HandshakeError;
use super::trust::{Trust, TrustError};
use super::verifier::{AdmissionPolicy, Caches, PeerVerifier};
use crate::authz::DirectoryHandle;
use crate::config::{Community, Config};
use crate::model::{Clock, Refusal};
use crate::revocation::{Engine, IssuedCertificate};
use crate::x509::CertificateFacts;

/// A trust community, loaded.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Arc<str>,
    pub(super) verifier: PeerVerifier,
}

impl Member {
    /// Every community of the configuration.
    pub(super) fn load_all(
        config: &Config,
        revocation: &Engine,
        clock: &Clock,
    ) -> Result<Vec<Self>, TrustError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let load = |community| Self::load(community, config, revocation, clock, algorithms);
        config.api.communities.iter().map(load).collect()
    }

    /// The roots of devices, where they renew their certificates, or must not be taken for people.
    pub(super) fn load_devices(
        config: &Config,
        revocation: &Engine,
        clock: &Clock,
    ) -> Result<Option<Self>, TrustError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let anchors = config.tls.client_trust_anchors.clone();
        let community = Community { name: "devices".to_owned(), anchors, ..Community::default() };
        let load = || Self::load(&community, config, revocation, clock, algorithms);
        (config.enrol.enabled || config.api.has_users()).then(load).transpose()
    }

    /// The roots of the people who let applications read, if there are any.
    pub(super) fn load_users(
        config: &Config,
        revocation: &Engine,
        clock: &Clock,
    ) -> Result<Option<Self>, TrustError> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let own = &config.api;
        let community = Community {
            name: "users".to_owned(),
            anchors: own.user_anchors.clone(),
            policies: own.user_policies.clone(),
            ekus: own.user_ekus.clone(),
        };
        let load = || Self::load(&community, config, revocation, clock, algorithms);
        config.api.has_users().then(load).transpose()
    }

    /// Checks that these roots are none of others: a certificate says by its root whose it is.
    ///
    /// # Errors
    /// When one of them has the key of another's root.
    pub(super) fn check_apart<'m>(
        &self,
        mut others: impl Iterator<Item = &'m Self>,
    ) -> Result<(), TrustError> {
        let own = &self.verifier.trust.facts;
        let shared = |other: &Self| {
            let roots = &other.verifier.trust.facts;
            let is_known =
                |root: &&CertificateFacts| roots.iter().any(|known| known.public_key == root.public_key);
            own.iter().find(is_known).map(|root| (root.subject.to_string(), other.name.to_string()))
        };
        match others.find_map(shared) {
            Some((subject, of)) => Err(TrustError::SharedRoot { subject, of }),
            None => Ok(()),
        }
    }

    /// Checks that a certificate with this path counts now: by the roots, by the time, and by what is known
    /// of its revocation (A9). Asks a responder where that is not known.
    ///
    /// # Errors
    /// Why it does not count.
    pub(super) async fn check_now(
        &self,
        path: &Arc<[IssuedCertificate]>,
        clock: &Clock,
    ) -> Result<(), Refusal> {
        if let Some(refusal) = self.verifier.lost_admission(path, clock.now()) {
            return Err(refusal);
        }
        self.verifier.revocation_refusal(path).await.map_or(Ok(()), Err)
    }

    /// The first community to which the chain leads; revocation is not asked for.
    ///
    /// # Errors
    /// The reason that says most.
    pub(super) fn find(
        members: &[Self],
        chain: &[CertificateDer<'static>],
        clock: &Clock,
    ) -> Result<(Arc<str>, Arc<[IssuedCertificate]>), Refusal> {
        let seconds = u64::try_from(clock.now().as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let mut failed: Option<HandshakeError> = None;
        for member in members {
            match member.verifier.check_presented(chain.to_vec(), now) {
                Ok(presented) => return Ok((Arc::clone(&member.name), presented.into_parts().1)),
                // A CA of this community has issued it: what the others say is that they do not know it.
                Err(error) if failed.as_ref().is_none_or(|known| error.is_issued && !known.is_issued) => {
                    failed = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(failed.map_or(Refusal::UntrustedIssuer, |error| error.refusal))
    }

    fn load(
        community: &Community,
        config: &Config,
        revocation: &Engine,
        clock: &Clock,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, TrustError> {
        let skew = config.revocation.clock_skew;
        // The roots of hospital systems may all have ended: they read nothing then, and devices go on.
        let trust = Trust::load_those_fit(&community.anchors, clock.now(), skew)?;
        for anchor in &trust.unfit {
            tracing::error!(
                community = community.name,
                subject = anchor.subject,
                reason = %anchor.reason,
                "a root of the listener for hospital systems is not used; who chains to it is refused"
            );
        }
        let verifier = PeerVerifier {
            trust,
            revocation: revocation.clone(),
            // Its own: the CAs of a community are none of devices.
            caches: Caches::default(),
            directory: DirectoryHandle::default(),
            algorithms,
            policy: AdmissionPolicy::from_config(config).of_community(community),
        };
        Ok(Self { name: community.name.as_str().into(), verifier })
    }
}

/// The names of the roots, for CertificateRequest; none where they are too long: then a client chooses.
pub(super) fn hints<'m>(members: impl Iterator<Item = &'m Member>) -> Vec<Subject> {
    let all = members.flat_map(|member| &member.verifier.trust.subjects);
    let names: Vec<Subject> = all.cloned().collect();
    let bytes: usize = names.iter().map(|name| name.as_ref().len()).sum();
    if bytes > MAX_HINTS { Vec::new() } else { names }
}

/// Bytes of the names of roots in a CertificateRequest.
const MAX_HINTS: usize = 8 << 10;
