//! Enrolment of certificates in the manner of EST (RFC 7030), with curl and OpenSSL as the partner (N000-4,
//! N000-5, N000-6, N000-8).

mod devices;
mod foreign_ca;
mod pages;
mod partners;
mod refusals;
mod renewals;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// A hospital whose platform enrols: partners by the PKI of the community, devices by that of devices.
fn enrolling(site: Site, read: &str) -> Hospital {
    let Hospital { site, community } = Hospital::of(site, read);
    let folder = |anchors: &[PathBuf; 2]| anchors[0].parent().unwrap().to_owned();
    let (clients, devices) =
        (folder(&community.trust_anchors()), folder(&crate::harness::pki().trust_anchors()));
    let site = site
        .with("api", "environment = \"demo\"")
        .with("enrol", "enabled = true")
        .with("enrol", &format!("client-authority = {clients:?}"))
        .with("enrol", &format!("device-authority = {devices:?}"))
        .with("enrol", "requests-per-minute = 10000");
    Hospital { site, community }
}

/// An invitation: `ID:CODE`, as curl sends it.
fn invite(platform: &Platform, who: &str, role: &str, more: &[&str]) -> String {
    let words = [&["enrol", "invite", who, "--role", role], more].concat();
    let line = platform.cli().json(&words).remove(0);
    assert_eq!(line["state"], "invited", "{line}");
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    format!("{}:{}", text("id"), text("code"))
}

fn id(user: &str) -> &str {
    user.split_once(':').unwrap().0
}

/// A key and a request, made by OpenSSL. `request` is DER in base64, as RFC 7030 has it.
struct Wanted {
    key: PathBuf,
    request: PathBuf,
}

impl Wanted {
    fn new(site: &Site, name: &str, subject: &str) -> Self {
        Self::of(site, name, subject, "ec -pkeyopt ec_paramgen_curve:P-256", &[])
    }

    fn of(site: &Site, name: &str, subject: &str, kind: &str, more: &[&str]) -> Self {
        let key = site.path().join(format!("{name}.key"));
        let words: Vec<_> = ["genpkey", "-algorithm"].into_iter().chain(kind.split(' ')).collect();
        openssl(&[&words[..], &["-out", key.to_str().unwrap()]].concat());
        Self::with_key(site, name, subject, &key, more)
    }

    fn with_key(site: &Site, name: &str, subject: &str, key: &Path, more: &[&str]) -> Self {
        let der = site.path().join(format!("{name}.csr"));
        let words =
            ["req", "-new", "-utf8", "-outform", "DER", "-subj", subject, "-key", key.to_str().unwrap()];
        let is_signed = more.iter().any(|word| word.starts_with("-sha") || *word == "-md5");
        let digest: &[&str] = if is_signed { &[] } else { &["-sha256"] };
        openssl(&[&words[..], &["-out", der.to_str().unwrap()], digest, more].concat());
        let request = site.path().join(format!("{name}.b64"));
        std::fs::write(&request, STANDARD.encode(std::fs::read(&der).unwrap())).unwrap();
        Self { key: key.to_owned(), request }
    }
}

fn openssl(words: &[&str]) -> String {
    let output = tool("openssl", "openssl").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Sends a body to simpleenroll.
fn send(site: &Site, platform: &Platform, user: Option<&str>, body: &Path, more: &[&str]) -> Answer {
    let data = format!("@{}", body.display());
    let mut words = vec!["--data-binary", &data, "--header", "Content-Type: application/pkcs10"];
    words.extend(user.into_iter().flat_map(|user| ["--user", user]));
    words.extend(more);
    ask(site, platform, None, "/.well-known/est/simpleenroll", &words)
}

/// The certificates of a PKCS#7 answer, in PEM.
fn certificates(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let digits: String = answer.body.split_ascii_whitespace().collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), STANDARD.decode(digits).unwrap()).unwrap();
    openssl(&["pkcs7", "-inform", "DER", "-print_certs", "-in", file.path().to_str().unwrap()])
}

/// Enrols with a request that is approved: the files of the certificate.
fn enrolled(site: &Site, platform: &Platform, user: &str, wanted: &Wanted) -> Issued {
    let answer = send(site, platform, Some(user), &wanted.request, &[]);
    assert_eq!(answer.status, 202, "{answer:?}");
    platform.cli().run(&["enrol", "approve", id(user)]);
    fetched(site, platform, user, wanted)
}

/// The certificate of an approved request, with the CAs of cacerts.
fn fetched(site: &Site, platform: &Platform, user: &str, wanted: &Wanted) -> Issued {
    let own = certificates(&send(site, platform, Some(user), &wanted.request, &[]));
    assert_eq!(own.matches("BEGIN CERTIFICATE").count(), 1, "RFC 7030 4.2.3: only the certificate");
    let authorities = certificates(&ask(site, platform, None, "/.well-known/est/cacerts", &[]));
    let [leaf, cas, chain] = ["leaf.pem", "cas.pem", "chain.pem"].map(|name| wanted.key.with_extension(name));
    std::fs::write(&leaf, &own).unwrap();
    std::fs::write(&cas, &authorities).unwrap();
    let path = |path: &PathBuf| path.display().to_string();
    let words = ["verify", "-CAfile", &path(&cas), "-show_chain", &path(&leaf)];
    assert!(openssl(&words).contains("OK"), "the certificate leads to the CAs of cacerts");
    std::fs::write(&chain, own + &issuer(&authorities, &leaf)).unwrap();
    Issued { chain, key: wanted.key.clone() }
}

/// The CA of these that issued the certificate.
fn issuer(authorities: &str, leaf: &Path) -> String {
    let wanted = openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-issuer"]);
    let wanted = wanted.trim().trim_start_matches("issuer=").trim();
    let blocks = authorities
        .split("subject=")
        .filter(|block| block.lines().next().unwrap_or_default().trim() == wanted);
    // Roots and issuing CAs of several PKIs have the same names: OpenSSL says which one it is.
    let mut found = String::new();
    for block in blocks {
        let at = block.find("-----BEGIN").unwrap();
        let file = leaf.with_extension("issuer.pem");
        std::fs::write(&file, &block[at..]).unwrap();
        let words = ["verify", "-partial_chain", "-trusted", file.to_str().unwrap(), leaf.to_str().unwrap()];
        if tool("openssl", "openssl").args(words).output().unwrap().status.success() {
            found = block[at..].to_owned();
        }
    }
    assert!(!found.is_empty(), "no issuer {wanted}");
    found
}

/// The row of an enrolment.
fn shown(platform: &Platform, user: &str) -> Value {
    platform.cli().json(&["enrol", "show", id(user)]).remove(0)
}

const PARTNER: &str = "/C=ES/ST=Barcelona/L=Sant Cugat/O=Partner/OU=Partner/CN=_EMAIL.demo@partner.example";
