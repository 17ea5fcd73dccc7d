//! The PKI as a folder.

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::{Issuer, KeyPair};

use super::authority::Authority;
use super::certify::{self, StatusUrls, Validity};
use super::error::PkiError;
use super::extension;
use super::file::{self, Access};
use super::index::Index;
use super::key::{self, KeyType};
use super::order::{CertificateOrder, Issued};
use crate::model::Clock;

/// A PKI for tests, in a folder.
#[derive(Debug, Clone)]
pub struct TestPki {
    pub(super) dir: PathBuf,
    pub(super) base_url: String,
    pub(super) clock: Clock,
}

impl TestPki {
    /// Where its OCSP responder has to listen, if the certificates name a loopback address for it.
    #[must_use]
    pub fn loopback(&self) -> Option<SocketAddr> {
        let address =
            self.base_url.strip_prefix("http://")?.trim_end_matches('/').parse::<SocketAddr>().ok()?;
        address.ip().is_loopback().then_some(address)
    }

    /// Creates roots, issuing CAs and their first CRLs under `dir`. `base_url` is the URL at which its OCSP
    /// responder and CRLs will be served: `BASE/ocsp` and `BASE/crl/NAME.crl`.
    ///
    /// # Errors
    /// When a PKI exists, the folder cannot be written, or the URL is invalid.
    pub fn init(dir: &Path, base_url: &str, clock: &Clock) -> Result<Self, PkiError> {
        let base_url = checked_base_url(base_url)?;
        file::folder(dir)?;
        claim(dir)?;
        let pki = Self { dir: dir.to_owned(), base_url, clock: clock.clone() };
        for authority in Authority::ALL {
            pki.establish(authority)?;
        }
        Index::new(pki.base_url.clone()).store(dir)?;
        pki.publish_crls(Self::CRL_DAYS)?;
        Ok(pki)
    }

    /// Opens a PKI that [`TestPki::init`] created.
    ///
    /// # Errors
    /// When there is no PKI, or its index is invalid.
    pub fn open(dir: &Path, clock: &Clock) -> Result<Self, PkiError> {
        let index = Index::load(dir)?;
        Ok(Self { dir: dir.to_owned(), base_url: index.base_url, clock: clock.clone() })
    }

    /// Generates a key and issues its certificate, replacing earlier ones of the same subject.
    ///
    /// # Errors
    /// When the order is invalid, or the files cannot be read or written.
    pub fn issue(&self, order: &CertificateOrder) -> Result<Issued, PkiError> {
        let authority = Authority::issuing(order.role, order.key.family());
        let own = StatusUrls::new(&self.base_url, authority);
        let urls = StatusUrls {
            ocsp: order.ocsp_urls.clone().unwrap_or(own.ocsp),
            crl: order.crl_urls.clone().unwrap_or(own.crl),
        };
        let validity = match order.not_before {
            Some(start) => Validity::days(start, order.days)?,
            None => Validity::days_from(self.clock.now(), order.days)?,
        };
        let purposes = order.purposes.clone().unwrap_or_else(|| order.role.purposes());
        let names = certify::alt_names(&certify::platform_names(order.role, &order.sans))?;
        let subject = certify::subject(&order.common_names)?;
        let mut params = certify::end_entity(subject, order.key.family(), &purposes, names, validity, &urls)?;
        if order.must_staple {
            params.custom_extensions.push(extension::must_staple());
        }
        let pair = key::generate(order.key)?;
        let certificate = params.signed_by(&pair, &self.issuer(authority)?);
        let certificate = certificate.map_err(PkiError::make("a certificate"))?;

        let issued = self.issued_files(order);
        file::folder(&self.dir.join(order.role.as_str()))?;
        file::replace(&issued.key, key::pem(&pair).as_bytes(), Access::Private)?;
        let chain = certificate.pem() + &file::read(&self.certificate(authority))?;
        file::replace(&issued.chain, chain.as_bytes(), Access::Public)?;
        Ok(issued)
    }

    /// The files that [`TestPki::issue`] writes for this order.
    #[must_use]
    pub fn issued_files(&self, order: &CertificateOrder) -> Issued {
        let folder = self.dir.join(order.role.as_str());
        let stem = format!("{}.{}", file::file_stem(&order.common_names), order.key.as_str());
        Issued { chain: folder.join(format!("{stem}.chain.pem")), key: folder.join(format!("{stem}.key")) }
    }

    /// The trust anchors: the ECC and the RSA root (A6).
    #[must_use]
    pub fn trust_anchors(&self) -> [PathBuf; 2] {
        [Authority::RootEcc, Authority::RootRsa].map(|root| self.trust_anchor(root))
    }

    /// The certificate of an authority, PEM.
    #[must_use]
    pub fn certificate(&self, authority: Authority) -> PathBuf {
        self.dir.join("ca").join(format!("{}.pem", authority.name()))
    }

    /// The last CRL of an authority, DER.
    #[must_use]
    pub fn crl(&self, authority: Authority) -> PathBuf {
        self.dir.join("crl").join(format!("{}.crl", authority.name()))
    }

    fn trust_anchor(&self, root: Authority) -> PathBuf {
        self.dir.join(format!("{}.pem", root.name()))
    }

    fn key(&self, authority: Authority) -> PathBuf {
        self.dir.join("ca").join(format!("{}.key", authority.name()))
    }

    fn establish(&self, authority: Authority) -> Result<(), PkiError> {
        // P-256 and RSA 2048 throughout: every handshake verifies the signatures of the issuing CA and the
        // root, and P-384 takes ten times as long. RSA 2048 is what the specification's certificates have.
        let pair = key::generate(KeyType::from(authority.family()))?;
        let now = self.clock.now();
        let certificate = match authority.parent() {
            None => {
                let validity = Validity::days_from(now, ROOT_DAYS)?;
                certify::authority(authority, validity, &StatusUrls::default())?.self_signed(&pair)
            }
            Some(parent) => {
                let validity = Validity::days_from(now, ISSUING_DAYS)?;
                let urls = StatusUrls::new(&self.base_url, parent);
                certify::authority(authority, validity, &urls)?.signed_by(&pair, &self.issuer(parent)?)
            }
        };
        let pem = certificate.map_err(PkiError::make("a certificate of a CA"))?.pem();
        file::replace(&self.key(authority), key::pem(&pair).as_bytes(), Access::Private)?;
        file::replace(&self.certificate(authority), pem.as_bytes(), Access::Public)?;
        if authority.parent().is_none() {
            file::replace(&self.trust_anchor(authority), pem.as_bytes(), Access::Public)?;
        }
        Ok(())
    }

    pub(super) fn issuer(&self, authority: Authority) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let pair = self.key_pair(authority)?;
        let certificate = file::read(&self.certificate(authority))?;
        Issuer::from_ca_cert_pem(&certificate, pair)
            .map_err(PkiError::make("a signature: the certificate of the CA is unusable"))
    }

    pub(super) fn key_pair(&self, authority: Authority) -> Result<KeyPair, PkiError> {
        let pair = zeroize::Zeroizing::new(file::read(&self.key(authority))?);
        KeyPair::from_pem(&pair).map_err(PkiError::make("a signature: the key of the CA is unusable"))
    }

    /// The URL of its OCSP responder and CRLs, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The validity of the CRLs that `init` publishes.
    pub const CRL_DAYS: u32 = 30;
}

/// Creates the folder of the CAs and thereby claims `dir`: of two concurrent calls, one succeeds.
fn claim(dir: &Path) -> Result<(), PkiError> {
    let ca = dir.join("ca");
    match DirBuilder::new().mode(0o700).create(&ca) {
        Ok(()) => file::folder(&dir.join("crl")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(PkiError::Exists(ca)),
        Err(source) => Err(PkiError::Write { path: ca, source }),
    }
}

/// Revocation is fetched over plain HTTP only (`https` would need revocation of its own), and rcgen writes
/// IA5.
fn checked_base_url(text: &str) -> Result<String, PkiError> {
    let refused = || PkiError::BaseUrl(text.to_owned());
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("http://").ok_or_else(refused)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'?' | b'#');
    if host.is_empty() || host.starts_with('/') || !host.bytes().all(plain) {
        return Err(refused());
    }
    Ok(url.to_owned())
}

const ROOT_DAYS: u32 = 7300;
const ISSUING_DAYS: u32 = 3650;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_responder_listens_where_the_certificates_say_if_that_is_this_machine_alone() {
        for (base_url, listens) in [
            ("http://127.0.0.1:34433", Some("127.0.0.1:34433")),
            ("http://[::1]:8575", Some("[::1]:8575")),
            ("http://192.0.2.1:8575", None),
            ("http://pki.example:8575", None),
        ] {
            let pki = TestPki { dir: PathBuf::new(), base_url: base_url.to_owned(), clock: Clock::system() };
            assert_eq!(pki.loopback(), listens.map(|text| text.parse().unwrap()), "{base_url}");
        }
    }
}
