//! The CAs to which a device is bound, as an operator names them.

use std::path::Path;

use crate::authz::Device;
use crate::model::KeyHash;
use crate::x509::{CertificateFacts, pem};

/// The options of `device add` and `device change`.
#[derive(Debug, clap::Args)]
pub(crate) struct Issuers {
    /// Admit the device only with a certificate below this CA, so that another installed root cannot certify
    /// it: the SHA-256 of the CA's public key (`pki inspect` shows it), or a file with the CA's certificate;
    /// may be given several times
    ///
    /// A root or an intermediate CA will do. The binding survives a renewal of the CA certificate with the
    /// same key. Name the old and the new key when a CA changes its key.
    #[arg(long, value_name = "SHA256|FILE", value_parser = parse)]
    issuer: Vec<KeyHash>,
}

/// Why a text names no issuer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IssuerError {
    #[error("{0} is neither the SHA-256 of a CA's public key nor a file that can be read")]
    Unknown(String),
    #[error("{0} does not contain exactly one certificate")]
    Content(String),
    #[error("{0} contains the certificate of a device; name the CA that issued it")]
    NotCa(String),
}

impl Issuers {
    /// `device` with the given issuers, which replace its list.
    pub(super) fn applied_to(self, mut device: Device) -> Device {
        if !self.issuer.is_empty() {
            device.issuers = self.issuer;
        }
        device
    }
}

/// The hash of a public key, or that of the CA certificate in a file.
pub(super) fn parse(text: &str) -> Result<KeyHash, IssuerError> {
    if let Ok(hash) = text.parse() {
        return Ok(hash);
    }
    let path = || text.to_owned();
    let contents = crate::cli::input::read(Path::new(text)).map_err(|_| IssuerError::Unknown(path()))?;
    let certificates = pem::certificates(&contents).map_err(|_| IssuerError::Content(path()))?;
    let [certificate] = certificates.as_slice() else { return Err(IssuerError::Content(path())) };
    let facts = CertificateFacts::read(certificate).map_err(|_| IssuerError::Content(path()))?;
    if facts.is_ca { Ok(facts.public_key.hash()) } else { Err(IssuerError::NotCa(path())) }
}
