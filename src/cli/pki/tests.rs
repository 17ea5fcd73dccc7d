use std::fs;
use std::path::PathBuf;

use clap::Parser as _;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::cli::Exit;
use crate::pki::Authority;
use crate::x509::CrlFacts;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// A folder in which `pki …` commands run; `@` stands for its path.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn parse(&self, line: &str) -> Result<Command, clap::Error> {
        let here = self.0.path().to_str().unwrap();
        let words = line.split_whitespace().map(|word| word.replace('@', here));
        Line::try_parse_from(["pki".to_owned()].into_iter().chain(words)).map(|line| line.command)
    }

    fn run(&self, line: &str) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(self.parse(line).unwrap(), Output::new(true), &Clock::system()))
    }

    fn does(&self, line: &str) {
        assert_eq!(self.run(line).unwrap(), Exit::Done, "{line}");
    }

    fn fails(&self, line: &str, exit: Exit, words: &str) {
        let failure = self.run(line).unwrap_err();
        let text = format!("{:#}", failure.error);
        assert!(failure.exit == exit && text.contains(words), "{line}: {:?}, {text}", failure.exit);
    }

    fn inspect(&self, name: &str) -> Vec<Value> {
        let sheets = inspect::sheets(&self.path(name), Clock::system().now()).unwrap();
        sheets.iter().map(|sheet| serde_json::to_value(sheet).unwrap()).collect()
    }
}

#[test]
fn an_issued_key_is_replaced_only_on_request() {
    let shell = Shell::new();
    shell.does("init --dir @/pki");
    let issue = "issue --dir @/pki --cn PUMP-1 --role device --key ecc";
    shell.does(issue);
    let key = || fs::read(shell.path("pki/device/PUMP-1.ecc.key")).unwrap();
    let first = key();
    shell.fails(issue, Exit::Failed, "PUMP-1.ecc.chain.pem already exists; revoke it or choose --replace");
    assert_eq!(key(), first);
    shell.does(&format!("{issue} --replace"));
    assert_ne!(key(), first);
}

#[test]
fn a_certificate_is_issued_inspected_and_revoked() {
    let shell = Shell::new();
    shell.does("init --dir @/pki --url http://pki.example:8575/");
    shell.fails("init --dir @/pki", Exit::Failed, "already exists");
    shell.does("issue --dir @/pki --cn pump --role gateway --key ecc --san ward3.example --days 10");

    let [leaf, ca] = shell.inspect("pki/gateway/pump.ecc.chain.pem").try_into().unwrap();
    for (label, value) in [
        ("kind", "certificate"),
        ("subject", "CN=pump,O=pcd-platform test PKI"),
        ("device", "pump"),
        ("validity", "valid"),
        ("key", "ECC P-256"),
        ("signature", "ECDSA with SHA-256"),
        ("key-usage", "digitalSignature"),
    ] {
        assert_eq!(leaf[label], value, "{label}");
    }
    assert_eq!(leaf["ocsp-urls"], serde_json::json!(["http://pki.example:8575/ocsp"]));
    assert_eq!(leaf["dns-names"], serde_json::json!(["ward3.example"]));
    assert_eq!((&leaf["ca"], &ca["ca"], &ca["path-length"]), (&false.into(), &true.into(), &0.into()));
    assert_eq!(leaf["authority-key-id"], ca["subject-key-id"]);

    shell.does("revoke --dir @/pki --certificate @/pki/gateway/pump.ecc.chain.pem --reason key-compromise");
    shell.fails(
        "revoke --dir @/pki --certificate @/pki/gateway/pump.ecc.chain.pem",
        Exit::Failed,
        "is already revoked",
    );
    let [crl] = shell.inspect("pki/crl/component-ca-ecc.crl").try_into().unwrap();
    assert_eq!(
        (&crl["kind"], &crl["validity"], &crl["number"]),
        (&"crl".into(), &"fresh".into(), &"02".into())
    );
    assert_eq!(crl["revoked"][0]["serial"], leaf["serial"]);
    assert_eq!(crl["revoked"][0]["reason"], "keyCompromise");

    shell.does("crl --dir @/pki --days 3");
    for authority in Authority::ALL {
        let path = shell.path("pki/crl").join(authority.name()).with_extension("crl");
        let crl = CrlFacts::read(&fs::read(path).unwrap()).unwrap();
        let days = crl.next_update.unwrap().duration_since(crl.this_update).as_hours() / 24;
        assert_eq!((crl.number, days), (Some(vec![3]), 3));
    }
}

#[test]
fn a_request_is_created_inspected_and_signed() {
    let shell = Shell::new();
    shell.does("init --dir @/pki");
    shell.does("request --cn platform.example --key rsa --san platform.example --subject O=Ward,C=DE --out @/requests");
    let [request] = shell.inspect("requests/platform.example.rsa.csr").try_into().unwrap();
    assert_eq!(request["kind"], "certificate-request");
    assert_eq!(request["subject"], "CN=platform.example,O=Ward,C=DE");
    assert_eq!(request["key"], "RSA 2048");

    shell.does("sign --dir @/pki --csr @/requests/platform.example.rsa.csr --role platform --days 9 --out @/chain.pem");
    let [leaf, _] = shell.inspect("chain.pem").try_into().unwrap();
    assert_eq!(leaf["subject"], request["subject"]);
    assert_eq!(leaf["purposes"], serde_json::json!(["serverAuth", "clientAuth"]));
    shell.fails("request --cn platform.example --key rsa --out @/requests", Exit::Failed, "already exists");
}

#[test]
fn impossible_arguments_are_usage_errors() {
    let shell = Shell::new();
    shell.fails("init --dir @/pki --url https://host", Exit::Usage, "is not a base URL");
    shell.fails("request --cn a --key ecc --san ward:3 --out @/r", Exit::Usage, "neither a DNS name nor");
    shell.fails("issue --dir @/none --cn a --role device --key ecc", Exit::Failed, "holds no test PKI");
    shell.fails("inspect @/none", Exit::Failed, "cannot read");
    fs::write(shell.path("empty"), "").unwrap();
    shell.fails("inspect @/empty", Exit::Failed, "holds no certificate");
    fs::write(shell.path("bad"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    shell.fails("inspect @/bad", Exit::Failed, "number 1: these bytes are not the DER encoding");
    for line in [
        "issue --dir @ --cn a --role nurse --key ecc",
        "request --cn a --key ecc --subject CN=b --out @",
        "inspect",
    ] {
        assert!(shell.parse(line).is_err(), "{line}");
    }
}

#[test]
fn facts_are_shown_as_text() {
    let shell = Shell::new();
    shell.does("init --dir @/pki");
    shell.does("issue --dir @/pki --cn pump --role device --key ecc");
    shell.does("revoke --dir @/pki --certificate @/pki/device/pump.ecc.chain.pem --reason superseded");
    let text = |name: &str, now| {
        let sheets = inspect::sheets(&shell.path(name), now).unwrap();
        sheets.iter().map(inspect::Sheet::text).collect::<String>()
    };
    let now = Clock::system().now();
    let certificate = text("pki/device/pump.ecc.chain.pem", now);
    for line in ["validity          valid\n", "ca                no\n", "purposes          clientAuth\n"] {
        assert!(certificate.contains(line), "{line:?} is not in {certificate}");
    }
    let crl = text("pki/crl/component-ca-ecc.crl", now);
    assert!(crl.contains("revoked           \n  superseded "), "{crl}");
    assert!(text("pki/crl/root-ecc.crl", now).contains("revoked           none\n"));
    // Years later, and long before.
    let day = jiff::SignedDuration::from_hours(24);
    assert!(text("pki/device/pump.ecc.chain.pem", now + day * 400).contains("validity          expired\n"));
    assert!(text("pki/device/pump.ecc.chain.pem", now - day).contains("validity          not yet valid\n"));
    assert!(text("pki/crl/root-ecc.crl", now + day * 31).contains("validity          stale\n"));
}
