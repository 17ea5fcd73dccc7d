//! Sites with a SoftHSM token.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use crate::harness::{Credential, Site, tool};

pub const PIN: &str = "271828";

/// A token of its own for one test.
pub struct Token {
    pub configuration: PathBuf,
}

impl Token {
    pub fn new(site: &Site) -> Self {
        let tokens = site.path().join("tokens");
        fs::create_dir(&tokens).unwrap();
        let configuration = site.path().join("softhsm2.conf");
        fs::write(&configuration, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        private(&site.path().join("pin"), PIN);
        private(&site.path().join("wrong-pin"), "314159");
        let token = Self { configuration };
        token.util(&["--init-token", "--free", "--label", "pcd", "--so-pin", "141421"]);
        token
    }

    fn util(&self, arguments: &[&str]) {
        let mut util = tool("softhsm2-util", "softhsm2");
        util.env("SOFTHSM2_CONF", &self.configuration).args(arguments).args(["--pin", PIN]);
        let output = util.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn import(&self, key: &Path, label: &str, id: &str) {
        let key = key.display().to_string();
        self.util(&["--import", &key, "--token", "pcd", "--label", label, "--id", id]);
        fs::remove_file(key).unwrap();
    }
}

pub fn private(file: &Path, text: &str) {
    fs::write(file, format!("{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn module() -> &'static str {
    let candidates = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    candidates
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("SoftHSM is not installed: apt-get install softhsm2 (tests/run does it)")
}

pub fn uri(object: &str, library: &str, pin: &str) -> String {
    format!("pkcs11:token=pcd;{object};type=private?module-path={library}&pin-source={pin}")
}

/// A site whose keys, of these kinds, are in a token.
pub fn site(ecc: KeyType, pin: &str) -> Site {
    site_with(ecc, pin, module())
}

/// The same, with another library for the token.
pub fn site_with(ecc: KeyType, pin: &str, library: &str) -> Site {
    let site = Site::new();
    let token = Token::new(&site);
    let issue = |key| site.issue(&CertificateOrder::new("in-a-token", Role::Platform, key));
    let (ecc, rsa) = (issue(ecc), issue(KeyType::Rsa));
    token.import(&ecc.key, "platform-ecc", "0a");
    token.import(&rsa.key, "platform-rsa", "0b");
    let line = |kind: &str, own: &Credential, object: &str| {
        format!("{kind} = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), uri(object, library, pin))
    };
    let (ecc, rsa) = (line("ecc", &ecc, "object=platform-ecc"), line("rsa", &rsa, "id=%0b"));
    let configuration = token.configuration;
    site.with("tls", &ecc).with("tls", &rsa).with_environment("SOFTHSM2_CONF", configuration)
}
