//! The TLS 1.2 cipher suites of the specification (6.1, item 3), in its order. `// A3`

use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::cipher::Tls12AeadAlgorithm;
use rustls::crypto::{CipherSuiteCommon, KeyExchangeAlgorithm};
use rustls::{CipherSuite, SupportedCipherSuite, Tls12CipherSuite};

use super::cbc;
use KeyExchangeAlgorithm::{DHE, ECDHE};

/// The suites in the order in which a server prefers them. `ecdhe_rsa` says whether the one that the specification
/// leaves open is among them; its place does not change.
pub(super) fn tls12(ecdhe_rsa: bool) -> impl Iterator<Item = &'static Tls12CipherSuite> {
    let optional = CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
    TABLE.iter().filter(move |row| ecdhe_rsa || row.common.suite != optional)
}

/// One row per suite: its name, its key exchange, whose key signs, which hash runs the handshake, and how records
/// are protected.
static TABLE: [Tls12CipherSuite; 7] = [
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ECDHE, ECDSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, DHE, RSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, ECDHE, RSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, ECDHE, ECDSA, SHA256, cbc::AES_128_CBC_SHA256),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256, DHE, RSA, SHA256, cbc::AES_128_CBC_SHA256),
    // Its name says the MAC; the handshake of every suite without a hash of its own runs on SHA-256 (RFC 5246 5).
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, ECDHE, ECDSA, SHA256, cbc::AES_256_CBC_SHA),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256, DHE, RSA, SHA256, cbc::AES_256_CBC_SHA256),
];

/// A suite of rustls' own, to take a part from.
type Lender = &'static Tls12CipherSuite;

const ECDSA: Lender = lender(&cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
const RSA: Lender = lender(&cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
const SHA384: Lender = ECDSA;
const SHA256: Lender = lender(&cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
const AES_256_GCM: &dyn Tls12AeadAlgorithm = ECDSA.aead_alg;

/// Records under one key before the connection has to end. rustls' figure for AES-GCM keeps an attacker's advantage
/// below 2^-60; for AES-CBC the same number of full records is 2^34 blocks under a 128-bit block cipher, which a
/// collision finds with a probability of 2^-61.
const CONFIDENTIALITY_LIMIT: u64 = 1 << 24;

const fn row(
    suite: CipherSuite,
    kx: KeyExchangeAlgorithm,
    signature: Lender,
    hash: Lender,
    record_protection: &'static dyn Tls12AeadAlgorithm,
) -> Tls12CipherSuite {
    Tls12CipherSuite {
        common: CipherSuiteCommon {
            suite,
            hash_provider: hash.common.hash_provider,
            confidentiality_limit: CONFIDENTIALITY_LIMIT,
        },
        prf_provider: hash.prf_provider,
        kx,
        sign: signature.sign,
        aead_alg: record_protection,
    }
}

#[expect(clippy::panic, reason = "runs in the compiler only: the lenders are constants")]
const fn lender(suite: &SupportedCipherSuite) -> Lender {
    match suite {
        SupportedCipherSuite::Tls12(suite) => suite,
        SupportedCipherSuite::Tls13(_) => panic!("a suite of TLS 1.3 has no parts for TLS 1.2"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::{SignatureAlgorithm, SupportedCipherSuite};

    use super::*;

    fn names(ecdhe_rsa: bool) -> Vec<u16> {
        tls12(ecdhe_rsa).map(|suite| suite.common.suite.into()).collect()
    }

    /// IANA's numbers, in the order of the specification.
    const SPECIFIED: [u16; 7] = [0xc02c, 0x009f, 0xc030, 0xc023, 0x0067, 0xc00a, 0x006b];

    #[test]
    fn a3_the_suites_are_those_of_the_specification_in_its_order() {
        assert_eq!(names(true), SPECIFIED);
    }

    #[test]
    fn a3_the_optional_suite_leaves_no_other_trace_than_its_place() {
        let rest: Vec<_> = SPECIFIED.into_iter().filter(|suite| *suite != 0xc030).collect();
        assert_eq!(names(false), rest);
    }

    #[test]
    fn a_row_is_what_its_name_says() {
        for suite in tls12(true) {
            let name = suite.common.suite.as_str().unwrap();
            assert_eq!(suite.kx == ECDHE, name.starts_with("TLS_ECDHE_"), "{name}");
            let signs =
                |algorithm| SupportedCipherSuite::Tls12(suite).usable_for_signature_algorithm(algorithm);
            assert_eq!(signs(SignatureAlgorithm::RSA), name.contains("_RSA_"), "{name}");
            assert_eq!(signs(SignatureAlgorithm::ECDSA), name.contains("_ECDSA_"), "{name}");
            let hash = if name.ends_with("_SHA384") { "SHA384" } else { "SHA256" };
            assert_eq!(format!("{:?}", suite.common.hash_provider.algorithm()), hash, "{name}");
        }
    }
}
