//! Names in every encoding: the issuers of CRLs, and the Common Names of devices (A8, A9; RFC 5280 section
//! 7.1). And the true reason when a source of revocation data is not accepted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcd_platform::pki::Authority;
use pcd_platform::x509::{CertificateFacts, pem};
use rcgen::string::{BmpString, Ia5String, TeletexString, UniversalString};
use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};

use crate::harness::{Credential, OpensslOcsp, authority, eventually, pki};
use crate::openssl::openssl;
use crate::revocation::{certificate, connects, last, openssl_crl_in_the_name_of, site};

/// A certificate with the key of the issuing CA, and its name in capitals, as BMPStrings, with other spaces.
fn issuing_ca_in_another_encoding(folder: &Path) -> PathBuf {
    let (ca, key) = authority(Authority::ComponentCaEcc);
    let der = pem::certificates(&std::fs::read(ca).unwrap()).unwrap().remove(0);
    let subject = CertificateFacts::read(&der).unwrap().subject.to_string().to_uppercase();
    let name: String =
        subject.split(',').rev().map(|part| part.replacen('=', " = ", 1).replace(' ', "  ") + "\n").collect();
    let config =
        format!("[req]\nprompt = no\nstring_mask = MASK:0x800\ndistinguished_name = name\n[name]\n{name}");
    let (file, twin) = (folder.join("twin.cnf"), folder.join("twin.pem"));
    std::fs::write(&file, config).unwrap();
    let output = openssl("req -x509 -new -config {} -key {} -out {}", &[&file, &key, &twin]);
    assert!(output.ok, "{}", output.text);
    twin
}

// RFC 5280 5.1.2.3, 6.3.3, 7.1
#[test]
fn a9_a_crl_counts_whatever_the_case_and_encoding_of_its_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let own = site(&[]);
    let make = |name| certificate(&own, name, &[], &[]);
    let (good, stolen) = (make("GOOD"), make("STOLEN"));
    let twin = issuing_ca_in_another_encoding(folder.path());
    let life = Duration::from_hours(48);
    let list = openssl_crl_in_the_name_of(&twin, folder.path(), &[&stolen], "", 1, life);
    let site =
        own.with("revocation", &format!("installed-crls = [{:?}, {list:?}]", pki().crl(Authority::RootEcc)));
    let platform = site.start();
    platform.admit("GOOD", &[]);
    platform.admit("STOLEN", &[]);
    connects(&site, &platform, &good, "GOOD").unwrap();
    let row = last(&platform, "connection-accepted");
    assert_eq!(row["revocation"][0]["url"], list.to_str().unwrap(), "{row}");
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
}

/// A certificate with this Common Name, issued by the test PKI.
fn device(folder: &Path, common_name: DnValue) -> Credential {
    let (ca, key) = authority(Authority::ComponentCaEcc);
    let (ca, key) = (std::fs::read_to_string(ca).unwrap(), std::fs::read_to_string(key).unwrap());
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&key).unwrap()).unwrap();
    let own_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = Credential { chain: folder.join("own.pem"), key: folder.join("own.key") };
    std::fs::write(&own.chain, params.signed_by(&own_key, &issuer).unwrap().pem() + &ca).unwrap();
    std::fs::write(&own.key, own_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    own
}

// RFC 5280 appendix A.1: DirectoryString. The identifier is compared as it is decoded, and exactly.
#[test]
fn a8_a_common_name_in_every_form_is_the_device_of_this_exact_name() {
    let folder = tempfile::tempdir().unwrap();
    let site = crate::harness::Site::new();
    let platform = site.start();
    for (name, value) in [
        ("Gerät-BMP", DnValue::BmpString(BmpString::try_from("Gerät-BMP").unwrap())),
        ("Gerät-UCS4", DnValue::UniversalString(UniversalString::try_from("Gerät-UCS4").unwrap())),
        ("Pump-T61", DnValue::TeletexString(TeletexString::try_from("Pump-T61").unwrap())),
        ("Pump-IA5", DnValue::Ia5String(Ia5String::try_from("Pump-IA5").unwrap())),
    ] {
        let own = device(folder.path(), value);
        platform.admit(&name.to_uppercase(), &[]);
        connects(&site, &platform, &own, name).unwrap_err();
        let row = last(&platform, "connection-refused");
        assert_eq!(row["refusal"], "unknown-device", "other letters are another device: {row}");
        platform.admit(name, &[]);
        connects(&site, &platform, &own, name).unwrap();
    }
}

#[test]
fn a9_a_response_that_is_signed_with_sha_1_is_refused_for_this_reason() {
    let site = site(&[]);
    let mut responder = OpensslOcsp::new(site.path(), None);
    responder.sign_with("sha1");
    let own = certificate(&site, "GOOD", &[responder.url()], &[]);
    responder.know(&own);
    let platform = site.start();
    platform.admit("GOOD", &[]);
    connects(&site, &platform, &own, "GOOD").unwrap_err();
    eventually("the reason is in the log", || platform.log().contains("ECDSA with SHA-1"));
    assert!(!platform.log().contains("OCSPSigning"), "{}", platform.log());
    let counted = r#"pcd_revocation_failures_total{reason="weak-signature",source="ocsp"}"#;
    eventually("it is counted", || platform.metric(counted) >= 1.0);
}
