//! Keys, curves and finite fields: which ones are accepted from a client, and which are not. `// A0`

use std::path::PathBuf;

use pcd_platform::pki::{Authority, KeyType};

use super::conversation::{Connected, Peer};
use super::gnutls::GnuTls;
use super::jsse::Jsse;
use super::nss::Nss;
use super::openssl::OpenSsl;
use super::shared::{Device, Shared};
use super::suite::{SUITES, Suite};
use crate::harness::{Credential, eventually, pki, tool};

const ECDHE_ECDSA: Suite = SUITES[0];
const DHE_RSA: Suite = SUITES[1];
const TLS13: Suite = SUITES[7];

const FFDHE2048: u16 = 0x0100;
const FFDHE3072: u16 = 0x0101;
const FFDHE4096: u16 = 0x0102;
const SECP521R1: u16 = 0x0019;

fn group<P: Peer>(shared: &Shared, device: &Device, suite: Suite, more: &[&str]) -> u16 {
    Connected::<P>::open(shared, device, suite, more).negotiated().group
}

#[test]
fn a0_a_client_s_key_may_be_on_any_nist_curve_or_rsa_up_to_4096_bits_whatever_the_suite() {
    let shared = Shared::platform();
    for key in [KeyType::EccP384, KeyType::EccP521, KeyType::Rsa4096] {
        let device = shared.device(&format!("KEY-{}", key.as_str()), key);
        for suite in [ECDHE_ECDSA, DHE_RSA, TLS13] {
            Connected::<OpenSsl>::open(&shared, &device, suite, &[]);
            Connected::<GnuTls>::open(&shared, &device, suite, &[]);
            Connected::<Nss>::open(&shared, &device, suite, &[]);
        }
        Connected::<Jsse>::open(&shared, &device, DHE_RSA, &[]);
    }
}

#[test]
fn a0_the_client_s_finite_field_is_used() {
    let shared = Shared::platform();
    let device = shared.device("FFDHE", KeyType::Ecc);
    for (bits, expected) in [(2048, FFDHE2048), (3072, FFDHE3072), (4096, FFDHE4096)] {
        let gnutls = format!("-GROUP-ALL:+GROUP-FFDHE{bits}");
        assert_eq!(group::<GnuTls>(&shared, &device, DHE_RSA, &[&gnutls]), expected);
        let nss = format!("FF{bits},P256");
        // Without -H it names no finite fields in TLS 1.2.
        assert_eq!(group::<Nss>(&shared, &device, DHE_RSA, &["-H", "-I", &nss]), expected);
        let jsse = format!("-Djdk.tls.namedGroups=ffdhe{bits},secp256r1");
        assert_eq!(group::<Jsse>(&shared, &device, DHE_RSA, &[&jsse]), expected);
    }
}

#[test]
fn a0_the_client_s_p_521_is_used_in_both_versions() {
    let shared = Shared::platform();
    let device = shared.device("P-521", KeyType::Ecc);
    for suite in [ECDHE_ECDSA, TLS13] {
        // P-256 besides: in TLS 1.2 a client verifies certificates only on curves that it names.
        let (own, second): (_, &[&str]) = match suite.is_tls13() {
            true => ("P-521", &["-GROUP-ALL:+GROUP-SECP521R1"]),
            false => ("P-521:P-256", &["-GROUP-ALL:+GROUP-SECP521R1:+GROUP-SECP256R1"]),
        };
        let groups = if suite.is_tls13() { "secp521r1" } else { "secp521r1,secp256r1" };
        assert_eq!(group::<GnuTls>(&shared, &device, suite, second), SECP521R1);
        assert_eq!(group::<OpenSsl>(&shared, &device, suite, &["-groups", own]), SECP521R1);
        let jsse = format!("-Djdk.tls.namedGroups={groups}");
        assert_eq!(group::<Jsse>(&shared, &device, suite, &[&jsse]), SECP521R1);
        assert_eq!(group::<Nss>(&shared, &device, suite, &["-I", "P521,P256"]), SECP521R1);
    }
}

#[test]
fn a0_keys_and_signatures_that_are_too_weak_or_too_large_are_refused() {
    let shared = Shared::platform();
    // Several primes, because two of 4096 bits take half a minute to find.
    let huge = ["-pkeyopt", "rsa_keygen_bits:8192", "-pkeyopt", "rsa_keygen_primes:5"];
    let cases = [
        ("RSA-1024", &["-pkeyopt", "rsa_keygen_bits:1024"][..], "-sha256", "unacceptable-key"),
        ("RSA-8192", &huge, "-sha256", "unacceptable-key"),
        ("SHA-1", &["-pkeyopt", "rsa_keygen_bits:2048"], "-sha1", "unacceptable-signature"),
    ];
    for (name, key, hash, code) in cases {
        let device = foreign(&shared, name, key, hash);
        for (suite, more) in [(DHE_RSA, &[][..]), (TLS13, &["-cipher", "DEFAULT:@SECLEVEL=0"])] {
            let Err(transcript) = Connected::<OpenSsl>::try_open(&shared, &device, suite, more) else {
                panic!("{name} was admitted with {}", suite.name)
            };
            // RFC 5246 7.2.2: certificate_unknown, an issue not covered by the others.
            assert!(transcript.contains("SSL alert number 46"), "{name} {}: {transcript}", suite.name);
        }
        eventually("both refusals are in the audit trail", || {
            let rows = shared.platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
            let codes = rows.iter().filter_map(|row| {
                let details = &row["details"];
                (details["certificate"]["common-name"] == name).then(|| details["refusal"].clone())
            });
            codes.collect::<Vec<_>>() == [code, code]
        });
    }
    // The same way of making a certificate, with a key and a hash that are in order.
    let device = foreign(&shared, "RSA-3072", &["-pkeyopt", "rsa_keygen_bits:3072"], "-sha384");
    Connected::<OpenSsl>::open(&shared, &device, DHE_RSA, &[]);
}

/// A certificate that our own PKI does not make: an RSA key from OpenSSL, signed with the files of the RSA
/// CA.
fn foreign(shared: &Shared, name: &str, key: &[&str], hash: &str) -> Device {
    shared.admit(name);
    let file = |end: &str| shared.site.path().join(format!("{name}.{end}"));
    let [key_file, request, extensions, leaf, chain] = ["key", "csr", "ext", "pem", "chain.pem"].map(file);
    let openssl = |arguments: &[&str], files: &[(&str, &PathBuf)]| {
        let mut openssl = tool("openssl", "openssl");
        openssl.args(arguments);
        for (option, file) in files {
            openssl.arg(option).arg(file);
        }
        let done = openssl.output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&[&["genpkey", "-algorithm", "RSA"], key].concat(), &[("-out", &key_file)]);
    openssl(&["req", "-new", "-subj", &format!("/CN={name}")], &[("-key", &key_file), ("-out", &request)]);
    std::fs::write(
        &extensions,
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n\
         subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nbasicConstraints=critical,CA:FALSE\n",
    )
    .unwrap();
    let issuer = pki().certificate(Authority::ComponentCaRsa);
    openssl(
        &["x509", "-req", "-days", "2", "-set_serial", &format!("0x51{:X}", name.len()), hash],
        &[
            ("-in", &request),
            ("-CA", &issuer),
            ("-CAkey", &issuer.with_extension("key")),
            ("-extfile", &extensions),
            ("-out", &leaf),
        ],
    );
    let text = [&leaf, &issuer].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&chain, text).unwrap();
    Device { name: name.to_owned(), own: Credential { chain, key: key_file } }
}
