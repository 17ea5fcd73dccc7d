//! A closed site: an ECC and an RSA root, and under each a certificate for the platform and one for a device.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::{fs, io};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Made once for all tests: RSA keys take their time.
pub(crate) static SITE: LazyLock<Site> = LazyLock::new(Site::new);

pub(crate) struct Site {
    pub(crate) ecc: Branch,
    pub(crate) rsa: Branch,
    folder: tempfile::TempDir,
}

/// One kind of key.
pub(crate) struct Branch {
    pub(crate) root: CertificateDer<'static>,
    pub(crate) platform: Leaf,
    pub(crate) device: Leaf,
}

pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    /// Names of files in PEM.
    pub(crate) certificate_file: String,
    pub(crate) key_file: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ecc = Branch::new(folder.path(), "ecc", || {
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()
        });
        let rsa = Branch::new(folder.path(), "rsa", rsa_key);
        let roots = ["ecc", "rsa"]
            .map(|kind| fs::read_to_string(folder.path().join(format!("{kind}-root.pem"))).unwrap());
        fs::write(folder.path().join("roots.pem"), roots.concat()).unwrap();
        Self { ecc, rsa, folder }
    }

    /// Both roots.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ecc.root.clone()).unwrap();
        roots.add(self.rsa.root.clone()).unwrap();
        Arc::new(roots)
    }

    /// A command that runs where `roots.pem` and the files of the leaves are, with its streams piped.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Branch {
    fn new(folder: &Path, kind: &str, generate: impl Fn() -> KeyPair) -> Self {
        let key = generate();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("{kind} root"));
        let root = params.self_signed(&key).unwrap();
        fs::write(folder.join(format!("{kind}-root.pem")), root.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let leaf = |name: &str| Leaf::new(folder, &format!("{kind}-{name}"), generate(), &issuer);
        Self { platform: leaf("platform"), device: leaf("device"), root: root.der().clone() }
    }
}

impl Leaf {
    fn new(folder: &Path, name: &str, key: KeyPair, issuer: &Issuer<'_, KeyPair>) -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, issuer).unwrap();
        let [certificate_file, key_file] = [format!("{name}.pem"), format!("{name}-key.pem")];
        fs::write(folder.join(&certificate_file), certificate.pem()).unwrap();
        fs::write(folder.join(&key_file), key.serialize_pem()).unwrap();
        Self { chain: vec![certificate.der().clone()], key, certificate_file, key_file }
    }

    pub(crate) fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Arc::new(CertifiedKey::from_der(self.chain.clone(), self.private(), &provider).unwrap())
    }
}

fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// A peer that is not installed fails the test that wants it.
pub(crate) fn installed<T>(result: io::Result<T>, package: &str) -> T {
    result.unwrap_or_else(|error| panic!("install the package `{package}`: {error}"))
}
