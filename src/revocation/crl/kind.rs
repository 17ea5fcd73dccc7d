//! Which CRL came from a URL.

use sha2::Digest as _;

use crate::revocation::bounded_map::Identity;
use crate::revocation::crl::Crl;
use crate::x509::ComparableName;

/// Issuer, scope, and whether it is a delta, as the CRL states them. CRLs of one kind succeed each other,
/// unless several issuers have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrlKind {
    /// [`issuer_digest`] of its issuer.
    pub(crate) issuer: Identity,
    /// SHA-256 over its issuingDistributionPoint.
    pub(crate) scope: Identity,
    pub(crate) is_delta: bool,
}

impl CrlKind {
    pub(crate) fn of(crl: &Crl) -> Self {
        let scope = sha2::Sha256::digest(&crl.scope_der).into();
        Self { issuer: issuer_digest(&crl.issuer), scope, is_delta: crl.base.is_some() }
    }
}

/// A digest that names have in common if they match (RFC 5280 7.1).
pub(crate) fn issuer_digest(name: &ComparableName) -> Identity {
    sha2::Sha256::digest(name.prepared()).into()
}
