//! The validation of one path (RFC 5280 section 6.1), without revocation.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::candidate::Candidate;
use super::error::{PathError, Stage};
use super::name_constraints::ConstraintState;
use super::policy::PolicyState;
use super::signature;
use crate::model::Refusal;
use crate::tls::anchor_fitness::UnfitReason;
use crate::tls::ca_cache::{CaCache, CaCertificate};
use crate::tls::key_policy::accepts_key;
use crate::tls::signature_cache::CachingAlgorithm;
use crate::tls::trust::{Anchor, Trust};
use crate::x509::{CertificateFacts, KeyPurpose, PathExtensions, PolicyId};

/// What decides besides the certificates.
#[derive(Debug)]
pub(in crate::tls) struct Rules<'a> {
    pub(in crate::tls) trust: &'a Trust,
    pub(in crate::tls) algorithms: &'a [CachingAlgorithm<'a>],
    pub(in crate::tls) ca_certificates: &'a CaCache,
    pub(in crate::tls) rsa_bits: (usize, usize),
    pub(in crate::tls) now: Timestamp,
    pub(in crate::tls) clock_skew: Duration,
    /// Policies one of which the path must be valid for; empty: none is required.
    pub(in crate::tls) required_policies: &'a [PolicyId],
    /// Purposes that the client's certificate must have.
    pub(in crate::tls) required_purposes: &'a [KeyPurpose],
}

/// A path that is valid, apart from revocation.
#[derive(Debug)]
pub(in crate::tls) struct ValidPath<'a> {
    /// The CAs above the client's certificate, the issuing CA first, with their DER. Without the root.
    pub(in crate::tls) authorities: Vec<(&'a [u8], CaCertificate)>,
    pub(in crate::tls) anchor: Anchor<'a>,
}

/// A certificate of the path, ready for the rules.
struct Member<'a> {
    facts: &'a CertificateFacts,
    extensions: &'a PathExtensions,
    is_self_issued: bool,
}

impl Rules<'_> {
    /// Validates the path of these candidates, the client's certificate first, to this anchor.
    pub(super) fn validate<'a>(
        &self,
        path: &[&'a Candidate<'a>],
        leaf: &Arc<CertificateFacts>,
        anchor: Anchor<'a>,
    ) -> Result<ValidPath<'a>, PathError> {
        self.verify_signatures(path, anchor)?;
        // From here on, a CA whose root is installed has signed every certificate.
        let malformed = || PathError::rule(Refusal::MalformedCertificate);
        let Some((leaf_candidate, above)) = path.split_first() else { return Err(malformed()) };
        let mut authorities = Vec::with_capacity(above.len());
        for candidate in above {
            let authority = self.ca_certificates.read(candidate.der).map_err(|_| malformed())?;
            authorities.push((candidate.der, authority));
        }
        let extensions = PathExtensions::read(leaf_candidate.der).map_err(|_| malformed())?;
        let is_self_issued = leaf_candidate.is_self_issued();
        let own = Member { facts: leaf, extensions: &extensions, is_self_issued };
        let members = above.iter().zip(&authorities).map(|(candidate, (_, authority))| Member {
            facts: &authority.facts,
            extensions: &authority.extensions,
            is_self_issued: candidate.is_self_issued(),
        });
        self.apply(&own, &members.rev().collect::<Vec<_>>(), anchor)?;
        if !self.accepts(leaf_candidate) {
            return Err(PathError::rule(Refusal::UnacceptableKey).of_leaf());
        }
        Ok(ValidPath { authorities, anchor })
    }

    /// Verifies each signature from the root downwards, so that the first forged certificate ends the work.
    fn verify_signatures(&self, path: &[&Candidate<'_>], anchor: Anchor<'_>) -> Result<(), PathError> {
        let fail = |refusal| PathError::new(Stage::Signatures, refusal);
        let mut key = anchor.trust_anchor.subject_public_key_info.as_ref();
        for (place, candidate) in path.iter().enumerate().rev() {
            signature::verify(self.algorithms, key, &candidate.signed).map_err(fail)?;
            key = candidate.public_key;
            // The key of the client's certificate verifies nothing here.
            if place > 0 && !self.accepts(candidate) {
                return Err(fail(Refusal::UnacceptableKey));
            }
        }
        Ok(())
    }

    /// A0 holds for each certificate below the root; the operator has chosen the roots.
    fn accepts(&self, candidate: &Candidate<'_>) -> bool {
        candidate.key.is_some_and(|key| accepts_key(key, self.rsa_bits))
    }

    /// Sections 6.1.2 to 6.1.5 for CAs from the root downwards and the client's certificate.
    fn apply(
        &self,
        own: &Member<'_>,
        authorities: &[Member<'_>],
        anchor: Anchor<'_>,
    ) -> Result<(), PathError> {
        let malformed = || PathError::rule(Refusal::MalformedCertificate);
        let anchor_extensions = anchor.extensions.ok_or_else(malformed)?;
        let counted = authorities.iter().filter(|authority| !authority.is_self_issued).count();
        self.trust
            .check_anchor(anchor.issuer, counted, self.now, self.clock_skew)
            .map_err(PathError::rule)?;
        let mut policies = PolicyState::new(authorities.len().saturating_add(1), self.required_policies);
        let mut constraints = ConstraintState::default();
        constraints.add(anchor_extensions);
        let mut max_path_length = u32::MAX;
        for authority in authorities {
            let Member { facts, extensions, is_self_issued } = *authority;
            self.check_each(authority, &[KeyPurpose::ClientAuth, KeyPurpose::Any])?;
            if !is_self_issued {
                constraints.check(extensions)?;
            }
            policies.process(extensions, is_self_issued).map_err(PathError::rule)?;
            // Section 6.1.4 (k), (n); webpki calls this an end entity that is used as a CA.
            if !facts.is_ca || facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
                return Err(malformed());
            }
            policies.prepare(extensions, is_self_issued).map_err(PathError::rule)?;
            constraints.add(extensions);
            if !is_self_issued {
                max_path_length = max_path_length.checked_sub(1).ok_or_else(malformed)?;
            }
            max_path_length = facts.path_length.map_or(max_path_length, |own| own.min(max_path_length));
        }
        self.apply_to_leaf(own, policies, constraints).map_err(PathError::of_leaf)
    }

    /// Section 6.1.5.
    fn apply_to_leaf(
        &self,
        own: &Member<'_>,
        mut policies: PolicyState,
        mut constraints: ConstraintState<'_>,
    ) -> Result<(), PathError> {
        self.check_each(own, &[KeyPurpose::ClientAuth])?;
        if self.required_purposes.iter().any(|purpose| !own.facts.purposes.contains(purpose)) {
            return Err(PathError::rule(Refusal::WrongPurpose));
        }
        constraints.check(own.extensions)?;
        policies.process(own.extensions, false).map_err(PathError::rule)?;
        // A CA certificate is not that of a device.
        if own.facts.is_ca {
            return Err(PathError::rule(Refusal::MalformedCertificate));
        }
        policies.finish(own.extensions).map_err(PathError::rule)
    }

    /// What holds for every certificate below the root. It has one of these purposes, if it has any.
    fn check_each(&self, member: &Member<'_>, suitable: &[KeyPurpose]) -> Result<(), PathError> {
        match UnfitReason::find_in_dates(member.facts, self.now, self.clock_skew) {
            Some(UnfitReason::Expired(_)) => return Err(PathError::rule(Refusal::Expired)),
            Some(_) => return Err(PathError::rule(Refusal::NotYetValid)),
            None => {}
        }
        if let Some(oid) = &member.extensions.unsupported {
            return Err(PathError::unsupported(oid.clone()));
        }
        // As webpki, CAs are limited by their extended key usage as well. anyExtendedKeyUsage limits no CA;
        // in a device's certificate it names no use (RFC 5280 4.2.1.12).
        let purposes = &member.facts.purposes;
        if !purposes.is_empty() && !purposes.iter().any(|purpose| suitable.contains(purpose)) {
            return Err(PathError::rule(Refusal::WrongPurpose));
        }
        Ok(())
    }
}
