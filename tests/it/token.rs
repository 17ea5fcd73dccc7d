//! The platform with its keys in a PKCS#11 token (SoftHSM). Only with the feature `pkcs11`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use crate::harness::{Cli, Credential, Platform, Site, finish, framed, message, s_client, tool};

const PIN: &str = "271828";

/// A token of its own for one test.
struct Token {
    configuration: PathBuf,
}

impl Token {
    fn new(site: &Site) -> Self {
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

    fn import(&self, key: &Path, label: &str, id: &str) {
        let key = key.display().to_string();
        self.util(&["--import", &key, "--token", "pcd", "--label", label, "--id", id]);
        fs::remove_file(key).unwrap();
    }
}

fn private(file: &Path, text: &str) {
    fs::write(file, format!("{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn module() -> &'static str {
    let candidates = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    candidates
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("SoftHSM is not installed: apt-get install softhsm2 (tests/run does it)")
}

fn uri(object: &str, pin: &str) -> String {
    format!("pkcs11:token=pcd;{object};type=private?module-path={}&pin-source={pin}", module())
}

/// A site whose keys, of these kinds, are in a token.
fn site(ecc: KeyType, pin: &str) -> Site {
    let site = Site::new();
    let token = Token::new(&site);
    let issue = |key| site.issue(&CertificateOrder::new("in-a-token", Role::Platform, key));
    let (ecc, rsa) = (issue(ecc), issue(KeyType::Rsa));
    token.import(&ecc.key, "platform-ecc", "0a");
    token.import(&rsa.key, "platform-rsa", "0b");
    let line = |kind: &str, own: &Credential, object: &str| {
        format!("{kind} = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), uri(object, pin))
    };
    let (ecc, rsa) = (line("ecc", &ecc, "object=platform-ecc"), line("rsa", &rsa, "id=%0b"));
    let configuration = token.configuration;
    site.with("tls", &ecc).with("tls", &rsa).with_environment("SOFTHSM2_CONF", configuration)
}

fn acknowledged(site: &Site, platform: &Platform, own: &Credential, more: &[&str]) {
    let client = s_client(site, platform.address, Some(own), more);
    let transcript = finish(client, &framed(&message("DEVICE-1", &more.join(" "))), Some(b"\x1C\r"));
    assert!(
        String::from_utf8_lossy(&transcript.stdout).contains("MSA|CA|"),
        "{more:?}: {}",
        transcript.text()
    );
}

#[test]
fn a11_a_token_signs_handshakes_in_every_scheme() {
    let pkcs1 = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"];
    let pss = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"];
    for (kind, scheme) in [
        (KeyType::Ecc, "ecdsa_secp256r1_sha256"),
        (KeyType::EccP384, "ecdsa_secp384r1_sha384"),
        (KeyType::EccP521, "ecdsa_secp521r1_sha512"),
    ] {
        let site = site(kind, "pin");
        let platform = site.start();
        platform.admit("DEVICE-1", &[]);
        // Of the same kind, because the client signs with what it offers, too.
        let own = site.certificate("DEVICE-1", kind);
        acknowledged(&site, &platform, &own, &["-tls1_2", "-sigalgs", scheme]);
        acknowledged(&site, &platform, &own, &["-tls1_3", "-sigalgs", scheme]);
        if kind == KeyType::Ecc {
            let rsa = site.certificate("DEVICE-1", KeyType::Rsa);
            for scheme in pkcs1.iter().chain(&pss) {
                acknowledged(&site, &platform, &rsa, &["-tls1_2", "-sigalgs", scheme]);
            }
            for scheme in pss {
                acknowledged(&site, &platform, &rsa, &["-tls1_3", "-sigalgs", scheme]);
            }
        }
        // A reload finds library and login as they are.
        platform.signal(rustix::process::Signal::HUP);
        crate::harness::eventually("the configuration was read again", || {
            platform.metric("pcd_audit_events_total{event=\"configuration-changed\"}") == 1.0
        });
        acknowledged(&site, &platform, &own, &["-tls1_3"]);
        let log = platform.stop().log;
        assert!(!log.contains(PIN), "the PIN is in the log");
    }
}

#[test]
fn a11_every_fault_of_a_token_is_named() {
    let refused = |site: &Site, transcript: &str| {
        let (status, found, _) = Cli::of(site).try_run(&["check"]);
        assert_eq!(status.code(), Some(1), "{found}");
        assert!(found.contains(transcript) && !found.contains(PIN), "{found}");
    };
    refused(&site(KeyType::Ecc, "wrong-pin"), "rejects the PIN");
    refused(&site(KeyType::Ecc, "no-pin"), "cannot read the PIN file");
    let site = site(KeyType::Ecc, "pin");
    let other = site.issue(&CertificateOrder::new("other", Role::Platform, KeyType::Ecc));
    let with = |site: Site, object: &str, library: &str| {
        let uri = uri(object, "pin").replace(module(), library);
        site.with("tls", &format!("ecc = {{ chain = \"{}\", key = \"{uri}\" }}", other.chain.display()))
    };
    let site = with(site, "object=missing", module());
    refused(&site, "0 private keys match");
    let site = with(site, "object=platform-ecc", module());
    refused(&site, "does not belong to");
    refused(&with(site, "object=platform-ecc", "/nowhere.so"), "cannot use the PKCS#11 library /nowhere.so");
}
