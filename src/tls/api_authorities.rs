//! The CAs that the listener for hospital systems gives out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;

use super::acceptor::AcceptorError;
use super::file;
use super::identity::PlatformIdentity;
use super::trust::TrustError;
use crate::config::Config;
use crate::x509::CertificateFacts;

/// The CAs in the chains of an identity, and the installed roots that issued the last of them.
pub(super) fn authorities(
    identity: &PlatformIdentity,
    config: &Config,
) -> Result<Vec<CertificateDer<'static>>, AcceptorError> {
    let chains: Vec<_> = identity.servable_chains().collect();
    let mut found: Vec<CertificateDer<'static>> = Vec::new();
    for chain in &chains {
        found.extend(chain.key().cert.iter().skip(1).cloned());
    }
    let last = chains.iter().filter_map(|chain| CertificateFacts::read(chain.key().cert.last()?).ok());
    let issuers: Vec<_> = last.map(|facts| facts.issuer).collect();
    for path in config.tls.roots_of_platform() {
        for root in file::trust_bundle(path).map_err(TrustError::from)? {
            if CertificateFacts::read(&root).is_ok_and(|facts| issuers.contains(&facts.subject)) {
                found.push(root);
            }
        }
    }
    Ok(once(found))
}

/// These CAs, and those that issue to who enrols.
pub(super) fn enrolment_authorities(
    mut found: Vec<CertificateDer<'static>>,
    config: &Config,
) -> Result<Vec<Vec<u8>>, AcceptorError> {
    if config.enrol.enabled {
        for path in config.enrol.authority_files() {
            found.extend(file::trust_bundle(&path).map_err(TrustError::from)?);
        }
    }
    Ok(once(found).iter().map(|der| der.to_vec()).collect())
}

fn once(found: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let is_first = |at: &usize| !found.iter().take(*at).any(|other| Some(other) == found.get(*at));
    (0..found.len()).filter(is_first).filter_map(|at| found.get(at).cloned()).collect()
}

/// RFC 7468 section 5.
pub(super) fn in_pem(der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let lines = digits.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")
}
