//! What the audit trail says of the platform's own certificates and of the roots.

use super::trust::Trust;
use crate::audit::{Installed, InstalledRole};
use crate::model::Fingerprint;
use crate::x509::{CertificateFacts, KeyKind};

/// The platform's own certificates and the roots, each set in an order of its own, so that the order of files is no change.
pub(super) fn installed(own: &[CertificateFacts], trust: &Trust) -> Vec<Installed> {
    let own = own.iter().map(|facts| {
        let role = match facts.key {
            KeyKind::Rsa { .. } => InstalledRole::PlatformRsa,
            _ => InstalledRole::PlatformEcc,
        };
        described(role, facts)
    });
    let roots = trust.facts.iter().map(|facts| described(InstalledRole::TrustAnchor, facts));
    let mut all: Vec<_> = own.chain(roots).collect();
    all.sort_by(|one, other| (one.role, &one.fingerprint).cmp(&(other.role, &other.fingerprint)));
    all.dedup();
    all
}

fn described(role: InstalledRole, facts: &CertificateFacts) -> Installed {
    Installed {
        role,
        fingerprint: facts.fingerprint.to_string(),
        key: Fingerprint::sha256(facts.public_key.bits()).to_string(),
        subject: facts.subject.to_string(),
        serial: facts.serial.to_string(),
    }
}
