//! Random clients against the choice of certificate: what rustls picks is what the table says, and no
//! handshake fails that a row could serve. `// A3, A5`

use std::sync::{Arc, LazyLock, Mutex};

use pcd_platform::tls::provider::{Settings, Versions, provider};
use pcd_platform::tls::{PlatformCertificates, PlatformIdentity};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rustls::crypto::SupportedKxGroup;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SignatureAlgorithm};

use super::site::SITE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ecc,
    Rsa,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    Ecdhe,
    Dhe,
}

/// The specification's order, in IANA's numbers.
const TABLE: [(u16, Exchange, Kind); 7] = [
    (0xc02c, Exchange::Ecdhe, Kind::Ecc),
    (0x009f, Exchange::Dhe, Kind::Rsa),
    (ECDHE_RSA, Exchange::Ecdhe, Kind::Rsa),
    (0xc023, Exchange::Ecdhe, Kind::Ecc),
    (0x0067, Exchange::Dhe, Kind::Rsa),
    (0xc00a, Exchange::Ecdhe, Kind::Ecc),
    (0x006b, Exchange::Dhe, Kind::Rsa),
];
const ECDHE_RSA: u16 = 0xc030;

const TLS13_SUITES: [u16; 3] = [0x1301, 0x1302, 0x1303];
const CURVES: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];
const FINITE_FIELDS: [u16; 3] = [0x0100, 0x0101, 0x0102];
const P384: u16 = 0x0018;
const X25519_MLKEM768: u16 = 0x11ec;
/// The scheme of the site's ECC key, which is on P-384.
const ECDSA_P384: u16 = 0x0503;
const RSA_PSS: [u16; 3] = [0x0804, 0x0805, 0x0806];
const RSA_PKCS1: [u16; 3] = [0x0401, 0x0501, 0x0601];

/// What a client says.
#[derive(Clone, Debug)]
struct Hello {
    suites: Vec<u16>,
    schemes: Vec<u16>,
    groups: Option<Vec<u16>>,
    versions: Option<Vec<u16>>,
}

/// What a platform is.
#[derive(Clone, Copy, Debug)]
struct Platform {
    settings: Settings,
    ecc: bool,
    rsa: bool,
}

/// The outcome, as far as a ClientHello determines it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Tls12(u16, Kind),
    Tls13(Kind),
    Refused,
}

/// Some of what counts and some of what the platform lacks, in any order.
fn some(known: &[u16], unknown: &[u16]) -> impl Strategy<Value = Vec<u16>> + use<> {
    let (known, unknown) = (known.to_vec(), unknown.to_vec());
    let most = known.len();
    let unknowns = subsequence(unknown, 0..=1);
    (subsequence(known, 1..=most), unknowns)
        .prop_map(|(known, unknown)| [known, unknown].concat())
        .prop_shuffle()
}

fn hellos() -> impl Strategy<Value = Hello> {
    // Unknown: suites with AES-128 or RSA key transport, the renegotiation signal; ffdhe6144, ffdhe8192,
    // X448, GREASE; other curves, Ed25519, SHA-1.
    let suites =
        some(&[&TABLE.map(|(suite, ..)| suite)[..], &TLS13_SUITES].concat(), &[0xc02b, 0x002f, 0x00ff]);
    let groups =
        some(&[&CURVES[..], &FINITE_FIELDS, &[X25519_MLKEM768]].concat(), &[0x0103, 0x0104, 0x001e, 0x0a0a]);
    let only_unknown = select(vec![vec![0x0103], vec![0x0104, 0x0017], vec![0x001e]]);
    let groups = prop_oneof![1 => Just(None), 2 => only_unknown.prop_map(Some), 7 => groups.prop_map(Some)];
    let schemes = some(
        &[&RSA_PSS[..1], &RSA_PKCS1[..1], &[ECDSA_P384]].concat(),
        &[0x0403, 0x0603, 0x0807, 0x0201, 0x0203],
    );
    let versions = prop_oneof![
        3 => Just(None),
        1 => select(vec![vec![0x0302], vec![0x0303], vec![0x0304]]).prop_map(Some),
        2 => Just(Some(vec![0x0304, 0x0303])),
    ];
    (suites, schemes, groups, versions).prop_map(|(suites, schemes, groups, versions)| Hello {
        suites,
        schemes,
        groups,
        versions,
    })
}

fn platforms() -> impl Strategy<Value = Platform> {
    let versions = prop_oneof![
        3 => Just(Versions::Tls12),
        1 => Just(Versions::Tls13),
        3 => Just(Versions::Tls12AndTls13),
    ];
    let keys = select(vec![(true, true), (true, true), (true, false), (false, true)]);
    (versions, any::<bool>(), keys).prop_map(|(versions, ecdhe_rsa, (ecc, rsa))| Platform {
        settings: Settings { versions, ecdhe_rsa },
        ecc,
        rsa,
    })
}

impl Platform {
    fn speaks(self, version: u16) -> bool {
        match self.settings.versions {
            Versions::Tls12 => version == 0x0303,
            Versions::Tls13 => version == 0x0304,
            Versions::Tls12AndTls13 => version == 0x0303 || version == 0x0304,
        }
    }

    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Ecc => self.ecc,
            Kind::Rsa => self.rsa,
        }
    }
}

impl Hello {
    fn end(&self, platform: Platform) -> End {
        let offered = |version| match &self.versions {
            Some(versions) => versions.contains(&version),
            None => version == 0x0303,
        };
        if offered(0x0304) && platform.speaks(0x0304) {
            return self.tls13(platform);
        }
        if offered(0x0303) && platform.speaks(0x0303) {
            return self.first_row(platform).map_or(End::Refused, |(suite, kind)| End::Tls12(suite, kind));
        }
        End::Refused
    }

    /// The first row that serves this client. An ECC certificate on a curve that it does not name is the last
    /// resort.
    fn first_row(&self, platform: Platform) -> Option<(u16, Kind)> {
        let possible: Vec<_> = TABLE
            .into_iter()
            .filter(|row| self.serves(platform, *row))
            .map(|(suite, _, kind)| (suite, kind))
            .collect();
        let knows_curve = self.groups.as_deref().unwrap_or_default().contains(&P384);
        let sure = possible.iter().find(|(_, kind)| *kind == Kind::Rsa || knows_curve);
        sure.or(possible.first()).copied()
    }

    fn serves(&self, platform: Platform, (suite, exchange, kind): (u16, Exchange, Kind)) -> bool {
        let on = suite != ECDHE_RSA || platform.settings.ecdhe_rsa;
        let signs = match kind {
            Kind::Ecc => self.schemes.contains(&ECDSA_P384),
            Kind::Rsa => {
                self.schemes.iter().any(|scheme| RSA_PSS.contains(scheme) || RSA_PKCS1.contains(scheme))
            }
        };
        on && signs && platform.has(kind) && self.suites.contains(&suite) && self.allows(exchange)
    }

    fn allows(&self, exchange: Exchange) -> bool {
        let groups = self.groups.as_deref().unwrap_or_default();
        match exchange {
            Exchange::Ecdhe => groups.iter().any(|group| CURVES.contains(group)),
            Exchange::Dhe => {
                groups.iter().any(|group| FINITE_FIELDS.contains(group))
                    || !groups.iter().any(|group| (0x0100..0x0200).contains(group))
            }
        }
    }

    fn tls13(&self, platform: Platform) -> End {
        let group =
            self.groups.iter().flatten().any(|group| CURVES.contains(group) || *group == X25519_MLKEM768);
        let suite = self.suites.iter().any(|suite| TLS13_SUITES.contains(suite));
        let kind = self.tls13_kind(platform).filter(|_| group && suite);
        kind.map_or(End::Refused, End::Tls13)
    }

    /// The key of the TLS 1.2 table where it will do, else ECC first.
    fn tls13_kind(&self, platform: Platform) -> Option<Kind> {
        let usable = |kind: &Kind| {
            platform.has(*kind)
                && match kind {
                    Kind::Ecc => self.schemes.contains(&ECDSA_P384),
                    Kind::Rsa => self.schemes.iter().any(|scheme| RSA_PSS.contains(scheme)),
                }
        };
        let tls12 = platform.speaks(0x0303).then(|| self.first_row(platform)).flatten();
        tls12.map(|(_, kind)| kind).into_iter().chain([Kind::Ecc, Kind::Rsa]).find(usable)
    }

    /// A client that speaks TLS 1.2 and still lists suites of TLS 1.3, and can use one key in the first and
    /// only the other one in the second. rustls does not show the resolver which version it is going to
    /// speak.
    fn says_two_things(&self, platform: Platform) -> bool {
        let lists_tls13 =
            platform.speaks(0x0304) && self.suites.iter().any(|suite| TLS13_SUITES.contains(suite));
        let tls12 = self.first_row(platform).map(|(_, kind)| kind);
        let tls13 = self.tls13_kind(platform);
        matches!(self.end(platform), End::Tls12(..)) && lists_tls13 && tls13.is_some() && tls13 != tls12
    }

    /// The ClientHello in its record (RFC 5246 section 7.4.1.2).
    fn record(&self) -> Vec<u8> {
        let list = |items: &[u16]| items.iter().flat_map(|item| item.to_be_bytes()).collect::<Vec<_>>();
        let mut extensions = extension(13, &with_length(&list(&self.schemes)));
        if let Some(groups) = &self.groups {
            extensions.extend(extension(10, &with_length(&list(groups))));
            let known = SHARES.iter().filter(|(group, _)| groups.contains(group));
            let shares = known.map(|(group, share)| [&group.to_be_bytes()[..], &with_length(share)].concat());
            extensions.extend(extension(51, &with_length(&shares.collect::<Vec<_>>().concat())));
        }
        if let Some(versions) = &self.versions {
            let versions = list(versions);
            extensions
                .extend(extension(43, &[&[u8::try_from(versions.len()).unwrap()], &versions[..]].concat()));
        }
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0],
            &with_length(&list(&self.suites)),
            &[1, 0],
            &with_length(&extensions),
        ]
        .concat();
        let message = [&[1, 0][..], &with_length(&body)].concat();
        [&[22, 3, 1][..], &with_length(&message)].concat()
    }
}

/// A key share for each group of TLS 1.3, so that nothing has to be asked again.
static SHARES: LazyLock<Vec<(u16, Vec<u8>)>> = LazyLock::new(|| {
    let provider = provider(Settings { versions: Versions::Tls13, ecdhe_rsa: false });
    let share = |group: &&'static dyn SupportedKxGroup| {
        (group.name().into(), group.start().unwrap().pub_key().to_vec())
    };
    provider.kx_groups.iter().map(share).collect()
});

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &with_length(content)].concat()
}

/// Passes rustls' question on and remembers the answer.
#[derive(Debug)]
struct Witness {
    certificates: PlatformCertificates,
    answered: Mutex<Option<SignatureAlgorithm>>,
}

impl ResolvesServerCert for Witness {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.certificates.resolve(hello);
        *self.answered.lock().unwrap() = key.as_ref().map(|key| key.key.algorithm());
        key
    }
}

/// Lets rustls answer a ClientHello; the bytes are what it sends back.
fn answer(hello: &Hello, platform: Platform) -> (End, Vec<u8>) {
    static KEYS: LazyLock<[Arc<CertifiedKey>; 2]> =
        LazyLock::new(|| [&SITE.ecc, &SITE.rsa].map(|branch| branch.platform.certified_key()));
    let [ecc, rsa] =
        [(platform.ecc, &KEYS[0]), (platform.rsa, &KEYS[1])].map(|(on, key)| on.then(|| Arc::clone(key)));
    let provider = provider(platform.settings);
    let certificates = PlatformCertificates::new(&provider, PlatformIdentity::new(ecc, rsa).unwrap());
    let witness = Arc::new(Witness { certificates, answered: Mutex::new(None) });
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(platform.settings.versions.protocol_versions())
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&witness) as _);
    config.ignore_client_order = true;

    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    connection.read_tls(&mut hello.record().as_slice()).unwrap();
    let processed = connection.process_new_packets();
    let mut sent = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut sent).unwrap();
    }
    let kind = match *witness.answered.lock().unwrap() {
        Some(SignatureAlgorithm::ECDSA) => Some(Kind::Ecc),
        Some(SignatureAlgorithm::RSA) => Some(Kind::Rsa),
        _ => None,
    };
    let end = match (processed, kind) {
        (Err(_), _) => End::Refused,
        // ServerHello: record 5, message 4, version 2, random 32, an empty session id or none, the suite.
        (Ok(_), Some(kind)) => {
            let after_session_id = 44 + usize::from(sent[43]);
            let suite = u16::from_be_bytes([sent[after_session_id], sent[after_session_id + 1]]);
            if TLS13_SUITES.contains(&suite) { End::Tls13(kind) } else { End::Tls12(suite, kind) }
        }
        (Ok(_), None) => panic!("a handshake went on without a certificate"),
    };
    (end, sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a3_rustls_picks_what_the_table_says_and_serves_whom_a_row_can_serve(
        hello in hellos(),
        platform in platforms(),
    ) {
        prop_assume!(!hello.says_two_things(platform));
        let (end, sent) = answer(&hello, platform);
        prop_assert_eq!(&end, &hello.end(platform));
        if end == End::Refused && sent.first() == Some(&21) {
            let alert = sent[6];
            prop_assert!(alert == 40 || alert == 70, "handshake_failure or protocol_version, not {alert}");
        }
    }
}

fn tls12(suites: &[u16], schemes: &[u16], groups: &[u16]) -> Hello {
    let groups = Some(groups.to_vec());
    Hello { suites: suites.to_vec(), schemes: schemes.to_vec(), groups, versions: None }
}

const BOTH: Platform = Platform {
    settings: Settings { versions: Versions::Tls12AndTls13, ecdhe_rsa: true },
    ecc: true,
    rsa: true,
};

#[test]
fn a3_dhe_rsa_goes_before_ecdhe_rsa_and_behind_ecdhe_ecdsa() {
    let suites = [0xc030, 0x009f, 0xc02c];
    let schemes = [ECDSA_P384, RSA_PSS[0]];
    let (end, _) = answer(&tls12(&suites, &schemes, &CURVES), BOTH);
    assert_eq!(end, End::Tls12(0xc02c, Kind::Ecc));
    // The same client, which cannot verify the ECC certificate.
    let (end, _) = answer(&tls12(&suites, &[0x0403, RSA_PSS[0]], &CURVES), BOTH);
    assert_eq!(end, End::Tls12(0x009f, Kind::Rsa));
    // One that knows the algorithm and not the curve, on a platform that has a choice and on one that has
    // none.
    let stranger = tls12(&suites, &schemes, &[0x0017]);
    assert_eq!(answer(&stranger, BOTH).0, End::Tls12(0x009f, Kind::Rsa));
    assert_eq!(answer(&stranger, Platform { rsa: false, ..BOTH }).0, End::Tls12(0xc02c, Kind::Ecc));
    // One with a finite field that the platform lacks.
    let groups = [&[0x0104][..], &CURVES].concat();
    let (end, _) = answer(&tls12(&suites, &[0x0403, RSA_PSS[0]], &groups), BOTH);
    assert_eq!(end, End::Tls12(0xc030, Kind::Rsa));
}

#[test]
fn a_client_with_nothing_in_common_is_refused_with_handshake_failure() {
    for hello in [
        tls12(&[0x002f], &[ECDSA_P384], &CURVES),
        tls12(&[0xc02c], &[0x0403], &CURVES),
        tls12(&[0xc02c], &[ECDSA_P384], &[0x001e]),
        tls12(&[0x009f], &RSA_PSS, &[0x0104]),
        tls12(&[0x009f], &[ECDSA_P384], &FINITE_FIELDS),
    ] {
        let (end, sent) = answer(&hello, BOTH);
        assert_eq!(end, End::Refused, "{hello:?}");
        assert_eq!(sent, [21, 3, 3, 0, 2, 2, 40], "{hello:?}");
    }
}

#[test]
fn a5_in_tls_1_3_ecc_comes_first_and_rsa_serves_whom_ecc_does_not() {
    let hello =
        |schemes: &[u16]| Hello { versions: Some(vec![0x0304]), ..tls12(&[0x1301], schemes, &CURVES) };
    assert_eq!(answer(&hello(&[RSA_PSS[1], ECDSA_P384]), BOTH).0, End::Tls13(Kind::Ecc));
    assert_eq!(answer(&hello(&[RSA_PSS[1], 0x0403]), BOTH).0, End::Tls13(Kind::Rsa));
    assert_eq!(answer(&hello(&[RSA_PKCS1[1], 0x0403]), BOTH).0, End::Refused);
    // A client of both versions, whose TLS 1.2 would take the RSA certificate and whose TLS 1.3 cannot.
    let either = Hello {
        versions: Some(vec![0x0304, 0x0303]),
        ..tls12(&[0x1301, 0x009f], &[RSA_PKCS1[1], ECDSA_P384], &CURVES)
    };
    assert_eq!(answer(&either, BOTH).0, End::Tls13(Kind::Ecc));
}
