//! The certificate of a client, as an operator names it.

use std::path::Path;

use crate::clients::KnownCertificate;
use crate::model::Fingerprint;
use crate::x509::{CertificateFacts, pem};

/// Why a text names no certificate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KnownError {
    #[error(
        "{0} is neither the SHA-256 of a certificate, nor subject:COMMUNITY:SUBJECT, nor a file that can be read"
    )]
    Unknown(String),
    #[error("{0} does not begin with a certificate")]
    Content(String),
}

/// The fingerprint of a certificate, with or without `sha256:`; a subject of a community; or the first
/// certificate of a file.
pub(super) fn parse(text: &str) -> Result<KnownCertificate, KnownError> {
    match text.parse::<KnownCertificate>() {
        // It is given by a registration alone.
        Ok(KnownCertificate::Uri { .. }) => return Err(KnownError::Unknown(text.to_owned())),
        Ok(known) => return Ok(known),
        Err(_) => {}
    }
    let digits: String = text.chars().filter(|letter| *letter != ':').collect();
    if let Ok(fingerprint) = digits.to_ascii_lowercase().parse::<Fingerprint>() {
        return Ok(KnownCertificate::Fingerprint(fingerprint));
    }
    let contents =
        crate::cli::input::read(Path::new(text)).map_err(|_| KnownError::Unknown(text.to_owned()))?;
    let content = || KnownError::Content(text.to_owned());
    let certificates = pem::certificates(&contents).map_err(|_| content())?;
    let facts = CertificateFacts::read(certificates.first().ok_or_else(content)?).map_err(|_| content())?;
    if facts.is_ca { Err(content()) } else { Ok(KnownCertificate::Fingerprint(facts.fingerprint)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_9_a_certificate_is_named_in_the_forms_that_tools_print() {
        let digits = Fingerprint::sha256(b"").to_string();
        let colons: Vec<_> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase())
            .collect();
        let known = KnownCertificate::Fingerprint(Fingerprint::sha256(b""));
        for text in [digits.clone(), format!("sha256:{digits}"), colons.join(":")] {
            assert_eq!(parse(&text), Ok(known.clone()), "{text}");
        }
        assert!(matches!(parse("subject:hospital:CN=ehr"), Ok(KnownCertificate::Subject { .. })));
        assert_eq!(parse("/nowhere"), Err(KnownError::Unknown("/nowhere".to_owned())));
    }
}
