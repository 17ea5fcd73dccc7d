//! OCSP responses about a platform's certificate and its issuing CA, good ones and others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, KeyType, OcspResponder, OcspSigner, TestPki};
use pcd_platform::revocation::ocsp::Request;
use pcd_platform::revocation::{CertIdHash, IssuedCertificate, Issuer};
use pcd_platform::x509::{CertificateFacts, pem};

use crate::harness::{Credential, Site, authority, command, finish, pki};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Good,
    Missing,
    /// It was good for an hour, two hours ago.
    Stale,
    Revoked,
    /// A good response about the other certificate.
    OfAnother,
    /// A device of the same PKI has signed it.
    OfAStranger,
}

/// A certificate of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Leaf,
    Ca,
}

pub struct StapleMaker {
    folder: PathBuf,
    leaf: IssuedCertificate,
    ca: IssuedCertificate,
    /// Others of the same two issuers.
    others: [IssuedCertificate; 2],
    /// The CAs that have issued the two.
    issuers: [Authority; 2],
    device: Credential,
}

fn facts(file: &Path) -> CertificateFacts {
    CertificateFacts::read(&pem::certificates(&std::fs::read(file).unwrap()).unwrap()[0]).unwrap()
}

impl StapleMaker {
    pub fn new(site: &Site, platforms: [&Credential; 2], key: KeyType, device: &Credential) -> Self {
        let issuers = match key {
            KeyType::Rsa => [Authority::PlatformCaRsa, Authority::RootRsa],
            _ => [Authority::PlatformCaEcc, Authority::RootEcc],
        };
        let [ca, root] = issuers.map(|issuer| facts(&authority(issuer).0));
        let issued = |certificate: CertificateFacts, issuer: &CertificateFacts| IssuedCertificate {
            certificate: Arc::new(certificate),
            issuer: Arc::new(Issuer::from_certificate(issuer)),
        };
        let [leaf, other] = platforms.map(|platform| issued(facts(&platform.chain), &ca));
        let devices = match key {
            KeyType::Rsa => Authority::ComponentCaRsa,
            _ => Authority::ComponentCaEcc,
        };
        let others = [other, issued(facts(&authority(devices).0), &root)];
        let ca = issued(ca, &root);
        Self { folder: site.path().to_owned(), leaf, ca, others, issuers, device: device.clone() }
    }

    const fn of(&self, of: Of) -> (&IssuedCertificate, Authority) {
        match of {
            Of::Leaf => (&self.leaf, self.issuers[0]),
            Of::Ca => (&self.ca, self.issuers[1]),
        }
    }

    /// The response in DER.
    pub fn make(&self, of: Of, kind: Kind) -> Option<Vec<u8>> {
        let now = Timestamp::now();
        match kind {
            Kind::Missing => None,
            Kind::Good => Some(answer(self.of(of).0, now)),
            Kind::Stale => Some(answer(self.of(of).0, now - SignedDuration::from_hours(2))),
            Kind::OfAnother => Some(answer(&self.others[of as usize], now)),
            Kind::Revoked => Some(self.openssl(of, true, None)),
            Kind::OfAStranger => Some(self.openssl(of, false, Some(&self.device))),
        }
    }

    /// A good response with the certificate of its signer: some servers look for the signer there only.
    pub fn good_with_signer(&self, of: Of) -> Vec<u8> {
        self.openssl(of, false, None)
    }

    /// The serial number of a certificate in a request, and what answers it.
    pub fn serial(&self, of: Of) -> &[u8] {
        self.of(of).0.certificate.serial.as_octets()
    }

    /// A response of `openssl ocsp`, signed by the CA or by another signer.
    fn openssl(&self, of: Of, revoked: bool, signer: Option<&Credential>) -> Vec<u8> {
        let (issued, issuer) = self.of(of);
        let serial = issued.certificate.serial.to_string().to_uppercase();
        let file = |name: &str| self.folder.join(format!("{name}.{serial}"));
        let state =
            if revoked { "R\t400101000000Z\t260101000000Z,keyCompromise" } else { "V\t400101000000Z\t" };
        std::fs::write(file("index"), format!("{state}\t{serial}\tunknown\t/CN=x\n")).unwrap();
        std::fs::write(file("request"), request(issued)).unwrap();
        let (ca, key) = authority(issuer);
        let (signer, key) = signer.map_or((ca.clone(), key), |own| (own.chain.clone(), own.key.clone()));
        let mut openssl = command("openssl", "openssl");
        openssl.args(["ocsp", "-nmin", "30", "-index"]).arg(file("index")).arg("-CA").arg(ca);
        openssl.arg("-rsigner").arg(signer).arg("-rkey").arg(key).arg("-reqin").arg(file("request"));
        let done = finish(openssl_out(openssl, &file("response")), b"", None);
        std::fs::read(file("response")).unwrap_or_else(|_| panic!("{}", done.text()))
    }
}

fn request(of: &IssuedCertificate) -> Vec<u8> {
    Request::for_certificate(of, CertIdHash::Sha1, None).to_der()
}

/// A response that is good for an hour from this time.
fn answer(of: &IssuedCertificate, at: Timestamp) -> Vec<u8> {
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let pki = TestPki::open(&dir, &Clock::manual(at)).unwrap();
    let responder = OcspResponder::new(pki, OcspSigner::Ca, SignedDuration::from_hours(1)).unwrap();
    responder.answer(&request(of))
}

fn openssl_out(mut openssl: std::process::Command, file: &Path) -> std::process::Command {
    let _ = std::fs::remove_file(file);
    openssl.arg("-respout").arg(file);
    openssl
}

/// How long a server inside the test takes to answer.
pub const AT_ONCE: Duration = Duration::ZERO;
