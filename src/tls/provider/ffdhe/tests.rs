use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::version::TLS12;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use super::*;
use crate::tls::provider::openssl::{der, openssl};
use crate::tls::provider::{Settings, Versions, provider};

const GROUPS: [(&Group, &str); 3] =
    [(&FFDHE2048, "ffdhe2048"), (&FFDHE3072, "ffdhe3072"), (&FFDHE4096, "ffdhe4096")];

/// A key pair of OpenSSL in one of the groups.
struct Opposite {
    folder: tempfile::TempDir,
    public: Vec<u8>,
}

impl Opposite {
    fn new(group: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let option = format!("group:{group}");
        openssl(folder.path(), &["genpkey", "-algorithm", "DH", "-pkeyopt", &option, "-out", "key.pem"]);
        let spki = openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
        let (_, spki) = SubjectPublicKeyInfo::from_der(&spki).unwrap();
        // An INTEGER, and a zero before a first bit that is set. One of 256 values has 255 bytes: their
        // number is one byte of DER then, and two otherwise.
        let header = if spki.subject_public_key.data[1] == 0x81 { 3 } else { 4 };
        let integer = &spki.subject_public_key.data[header..];
        let zeros = integer.iter().take_while(|byte| **byte == 0).count();
        Self { folder, public: integer[zeros..].to_vec() }
    }

    /// The secret that OpenSSL derives from its key and ours: padded as in TLS 1.3, or stripped as in TLS
    /// 1.2.
    fn derive(&self, group: &Group, ours: &[u8], padded: bool) -> Vec<u8> {
        let integer = |bytes: &[u8]| der(0x02, &[&[0], bytes]);
        let dh_key_agreement = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1];
        let parameters = der(0x30, &[&integer(group.parameters.p), &[0x02, 1, 2]]);
        let algorithm = der(0x30, &[&dh_key_agreement, &parameters]);
        // DER forbids superfluous zeros, and OpenSSL checks this. One of 256 public values begins with a
        // zero.
        let ours = &ours[ours.iter().take_while(|byte| **byte == 0).count()..];
        let value: &[u8] = if ours[0] & 0x80 == 0 { ours } else { &[&[0], ours].concat() };
        let spki = der(0x30, &[&algorithm, &der(0x03, &[&[0], &der(0x02, &[value])])]);
        fs::write(self.folder.path().join("peer.der"), spki).unwrap();
        let padding = if padded { "dh_pad:1" } else { "dh_pad:0" };
        let derive = ["pkeyutl", "-derive", "-inkey", "key.pem", "-peerkey", "peer.der", "-peerform", "DER"];
        openssl(self.folder.path(), &[&derive[..], &["-pkeyopt", padding]].concat())
    }
}

#[test]
fn a0_openssl_derives_the_same_secret_in_every_group() {
    for (group, name) in GROUPS {
        let opposite = Opposite::new(name);
        let ours = group.start().unwrap();
        assert_eq!(ours.pub_key().len(), group.parameters.p.len());
        let theirs = opposite.derive(group, ours.pub_key(), true);
        assert_eq!(ours.complete(&opposite.public).unwrap().secret_bytes(), theirs, "{name}");
    }
}

#[test]
fn a_public_value_with_a_leading_zero_is_sent_at_its_full_length() {
    let opposite = Opposite::new("ffdhe2048");
    let exchanges = (0_u64..).map(|tail| FFDHE2048.exchange(&[&[1; 21], &tail.to_be_bytes()[..]].concat()));
    let ours = exchanges.into_iter().find(|ours| ours.public[0] == 0 && ours.public[1] < 0x80).unwrap();
    let theirs = opposite.derive(&FFDHE2048, &ours.public, true);
    assert_eq!(Box::new(ours).complete(&opposite.public).unwrap().secret_bytes(), theirs);
}

/// An exponent whose secret with `peer` begins with a zero byte, as one of 256 does.
fn with_leading_zero(group: Group, peer: &[u8]) -> (Vec<u8>, Exchange) {
    (0_u64..)
        .map(|tail| [&[1; 21], &tail.to_be_bytes()[..]].concat())
        .find(|exponent| Box::new(group.exchange(exponent)).complete(peer).unwrap().secret_bytes()[0] == 0)
        .map(|exponent| (exponent.clone(), group.exchange(&exponent)))
        .unwrap()
}

#[test]
fn leading_zeros_of_the_secret_are_kept_in_tls_1_3_and_stripped_in_tls_1_2() {
    let opposite = Opposite::new("ffdhe2048");
    let (exponent, ours) = with_leading_zero(FFDHE2048, &opposite.public);
    let stripped = opposite.derive(&FFDHE2048, &ours.public, false);
    let padded = opposite.derive(&FFDHE2048, &ours.public, true);
    assert!(stripped.len() < padded.len() && padded.len() == 256);

    let tls12 = Box::new(ours).complete_for_tls_version(&opposite.public, &TLS12).unwrap();
    assert_eq!(tls12.secret_bytes(), stripped);
    let whole = Box::new(FFDHE2048.exchange(&exponent)).complete(&opposite.public).unwrap();
    assert_eq!(whole.secret_bytes(), padded);
}

#[test]
fn a_handshake_with_openssl_survives_a_secret_with_a_leading_zero() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let group: &'static Unlucky = Box::leak(Box::new(Unlucky(Arc::clone(&heard))));
    let server = Server::start();

    let mut provider = provider(Settings { versions: Versions::Tls12, ecdhe_rsa: true });
    provider.kx_groups.retain(|group| group.ffdhe_group().is_none());
    provider.kx_groups.push(group);
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = Listening { stream: TcpStream::connect(server.address.as_str()).unwrap(), heard };
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    // s_server -rev answers each line backwards.
    tls.write_all(b"frame\n").unwrap();
    let mut answer = [0; 6];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"emarf\n");
    assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), NamedGroup::FFDHE2048);
}

/// A group that reads the server's public value off the wire, and then selects an exponent whose secret
/// begins with a zero byte.
#[derive(Debug)]
struct Unlucky(Arc<Mutex<Vec<u8>>>);

impl SupportedKxGroup for Unlucky {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let heard = self.0.lock().unwrap();
        let prime = ffdhe_groups::FFDHE2048.p;
        let at = heard.windows(prime.len()).position(|window| window == prime).unwrap() + prime.len();
        // ServerDHParams (RFC 5246 section 7.4.3): a generator of one byte, then the public value.
        let length = usize::from(u16::from_be_bytes([heard[at + 3], heard[at + 4]]));
        let public = &heard[at + 5..at + 5 + length];
        Ok(Box::new(with_leading_zero(FFDHE2048, public).1))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        FFDHE2048.ffdhe_group()
    }

    fn name(&self) -> NamedGroup {
        FFDHE2048.name()
    }
}

struct Listening {
    stream: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Read for Listening {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.heard.lock().unwrap().extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl std::io::Write for Listening {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// `openssl s_server` with ffdhe2048, on its own port.
struct Server {
    process: std::process::Child,
    address: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let certificate =
            rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        let parameters = ["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"];
        openssl(folder.path(), &[&parameters[..], &["-out", "dh.pem"]].concat());
        let mut process = Command::new("openssl")
            .current_dir(folder.path())
            .args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-rev", "-dhparam", "dh.pem"])
            .args(["-cert", "certificate.pem", "-key", "key.pem", "-cipher", "DHE-RSA-AES256-GCM-SHA384"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = BufReader::new(process.stdout.as_mut().unwrap())
            .lines()
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ").map(ToOwned::to_owned))
            .unwrap();
        Self { process, address, certificate: certificate.der().clone(), _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn trivial_and_oversized_public_values_are_refused() {
    for (group, name) in GROUPS {
        let complete = |peer: &[u8]| group.start().unwrap().complete(peer).map(|_| ());
        let refused = Err(Error::from(PeerMisbehaved::InvalidKeyShare));
        let prime = group.parameters.p;
        // The last byte of each prime is 0xff, so that nothing is carried.
        let below = |by: u8| [&prime[..prime.len() - 1], &[0xff - by]].concat();
        let above = [&[1], &vec![0; prime.len()][..]].concat();
        for peer in [&[][..], &[0], &[1], &[0, 1], &below(1), prime, &vec![0xff; prime.len()], &above] {
            assert_eq!(complete(peer), refused, "{name}: {} bytes", peer.len());
        }
        for peer in [&[2][..], &[0, 2], &below(2)] {
            assert_eq!(complete(peer), Ok(()), "{name}: {} bytes", peer.len());
        }
        let padded_beyond_the_prime = [&[0], &below(2)[..]].concat();
        assert_eq!(complete(&padded_beyond_the_prime), refused, "{name}");
    }
}

#[test]
fn exponents_have_the_length_of_rfc_7919_and_differ() {
    for ((group, name), least) in GROUPS.into_iter().zip([225, 275, 325]) {
        assert!(group.exponent_bytes * 8 >= least, "{name}");
        assert_ne!(group.start().unwrap().pub_key(), group.start().unwrap().pub_key(), "{name}");
    }
    let exchange = FFDHE2048.exchange(&[0xff; 29]);
    assert_eq!(exchange.exponent.bits, 232);
}

#[test]
fn the_groups_are_for_tls_1_2() {
    for (group, name) in GROUPS {
        assert!(group.usable_for_version(ProtocolVersion::TLSv1_2), "{name}");
        assert!(!group.usable_for_version(ProtocolVersion::TLSv1_3), "{name}");
        assert_eq!(group.ffdhe_group(), Some(group.parameters));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_sides_agree_and_leading_zeros_of_a_public_value_do_not_matter(
        ours in proptest::collection::vec(any::<u8>(), 29),
        theirs in proptest::collection::vec(any::<u8>(), 29),
    ) {
        let [ours, theirs] = [&ours, &theirs].map(|exponent| Box::new(FFDHE2048.exchange(exponent)));
        let [our_public, their_public] = [&ours, &theirs].map(|exchange| exchange.public.clone());
        let zeros = their_public.iter().take_while(|byte| **byte == 0).count();
        let one = ours.complete(&their_public[zeros..]).unwrap();
        let other = theirs.complete(&our_public).unwrap();
        prop_assert_eq!(one.secret_bytes(), other.secret_bytes());
    }
}
