//! NIST's PKITS: the required decision about 223 paths with their CRLs. Where a test has several settings of
//! the initial policies, the decision is that for any policy and no required one.
//!
//! The certificates and CRLs come with the Python package `cryptography-vectors`, which `tests/run` installs.
//! The name of each end entity states the expected decision. [`DEVIATIONS`] lists those that we decide
//! otherwise, each with its reason. A superfluous entry fails the test like a missing one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::super::*;
use super::{decide, verifier};
use crate::revocation::crl::Crl;
use crate::revocation::fixtures::hours;
use crate::x509::prepared_name;

/// Sections by the names of their end entities, without "Valid" or "Invalid".
const SECTIONS: [(&str, &[&str]); 16] = [
    ("4.1 signatures", &["CertificatePath", "CASignature", "EESignature", "DSA"]),
    ("4.2 validity", &["CAnot", "EEnot", "pre2000UTC", "GeneralizedTimenot"]),
    ("4.3 names", &["NameChaining", "NameUIDs", "RFC3280", "Rollover", "UTF8String"]),
    (
        "4.4 revocation",
        &[
            "MissingCRL",
            "Revoked",
            "BadCRL",
            "WrongCRL",
            "TwoCRLs",
            "UnknownCRL",
            "OldCRL",
            "pre2000CRL",
            "GeneralizedTimeCRL",
            "NegativeSerial",
            "LongSerial",
            "SeparateCertificateandCRLKeys",
        ],
    ),
    ("4.5 self-issued", &["BasicSelfIssued"]),
    (
        "4.6 basic constraints",
        &["MissingbasicConstraints", "cAFalse", "basicConstraints", "pathLenConstraint", "SelfIssuedpathLen"],
    ),
    ("4.7 key usage", &["keyUsage"]),
    (
        "4.8 policies",
        &[
            "AllCertificates",
            "AnyPolicy",
            "CPSPointer",
            "DifferentPolicies",
            "OverlappingPolicies",
            "UserNotice",
        ],
    ),
    ("4.9 explicit policy", &["requireExplicitPolicy", "SelfIssuedrequireExplicitPolicy"]),
    ("4.10 policy mapping", &["PolicyMapping", "MappingFromanyPolicy", "MappingToanyPolicy"]),
    ("4.11 inhibited mapping", &["inhibitPolicyMapping", "SelfIssuedinhibitPolicyMapping"]),
    ("4.12 inhibited any-policy", &["inhibitAnyPolicy", "SelfIssuedinhibitAnyPolicy"]),
    (
        "4.13 name constraints",
        &[
            "DNnameConstraints",
            "RFC822nameConstraints",
            "DNandRFC822nameConstraints",
            "DNSnameConstraints",
            "URInameConstraints",
        ],
    ),
    (
        "4.14 distribution points",
        &[
            "distributionPoint",
            "NoissuingDistributionPoint",
            "onlyContains",
            "onlySomeReasons",
            "IDPwithindirect",
            "cRLIssuer",
        ],
    ),
    ("4.15 deltas", &["deltaCRL"]),
    ("4.16 private extensions", &["UnknownNotCritical", "UnknownCritical"]),
];

/// Our deviations from PKITS, with reasons. Each of them refuses a path that PKITS accepts.
const DEVIATIONS: [(&str, &str); 8] = [
    ("OverlappingPoliciesTest6EE", CA_AS_DEVICE),
    ("ValidBasicSelfIssuedCRLSigningKeyTest6EE", OTHER_KEY),
    ("ValidDSAParameterInheritanceTest5EE", DSA),
    ("ValidDSASignaturesTest4EE", DSA),
    ("ValidSeparateCertificateandCRLKeysTest19EE", OTHER_KEY),
    ("ValidonlyContainsCACertsTest13EE", CA_AS_DEVICE),
    ("ValidpathLenConstraintTest14EE", CA_AS_DEVICE),
    ("ValidpathLenConstraintTest8EE", CA_AS_DEVICE),
];

const OTHER_KEY: &str = "a CRL must be signed by the key that issued the certificate, or by a configured indirect \
                         issuer: a CA of the same name with another key may be another CA";
const DSA: &str = "A0 allows RSA and ECC, not DSA";
const CA_AS_DEVICE: &str = "a CA certificate is not a device certificate";

/// Section 4.8: without an acceptable path, though the name does not say so.
const INVALID: [&str; 6] = [
    "DifferentPoliciesTest4EE",
    "DifferentPoliciesTest5EE",
    "DifferentPoliciesTest7EE",
    "DifferentPoliciesTest8EE",
    "DifferentPoliciesTest9EE",
    "DifferentPoliciesTest12EE",
];

struct Vectors {
    /// CA certificates by the name of their subject.
    authorities: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    root: Vec<u8>,
    end_entities: Vec<(String, Vec<u8>)>,
    crls: Vec<PathBuf>,
    /// Certificates of signers of indirect CRLs.
    crl_issuers: Vec<PathBuf>,
}

fn folder() -> PathBuf {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/python/lib");
    let versions = fs::read_dir(&libraries).into_iter().flatten().filter_map(Result::ok);
    let found = versions
        .map(|version| version.path().join("site-packages/cryptography_vectors/x509/PKITS_data"))
        .find(|folder| folder.is_dir());
    found.unwrap_or_else(|| {
        panic!("cryptography-vectors is not in {}: tests/run installs it there", libraries.display())
    })
}

fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    files.sort();
    files
}

impl Vectors {
    fn load() -> Self {
        let folder = folder();
        let mut vectors = Self {
            authorities: BTreeMap::new(),
            root: Vec::new(),
            end_entities: Vec::new(),
            crls: files(&folder.join("crls")).into_iter().map(|(_, path)| path).collect(),
            crl_issuers: Vec::new(),
        };
        for (name, path) in files(&folder.join("certs")) {
            let der = fs::read(&path).unwrap();
            if name.starts_with("indirectCRLCA") {
                vectors.crl_issuers.push(path);
            }
            if name == "TrustAnchorRootCertificate" {
                vectors.root = der;
            } else if name.ends_with("EE") {
                vectors.end_entities.push((name, der));
            } else if let Ok(facts) = CertificateFacts::read(&der) {
                vectors.authorities.entry(prepared_name(facts.subject.as_der())).or_default().push(der);
            }
        }
        // `serve` would not start with a CRL that it cannot parse.
        vectors.crls.retain(|path| Crl::read(fs::read(path).unwrap()).is_ok());
        vectors
    }

    /// The end entity with each certificate that may be above it.
    fn chain<'a>(&'a self, leaf: &'a [u8]) -> Vec<&'a [u8]> {
        let mut chain = vec![leaf];
        let mut position = 0;
        while let Some(der) = chain.get(position) {
            if let Ok(facts) = CertificateFacts::read(der) {
                let above = self.authorities.get(&prepared_name(facts.issuer.as_der())).into_iter().flatten();
                let new: Vec<&[u8]> = above.map(Vec::as_slice).filter(|der| !chain.contains(der)).collect();
                chain.extend(new);
            }
            position += 1;
        }
        chain
    }
}

// A8, A9
#[test]
fn pkits_decisions_match_except_for_the_listed_deviations() {
    let vectors = Vectors::load();
    let verifier = verifier(&[&vectors.root], &vectors.crls, &vectors.crl_issuers);
    let (mut wrong, mut seen, mut counts) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    for (name, leaf) in &vectors.end_entities {
        let valid = !name.starts_with("Invalid") && !INVALID.contains(&name.as_str());
        let bare = name.trim_start_matches("Valid").trim_start_matches("Invalid");
        let Some((section, _)) =
            SECTIONS.iter().find(|(_, names)| names.iter().any(|own| bare.starts_with(own)))
        else {
            continue;
        };
        let decision = decide(&verifier, &vectors.chain(leaf), hours(0));
        // No subject of PKITS is in the directory, and most of them are not device identifiers.
        let accepted = matches!(decision, Err(Refusal::NoCommonName | Refusal::UnknownDevice));
        *counts.entry(section).or_insert(0) += 1;
        let deviates = DEVIATIONS.iter().any(|(own, _)| own == name);
        if deviates {
            seen.insert(name.as_str());
        }
        if (accepted == valid) == deviates {
            wrong.push(format!("{section}: {name}: {decision:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), DEVIATIONS.len(), "a deviation is not used");
    assert_eq!(counts.values().sum::<i32>(), 223, "{counts:?}");
}
