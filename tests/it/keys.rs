//! Keys and chains, the platform's own and those of devices: what is accepted, and the messages about the
//! rest.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, Role};
use pcd_platform::x509::KeyPurpose;

use crate::harness::{
    Cli, Credential, Device, Platform, Site, eventually, finish, framed, message, pki, s_client, tool,
};
use crate::openssl::openssl;

/// What OpenSSL makes and one of our issuing CAs signs: certificates that our own PKI does not issue.
struct Made<'a> {
    /// Arguments of `openssl genpkey`.
    key: &'a str,
    digest: &'a str,
    issuer: Authority,
    extensions: &'a str,
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

impl Made<'_> {
    fn make(&self, site: &Site, name: &str) -> Credential {
        let file = |end: &str| site.path().join(format!("{name}.{end}"));
        let (key, request, leaf, extensions) = (file("key"), file("csr"), file("pem"), file("ext"));
        let ca = pki().certificate(self.issuer);
        fs::write(&extensions, format!("subjectAltName=IP:127.0.0.1\n{}\n", self.extensions)).unwrap();
        run(&format!("genpkey {} -out {{}}", self.key), &[&key]);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        run(&format!("req -new -key {{}} -subj /CN={name} -out {{}}"), &[&key, &request]);
        run(
            &format!(
                "x509 -req -in {{}} -{} -days 365 -CA {{}} -CAkey {{}} -extfile {{}} -out {{}}",
                self.digest
            ),
            &[&request, &ca, &ca.with_extension("key"), &extensions, &leaf],
        );
        let chain = file("chain.pem");
        join(&[&leaf, &ca], &chain);
        Credential { chain, key }
    }
}

fn run(line: &str, paths: &[&Path]) {
    let output = openssl(line, paths);
    assert!(output.ok, "{line}: {}", output.text);
}

fn join(parts: &[&Path], whole: &Path) {
    let text: String = parts.iter().map(|part| fs::read_to_string(part).unwrap()).collect();
    fs::write(whole, text).unwrap();
}

fn identity(kind: &str, own: &Credential) -> String {
    format!("{kind} = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), own.key.display())
}

fn with_passphrase(kind: &str, own: &Credential, passphrase: &str) -> String {
    identity(kind, own).replace(" }", &format!(", passphrase = \"{passphrase}\" }}"))
}

fn platform(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Platform, KeyType::Ecc)
}

/// The error that `check` finds.
fn found(site: &Site) -> String {
    let (status, stdout, stderr) = Cli::of(site).try_run(&["check"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    stdout.lines().find(|line| line.starts_with("error")).expect("check prints an error").to_owned()
}

/// `check` refuses `own` as the ECC identity, names its file, and says what to do.
fn refused(own: &Credential, site: Site, output: &str, do_this: &str) {
    let site = site.with("tls", &identity("ecc", own));
    let error = found(&site);
    assert!(error.contains(&own.chain.display().to_string()), "{error}");
    assert!(error.contains(output) && error.contains(do_this), "{error}");
}

#[test]
fn a4_the_platforms_own_certificate_comes_first_and_its_issuers_follow() {
    let site = Site::new();
    let own = site.issue(&platform("order"));
    let leaf = site.path().join("leaf.pem");
    run("x509 -in {} -out {}", &[&own.chain, &leaf]);
    let ca = pki().certificate(Authority::PlatformCaEcc);
    let other_ca = pki().certificate(Authority::ComponentCaEcc);
    let chain = |name: &str, parts: &[&Path]| {
        let chain = site.path().join(name);
        join(parts, &chain);
        Credential { chain, key: own.key.clone() }
    };
    refused(&chain("turned.pem", &[&ca, &leaf]), Site::new(), "is the CA", "comes first");
    refused(&chain("foreign.pem", &[&leaf, &other_ca]), Site::new(), "out of order", "then its issuing CA");
    refused(&chain("bare.pem", &[&leaf]), Site::new(), "does not lead", "add the missing intermediates");
}

#[test]
fn a5_a_key_of_another_certificate_is_refused() {
    let site = Site::new();
    let (one, other) = (site.issue(&platform("one")), site.issue(&platform("other")));
    let mixed = Credential { key: other.key.clone(), ..one };
    refused(&mixed, Site::new(), "does not belong to", &other.key.display().to_string());
}

#[test]
fn a5_each_kind_of_key_has_its_place() {
    let site = Site::new();
    let own = site.issue(&platform("misplaced"));
    let error = found(&Site::new().with("tls", &identity("rsa", &own)));
    assert!(error.contains("tls.ecc and tls.rsa") && error.contains("RSA certificate"), "{error}");
}

#[test]
fn a4_a_certificate_outside_its_time_or_for_clients_only_is_refused() {
    let site = Site::new();
    let now = Clock::system().now();
    let hours = |hours: i64| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    let expired = CertificateOrder { not_before: Some(hours(-48)), days: 1, ..platform("expired") };
    let early = CertificateOrder { not_before: Some(hours(1)), ..platform("early") };
    let client = CertificateOrder { purposes: Some(vec![KeyPurpose::ClientAuth]), ..platform("client") };
    refused(&site.issue(&expired), Site::new(), "expired at", "renew it");
    refused(&site.issue(&early), Site::new(), "is not valid before", "clock");
    refused(&site.issue(&client), Site::new(), "is not valid for a server", "serverAuth");
}

#[test]
fn a0_weak_signatures_and_keys_of_the_platform_are_refused() {
    let site = Site::new();
    let made = |key, digest, name: &str| {
        Made { key, digest, issuer: Authority::PlatformCaEcc, extensions: "" }.make(&site, name)
    };
    let small = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
    let curve = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
    refused(&made(P256, "sha1", "sha1"), Site::new(), "ECDSA with SHA-1", "SHA-256, SHA-384 or SHA-512");
    refused(&made(small, "sha256", "small"), Site::new(), "RSA 1024", "2048");
    refused(&made(curve, "sha256", "curve"), Site::new(), "kind other", "P-256, P-384 or P-521");
}

#[test]
fn a_certificate_that_ends_within_a_month_is_a_warning() {
    let site = Site::new();
    let own = site.issue(&CertificateOrder { days: 10, ..platform("soon") });
    let findings = Cli::of(&site.with("tls", &identity("ecc", &own))).json(&["check"]);
    // No responder answers for the certificates of the tests' PKI.
    let others = findings.iter().filter(|finding| finding["what"] != "staple");
    let amiss: Vec<_> = others.filter(|finding| finding["level"] != "ok").collect();
    assert!(
        matches!(amiss[..], [finding] if finding["what"] == "certificate" && finding["level"] == "warning"),
        "{amiss:?}"
    );
}

#[test]
fn a11_the_platform_serves_with_an_encrypted_key_and_its_passphrase_is_nowhere_to_be_read() {
    const PASSPHRASE: &str = "tr0ub4dor&3";
    let site = Site::new();
    let plain = site.issue(&platform("encrypted"));
    let own = Credential { key: site.path().join("encrypted.pk8"), ..plain.clone() };
    let passphrase = site.path().join("passphrase");
    fs::write(&passphrase, format!("{PASSPHRASE}\n")).unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let words = format!("pkcs8 -topk8 -scrypt -in {{}} -out {{}} -passout pass:{PASSPHRASE}");
    run(&words, &[&plain.key, &own.key]);
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o600)).unwrap();

    // As a file, and as systemd passes it.
    let folder = site.path().to_owned();
    let site = site.with("tls", &with_passphrase("ecc", &own, "passphrase")).with("log", "level = \"trace\"");
    let device = site.certificate("DEVICE-1", KeyType::Ecc);
    let running = site.start();
    running.admit("DEVICE-1", &[]);
    let mut connected = Device::connect(&site, running.address, &device).unwrap();
    assert_eq!(connected.code(message("DEVICE-1", "1")), "CA");
    drop(connected);
    let log = running.stop().log;
    assert!(!log.contains(PASSPHRASE) && !log.contains("PRIVATE KEY"), "a secret is in the log");
    let site = site
        .with("tls", &with_passphrase("ecc", &own, "credential:passphrase"))
        .with_environment("CREDENTIALS_DIRECTORY", folder);
    assert_eq!(site.start().get("/livez").0, 200);

    fs::write(&passphrase, "wrong\n").unwrap();
    let error = found(&site.with("tls", &with_passphrase("ecc", &own, "passphrase")));
    assert!(error.contains("does not decrypt the private key") && !error.contains("wrong"), "{error}");
}

#[test]
fn a11_the_memory_of_the_process_goes_into_no_core_file() {
    // A process that may not be dumped belongs to the superuser in /proc, whatever its user (proc(5)); so it
    // has to run as another user to show it.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("pcd-platform");
    fs::copy(env!("CARGO_BIN_EXE_pcd-platform"), &binary).unwrap();
    // A configuration that never comes keeps it waiting.
    let config = folder.path().join("config");
    assert!(tool("mkfifo", "coreutils").arg(&config).status().unwrap().success());
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(&binary);
    command.arg("check").arg("--config").arg(&config).stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(65534);
    }
    let mut child = command.spawn().unwrap();
    let environment = PathBuf::from(format!("/proc/{}/environ", child.id()));
    let hidden = std::panic::catch_unwind(|| {
        eventually("the process belongs to the superuser", || {
            fs::metadata(&environment).is_ok_and(|metadata| metadata.uid() == 0)
        });
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(hidden.is_ok());
}

/// Connects with whatever certificate OpenSSL can be made to send; the reason for which it is refused.
fn reason(site: &Site, platform: &Platform, own: &Credential, version: &str) -> String {
    let refusals = || -> Vec<_> {
        let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
        rows.into_iter().collect()
    };
    let before = refusals().len();
    let mut client = s_client(site, platform.address, Some(own), &[version]);
    client.args(["-cipher", "DEFAULT@SECLEVEL=0"]);
    let output = finish(client, &framed(&message("DEVICE", "1")), None);
    eventually("a row in the audit trail", || refusals().len() > before);
    let rows = refusals();
    assert_eq!(rows.len(), before + 1, "{}", output.text());
    let row = rows.iter().max_by_key(|row| row["sequence"].as_u64()).unwrap().to_string();
    let (_, rest) = row.split_once("\"refusal\":\"").unwrap_or_else(|| panic!("{row}"));
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a0_sha_1_and_small_keys_in_a_devices_chain_are_refused() {
    let site = Site::new();
    let platform = site.start();
    let device = |key, digest, issuer, name: &str| {
        platform.admit(name, &[]);
        Made { key, digest, issuer, extensions: "extendedKeyUsage=clientAuth" }.make(&site, name)
    };
    let rsa = |bits: &str| format!("-algorithm RSA -pkeyopt rsa_keygen_bits:{bits}");
    let (ecc_ca, rsa_ca) = (Authority::ComponentCaEcc, Authority::ComponentCaRsa);
    let sha1_ecc = device(P256, "sha1", ecc_ca, "SHA1-ECC");
    let (rsa_1024, rsa_2048) = (rsa("1024"), rsa("2048"));
    let sha1_rsa = device(&rsa_2048, "sha1", rsa_ca, "SHA1-RSA");
    let small = device(&rsa_1024, "sha256", rsa_ca, "SMALL");
    for version in ["-tls1_2", "-tls1_3"] {
        assert_eq!(reason(&site, &platform, &sha1_ecc, version), "unacceptable-signature");
        assert_eq!(reason(&site, &platform, &sha1_rsa, version), "unacceptable-signature");
    }
    assert_eq!(reason(&site, &platform, &small, "-tls1_2"), "unacceptable-key");
}

#[test]
fn a0_the_size_of_every_key_below_the_root_counts() {
    // The device's own key is large enough, the one of its issuing CA is not.
    let site = Site::new().with("tls", "client-rsa-bits = [3072, 4096]");
    let platform = site.start();
    platform.admit("LARGE", &[]);
    let own = site.certificate("LARGE", KeyType::Rsa4096);
    assert_eq!(reason(&site, &platform, &own, "-tls1_2"), "unacceptable-key");
}
