//! B18: the reference client against platforms of other people. Each staples what it can; the client
//! accepts a platform whose every certificate has a good status, and refuses every other one.

mod gnutls;
mod jsse;
mod openssl;
mod own;
mod staple;
mod wolfssl;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use pcd_platform::config::{Revocation, TlsVersion};
use pcd_platform::interface_b::{Answer, Client, ClientError};
use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use pcd_platform::revocation::Engine;
use pcd_platform::tls::{Connector, ConnectorSettings, Staples, StatusCheck};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Credential, SOON, Site, message};
use staple::StapleMaker;

const NAME: &str = "REFERENCE-CLIENT";

/// A platform's certificate, a device's, and the responses about the platform's.
struct Scene {
    site: Site,
    platform: Credential,
    is_rsa: bool,
    device: Credential,
    staples: StapleMaker,
}

impl Scene {
    fn new(key: KeyType) -> Self {
        let site = Site::new();
        let name = format!("platform-{}", site.path().file_name().unwrap().to_string_lossy());
        let platform = site.issue(&CertificateOrder::new(&name, Role::Platform, key));
        let device = site.certificate(NAME, key);
        let other = site.issue(&CertificateOrder::new(format!("{name}-other"), Role::Platform, key));
        let staples = StapleMaker::new(&site, [&platform, &other], key, &device);
        Self { site, platform, is_rsa: key == KeyType::Rsa, device, staples }
    }

    fn connector(&self, version: TlsVersion, suite: Option<&str>, missing: Staples) -> Connector {
        connector(&self.site, &self.device, version, suite, missing)
    }

    /// The platform's certificate, its issuing CA and the root: Java asks for the status of a certificate
    /// whose issuer it has.
    fn whole_chain(&self) -> Credential {
        let chain = self.platform.chain.with_extension("whole.pem");
        let root = &self.site.trust_anchors()[usize::from(self.is_rsa)];
        let parts = [&self.platform.chain, root].map(|part| std::fs::read(part).unwrap());
        std::fs::write(&chain, parts.concat()).unwrap();
        Credential { chain, ..self.platform.clone() }
    }

    /// Connects, and gets one line back that the server has reversed or repeated.
    fn echo(&self, to: &str, version: TlsVersion, missing: Staples, back: &str) -> Result<(), String> {
        self.echo_by(&self.connector(version, None, missing), to, back)
    }

    fn echo_by(&self, connector: &Connector, to: &str, back: &str) -> Result<(), String> {
        block_on(async {
            let tcp = TcpStream::connect(to).await.unwrap();
            let mut stream = connector.connect("127.0.0.1", tcp).await.map_err(|error| error.to_string())?;
            stream.write_all(b"alarm\n").await.map_err(|error| error.to_string())?;
            stream.flush().await.map_err(|error| error.to_string())?;
            let mut line = vec![0; back.len()];
            stream.read_exact(&mut line).await.map_err(|error| error.to_string())?;
            assert_eq!(String::from_utf8_lossy(&line), back);
            Ok(())
        })
    }

    /// Sends a message, and gets its acknowledgement.
    fn send(&self, to: &str, version: TlsVersion, suite: Option<&str>) -> Result<Vec<Answer>, ClientError> {
        let connector = self.connector(version, suite, Staples::Require);
        let (host, port) = to.rsplit_once(':').unwrap();
        let (host, port) = (host.to_owned(), port.parse().unwrap());
        block_on(async {
            let mut client = Client::connect(&connector, &host, port, SOON).await?;
            client.send(Bytes::from(message(NAME, "1").to_vec())).await
        })
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn connector(
    site: &Site,
    own: &Credential,
    version: TlsVersion,
    suite: Option<&str>,
    missing: Staples,
) -> Connector {
    connector_of(site, own, vec![version], suite, missing)
}

fn connector_of(
    site: &Site,
    own: &Credential,
    versions: Vec<TlsVersion>,
    suite: Option<&str>,
    missing: Staples,
) -> Connector {
    build(&site.trust_anchors(), own, versions, suite, missing)
}

/// A client that trusts these roots.
fn connector_to(
    roots: &[PathBuf],
    own: &Credential,
    versions: Vec<TlsVersion>,
    missing: Staples,
) -> Connector {
    build(roots, own, versions, None, missing)
}

fn build(
    roots: &[PathBuf],
    own: &Credential,
    versions: Vec<TlsVersion>,
    suite: Option<&str>,
    missing: Staples,
) -> Connector {
    let engine = Engine::for_client(&Revocation::default(), Clock::system()).unwrap();
    let settings = ConnectorSettings {
        credential: pcd_platform::config::Credential {
            chain: own.chain.clone(),
            key: own.key.clone().into(),
            passphrase: None,
        },
        trust_anchors: roots.to_vec(),
        versions,
        suite: suite.map(str::to_owned),
        status: Some(StatusCheck { engine, missing }),
    };
    Connector::build(&settings, &Clock::system()).unwrap()
}

/// A server that ends with its handle.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
}

impl Running {
    /// Starts it, and reads lines until `address` finds where it listens.
    pub(crate) fn start(mut server: Command, address: impl Fn(&str) -> Option<String>) -> Self {
        let mut child =
            server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| address(&line.unwrap())).expect("it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each fault at a platform with an ECC identity, and at one with an RSA identity.
fn faults_with_each_key() -> impl Iterator<Item = (KeyType, (staple::Kind, &'static str))> {
    [KeyType::Ecc, KeyType::Rsa].into_iter().flat_map(|key| FAULTS.map(|fault| (key, fault)))
}

/// The faults of one staple of two, and what the client says of it.
const FAULTS: [(staple::Kind, &str); 5] = [
    (staple::Kind::Missing, "no status for CN="),
    (staple::Kind::Stale, "and not now"),
    (staple::Kind::Revoked, "is revoked since"),
    (staple::Kind::OfAnother, "not about the certificate in question"),
    (staple::Kind::OfAStranger, "signer is not authorised"),
];
