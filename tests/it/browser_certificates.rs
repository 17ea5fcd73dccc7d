//! A person with a certificate in Chromium: the browser shows it, and the page knows who reads it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pcd_platform::pki::{Issued, KeyType};
use serde_json::{Value, json};

use crate::harness::{Platform, tool};
use crate::openssl::openssl;
use crate::people_certificates::Ward;

/// The home of a person who runs Chromium: the NSS database that Chromium reads, with the root of the
/// platform's listener.
pub struct Home(tempfile::TempDir);

impl Home {
    /// With this root of the listener.
    pub fn new(root: &Path) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.nss()).unwrap();
        home.certutil(&["-N", "--empty-password"]);
        let root = root.display().to_string();
        home.certutil(&["-A", "-n", "root of the listener", "-t", "C,,", "-i", &root]);
        home
    }

    fn nss(&self) -> PathBuf {
        self.0.path().join(".pki/nssdb")
    }

    fn certutil(&self, words: &[&str]) {
        let database = format!("sql:{}", self.nss().display());
        let done = tool("certutil", "libnss3-tools").args(["-d", &database]).args(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Puts the certificate and the key of a person into the database.
    pub fn install(&self, person: &Issued) {
        let file = self.0.path().join("person.p12");
        let made = openssl(
            "pkcs12 -export -in {} -inkey {} -out {} -passout pass:secret",
            &[&person.chain, &person.key, &file],
        );
        assert!(made.ok, "{}", made.text);
        let database = format!("sql:{}", self.nss().display());
        let mut import = tool("pk12util", "libnss3-tools");
        import.args(["-d", &database, "-W", "secret", "-i"]).arg(&file);
        let done = import.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What Chromium shows at these paths.
    fn visit(&self, platform: &Platform, paths: &[&str]) -> Vec<Value> {
        let urls: Vec<_> = paths.iter().map(|path| format!("https://{}{path}", platform.admin)).collect();
        let seen = self.run("certificate.mjs", &urls);
        assert_eq!(seen.len(), paths.len(), "{seen:?}");
        seen
    }

    /// What a program of tests/peers/pages prints, a line of JSON each.
    pub fn run(&self, script: &str, arguments: &[String]) -> Vec<Value> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("node")
            .arg(root.join("tests/peers/pages").join(script))
            .arg(self.0.path().join("profile"))
            .args(arguments)
            .env("HOME", self.0.path())
            .env("PCD_PAGES_MODULES", root.join("target/peers/pages"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let seen: Vec<Value> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(!seen.is_empty(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        seen
    }
}

/// Lets Chromium choose the certificate for this address by itself, as a site with smart cards has it. Only
/// root can: it is a policy of the machine.
pub struct Policy(PathBuf);

impl Policy {
    /// Of the listener at this address.
    pub fn of(address: SocketAddr) -> Self {
        let folder = Path::new("/etc/chromium/policies/managed");
        fs::create_dir_all(folder).unwrap();
        let file = folder.join(format!("pcd-platform-test-{}.json", address.port()));
        let rule = json!({ "pattern": format!("https://{address}"), "filter": {} }).to_string();
        fs::write(&file, json!({ "AutoSelectCertificateForUrls": [rule] }).to_string()).unwrap();
        Self(file)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_browser_with_a_certificate_opens_the_pages_over_tls_in_the_role_of_its_person() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let ward = Ward::new();
    let platform = ward.site.start();
    platform.admit("00A037FFFE000001", &[]);
    let _policy = Policy::of(platform.admin);
    let root = ward.people.trust_anchors()[0].clone();
    let stranger = Home::new(&root).visit(&platform, &["/", "/help"]);
    assert_eq!((&stranger[0]["status"], &stranger[1]["status"]), (&401.into(), &200.into()), "{stranger:?}");
    for (name, role, status) in [("v.iewer", "viewer", 403), ("m.weber", "operator", 200)] {
        let home = Home::new(&root);
        home.install(&ward.person(name, KeyType::Ecc));
        let seen = home.visit(&platform, &["/", "/devices", "/devices/00A037FFFE000001/suspend"]);
        for page in &seen {
            let who = page["who"].as_str().unwrap_or_else(|| panic!("{page:#}"));
            assert!(who.contains(&format!("{name} ({role})")), "{page:#}");
        }
        assert_eq!((&seen[0]["status"], &seen[1]["status"]), (&200.into(), &200.into()), "{seen:?}");
        assert!(seen[1]["text"].as_str().unwrap().contains("00A037FFFE000001"), "{seen:?}");
        assert_eq!(seen[2]["status"], status, "{name}: {seen:?}");
    }
}
