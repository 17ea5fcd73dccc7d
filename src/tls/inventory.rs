//! The installed certificates: the platform's own, their CAs and the roots.

use super::identity::PlatformIdentity;
use super::trust::Trust;
use crate::audit::{Installed, InstalledRole};
use crate::model::Fingerprint;
use crate::x509::{CertificateFacts, KeyKind};

/// A CA certificate on which connections depend.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The certificate.
    pub facts: CertificateFacts,
    /// Its use.
    pub role: AuthorityRole,
}

/// The use of an [`Authority`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityRole {
    /// A root of devices (A6).
    Root,
    /// A root of devices and of the platform's own certificates.
    SharedRoot,
    /// A root of the platform's own certificates alone.
    PlatformRoot,
    /// A CA between the platform's certificates and their root.
    PlatformCa,
    /// A CA between devices and a root, learnt from their chains since the start.
    DeviceCa,
    /// A root of people (`admin.trust-anchors`).
    PeopleRoot,
    /// A CA in the chain of `admin.certificate`.
    AdminCa,
    /// A root of a trust community (`api.communities`).
    CommunityRoot,
    /// A root of the people who let applications read (`api.user-anchors`).
    UserRoot,
    /// A CA in the chain of `api.identity`.
    ApiCa,
}

impl AuthorityRole {
    /// The stable code, in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Root | Self::SharedRoot => "trust-anchor",
            Self::PlatformRoot => "platform-trust-anchor",
            Self::PlatformCa => "platform-ca",
            Self::DeviceCa => "device-ca",
            Self::PeopleRoot => "people-trust-anchor",
            Self::AdminCa => "admin-ca",
            Self::CommunityRoot => "community-trust-anchor",
            Self::UserRoot => "user-trust-anchor",
            Self::ApiCa => "api-ca",
        }
    }
}

/// The roots, and the CAs in the platform's chains.
pub(super) fn authorities(
    identity: &PlatformIdentity,
    trust: &Trust,
    platform_trust: &Trust,
) -> Vec<Authority> {
    let certifies_platform = |facts: &CertificateFacts| platform_trust.facts.contains(facts);
    let roots = trust.facts.iter().map(|facts| Authority {
        facts: facts.clone(),
        role: if certifies_platform(facts) { AuthorityRole::SharedRoot } else { AuthorityRole::Root },
    });
    let own_roots = platform_trust.facts.iter().filter(|facts| !trust.facts.contains(facts));
    let own_roots =
        own_roots.map(|facts| Authority { facts: facts.clone(), role: AuthorityRole::PlatformRoot });
    let mut all: Vec<_> = roots.chain(own_roots).collect();
    let served = [identity.ecc(), identity.rsa()].into_iter().flatten();
    for der in served.flat_map(|chain| chain.key().cert.iter().skip(1)) {
        if let Ok(facts) = CertificateFacts::read(der)
            && !all.iter().any(|known| known.facts == facts)
        {
            all.push(Authority { facts, role: AuthorityRole::PlatformCa });
        }
    }
    all
}

/// The platform's certificates and the roots, as the audit trail records them: sorted by role and
/// fingerprint, so that the order of files is no change.
pub(super) fn installed_certificates(
    platform: &[CertificateFacts],
    trust: &Trust,
    platform_trust: &Trust,
) -> Vec<Installed> {
    let platform = platform.iter().map(|facts| {
        let role = match facts.key {
            KeyKind::Rsa { .. } => InstalledRole::PlatformRsa,
            _ => InstalledRole::PlatformEcc,
        };
        describe(role, facts)
    });
    let roots = trust.facts.iter().map(|facts| describe(InstalledRole::TrustAnchor, facts));
    let is_own = |facts: &&CertificateFacts| !trust.facts.contains(facts);
    let own_roots = platform_trust.facts.iter().filter(is_own);
    let own_roots = own_roots.map(|facts| describe(InstalledRole::PlatformTrustAnchor, facts));
    let mut all: Vec<_> = platform.chain(roots).chain(own_roots).collect();
    all.sort_by(|one, other| (one.role, &one.fingerprint).cmp(&(other.role, &other.fingerprint)));
    all.dedup();
    all
}

fn describe(role: InstalledRole, facts: &CertificateFacts) -> Installed {
    Installed {
        role,
        fingerprint: facts.fingerprint.to_string(),
        key: Fingerprint::sha256(facts.public_key.bits()).to_string(),
        subject: facts.subject.to_string(),
        serial: facts.serial.to_string(),
    }
}
