//! The set-up of PostgreSQL as `docs/howto/postgresql.md` describes it, step by step, with a server that has
//! a certificate. Only names differ: the server, the folder, and the passwords.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pcd_platform::pki::KeyType;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::harness::cluster::Cluster;
use crate::harness::{Site, Wire, framed, message};

const PAGE: &str = include_str!("../../docs/howto/postgresql.md");
const NAME: &str = "00A037FFFE000001";
const PASSWORDS: [&str; 2] = ["owner-s3cret", "serving-s3cret"];

/// The block of code in a language that begins with this line.
fn block(language: &str, first_line: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(fence.as_str()).skip(1).filter_map(|block| block.split("```").next());
    let mut found = blocks.filter(|block| block.lines().next() == Some(first_line));
    let block = found.next().unwrap_or_else(|| panic!("no block begins with {first_line}"));
    assert!(found.next().is_none(), "two blocks begin with {first_line}");
    block
}

/// A server that asks for passwords and has a certificate for `localhost`; its authority is in `ca`.
fn server_with_tls(ca: &Path) -> Cluster {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority of the server");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    std::fs::write(ca, authority.pem()).unwrap();
    let server = Cluster::start();
    server.serve_tls(&certificate.pem(), &key.serialize_pem());
    server
}

struct Machine {
    site: Site,
    port: u16,
}

impl Machine {
    /// The text with the names of this machine.
    fn own(&self, text: &str) -> String {
        let folder = self.site.path().display().to_string();
        text.replace("host=db.example", &format!("host=localhost port={}", self.port))
            .replace("db.example", &format!("localhost:{}", self.port))
            .replace("/etc/pcd-platform", &folder)
    }

    fn shell(&self, script: &str, input: &str) -> Output {
        let program = Path::new(crate::harness::program());
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["-euc", &self.own(script)])
            .current_dir(self.site.path())
            .env("PATH", path)
            .env("PCD_CONFIG", self.site.write_configuration())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a block of the page, which has to succeed; its output.
    fn follow(&self, first_line: &str, input: &str) -> String {
        let output = self.shell(block("sh", first_line), input);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(output.status.success(), "{first_line}: {text}");
        text
    }
}

#[test]
fn the_documented_set_up_works_step_by_step() {
    let site = Site::new();
    let server = server_with_tls(&site.path().join("db-ca.pem"));
    let roles = block("sql", "-- as an administrator, once");
    let roles = PASSWORDS
        .iter()
        .fold(roles.to_owned(), |roles, password| roles.replacen("'...'", &format!("'{password}'"), 1));
    for statement in roles.split_inclusive(';').filter(|text| text.contains(';')) {
        server.sql("postgres", statement);
    }
    let mut machine = Machine { site, port: server.port() };
    for line in block("toml", "[store]").lines().skip(1) {
        let line = machine.own(line);
        machine.site = machine.site.with("store", &line);
    }
    let [owner, serving] = PASSWORDS;
    machine
        .follow("# on the platform's machine, as the user of the service", &format!("{serving}\n{owner}\n"));
    // Without privileges the check says what to do.
    let checked = machine.shell("pcd-platform check", "");
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.code() == Some(1) && text.contains("store migrate --as-owner"), "{text}");
    let migrated = machine
        .follow("# creates the tables; the same command migrates them for a new version of the platform", "");
    assert!(migrated.contains("creates an empty store"), "{migrated}");
    // The owner's password in the URL instead of the file, and a wrong one.
    let migrate = |password: &str| {
        format!("pcd-platform store migrate --as-owner --url postgres://pcd_owner:{password}@db.example/pcd")
    };
    let again = machine.shell(&migrate(owner), "");
    assert!(String::from_utf8(again.stdout).unwrap().contains("up to date"), "{:?}", again.stderr);
    let wrong = machine.shell(&migrate(serving), "");
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(69) && text.contains("password authentication failed"), "{text}");
    assert!(PASSWORDS.iter().all(|password| !text.contains(password)), "{text}");

    let grants = block("sql", "-- as the owner, in the database");
    std::fs::write(machine.site.path().join("grants.sql"), grants).unwrap();
    machine.follow("# grants the rights, and removes the owner's password", "");
    assert!(!machine.site.path().join("owner-password").exists());
    let checked = machine.follow("# names what is missing", "");
    assert!(checked.contains("store: the schema is up to date"), "{checked}");

    let platform = machine.site.start();
    platform.admit(NAME, &[]);
    let device = machine.site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(&machine.site, platform.address, &device);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));
    assert_eq!(platform.get("/readyz").0, 200);
    assert!(!platform.log().contains("retention pass failed"), "{}", platform.log());
    let encrypted = server.sql(
        "pcd",
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'pcd'",
    );
    assert_eq!(encrypted, "t\n");
}
