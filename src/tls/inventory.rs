//! The installed certificates as the audit trail records them: the platform's own and the roots.

use super::trust::Trust;
use crate::audit::{Installed, InstalledRole};
use crate::model::Fingerprint;
use crate::x509::{CertificateFacts, KeyKind};

/// The platform's certificates and the roots, sorted by role and fingerprint, so that the order of files is
/// no change.
pub(super) fn installed_certificates(platform: &[CertificateFacts], trust: &Trust) -> Vec<Installed> {
    let platform = platform.iter().map(|facts| {
        let role = match facts.key {
            KeyKind::Rsa { .. } => InstalledRole::PlatformRsa,
            _ => InstalledRole::PlatformEcc,
        };
        describe(role, facts)
    });
    let roots = trust.facts.iter().map(|facts| describe(InstalledRole::TrustAnchor, facts));
    let mut all: Vec<_> = platform.chain(roots).collect();
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
