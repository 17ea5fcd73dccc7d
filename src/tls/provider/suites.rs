//! The TLS 1.2 cipher suites of the specification (6.1, item 3) in its order, and the TLS 1.3 suites. `// A3`

use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::cipher::Tls12AeadAlgorithm;
use rustls::crypto::{CipherSuiteCommon, KeyExchangeAlgorithm};
use rustls::{CipherSuite, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use super::cbc;
use crate::tls::status_request_v2::{FlightProtection, TranscriptHash};
use KeyExchangeAlgorithm::{DHE, ECDHE};

/// The TLS 1.2 suites in the server's order of preference. `ecdhe_rsa` includes the optional suite at its
/// place in this order.
pub(super) fn tls12(ecdhe_rsa: bool) -> impl Iterator<Item = &'static Tls12CipherSuite> {
    let optional = CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
    TABLE.iter().filter(move |row| ecdhe_rsa || row.common.suite != optional)
}

/// One row per suite: name, key exchange, key type of the signature, hash of the handshake, and record
/// protection.
static TABLE: [Tls12CipherSuite; 7] = [
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ECDHE, ECDSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, DHE, RSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, ECDHE, RSA, SHA384, AES_256_GCM),
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, ECDHE, ECDSA, SHA256, cbc::AES_128_CBC_SHA256),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256, DHE, RSA, SHA256, cbc::AES_128_CBC_SHA256),
    // The name gives the hash of the MAC. The handshake of a suite without its own hash uses SHA-256 (RFC
    // 5246 5).
    row(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, ECDHE, ECDSA, SHA256, cbc::AES_256_CBC_SHA),
    row(CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256, DHE, RSA, SHA256, cbc::AES_256_CBC_SHA256),
];

/// The TLS 1.3 suites are those of rustls, in its order (RFC 8446 appendix B.4).
pub(super) fn tls13() -> impl Iterator<Item = &'static Tls13CipherSuite> {
    TABLE_TLS13.iter()
}

static TABLE_TLS13: [Tls13CipherSuite; 3] = [
    row_tls13(&cipher_suite::TLS13_AES_256_GCM_SHA384, &TRANSCRIPT_SHA384, &FLIGHT_AES_256_GCM),
    row_tls13(&cipher_suite::TLS13_AES_128_GCM_SHA256, &TRANSCRIPT_SHA256, &FLIGHT_AES_128_GCM),
    row_tls13(&cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, &TRANSCRIPT_SHA256, &FLIGHT_CHACHA20),
];

/// A10: transcript hash and, in TLS 1.3, record protection rewrite the platform's flight for its staples.
static TRANSCRIPT_SHA384: TranscriptHash = TranscriptHash(ECDSA.common.hash_provider);
static TRANSCRIPT_SHA256: TranscriptHash = TranscriptHash(ECDSA_SHA256.common.hash_provider);
static FLIGHT_AES_256_GCM: FlightProtection = flight(&cipher_suite::TLS13_AES_256_GCM_SHA384);
static FLIGHT_AES_128_GCM: FlightProtection = flight(&cipher_suite::TLS13_AES_128_GCM_SHA256);
static FLIGHT_CHACHA20: FlightProtection = flight(&cipher_suite::TLS13_CHACHA20_POLY1305_SHA256);

/// The hash of the handshake of a suite, and a rustls suite with this hash.
#[derive(Clone, Copy)]
struct HandshakeHash {
    lender: Lender,
    transcript: &'static TranscriptHash,
}

/// A rustls suite that supplies parts.
type Lender = &'static Tls12CipherSuite;

const ECDSA: Lender = lender(&cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
const ECDSA_SHA256: Lender = lender(&cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
const RSA: Lender = lender(&cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
const SHA384: HandshakeHash = HandshakeHash { lender: ECDSA, transcript: &TRANSCRIPT_SHA384 };
const SHA256: HandshakeHash = HandshakeHash { lender: ECDSA_SHA256, transcript: &TRANSCRIPT_SHA256 };
const AES_256_GCM: &dyn Tls12AeadAlgorithm = ECDSA.aead_alg;

/// Records under one key before the connection has to end. The limit of rustls for AES-GCM keeps an
/// attacker's advantage below 2^-60. For AES-CBC the same number of full records is 2^34 blocks of a 128-bit
/// block cipher, with a collision probability of 2^-61.
const CONFIDENTIALITY_LIMIT: u64 = 1 << 24;

const fn row(
    suite: CipherSuite,
    kx: KeyExchangeAlgorithm,
    signature: Lender,
    hash: HandshakeHash,
    record_protection: &'static dyn Tls12AeadAlgorithm,
) -> Tls12CipherSuite {
    Tls12CipherSuite {
        common: CipherSuiteCommon {
            suite,
            hash_provider: hash.transcript,
            confidentiality_limit: CONFIDENTIALITY_LIMIT,
        },
        prf_provider: hash.lender.prf_provider,
        kx,
        sign: signature.sign,
        aead_alg: record_protection,
    }
}

const fn row_tls13(
    suite: &SupportedCipherSuite,
    transcript: &'static TranscriptHash,
    flight: &'static FlightProtection,
) -> Tls13CipherSuite {
    let lender = lender_tls13(suite);
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: lender.common.suite,
            hash_provider: transcript,
            confidentiality_limit: lender.common.confidentiality_limit,
        },
        hkdf_provider: lender.hkdf_provider,
        aead_alg: flight,
        quic: None,
    }
}

const fn flight(suite: &SupportedCipherSuite) -> FlightProtection {
    FlightProtection(lender_tls13(suite).aead_alg)
}

#[expect(clippy::panic, reason = "runs in the compiler only: the lenders are constants")]
const fn lender_tls13(suite: &SupportedCipherSuite) -> &'static Tls13CipherSuite {
    match suite {
        SupportedCipherSuite::Tls13(suite) => suite,
        SupportedCipherSuite::Tls12(_) => panic!("a suite of TLS 1.2 has no parts for TLS 1.3"),
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
    fn a3_the_suites_have_the_order_of_the_specification() {
        assert_eq!(names(true), SPECIFIED);
    }

    #[test]
    fn a3_without_the_optional_suite_the_order_stays_the_same() {
        let rest: Vec<_> = SPECIFIED.into_iter().filter(|suite| *suite != 0xc030).collect();
        assert_eq!(names(false), rest);
    }

    #[test]
    fn each_row_matches_its_name() {
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
