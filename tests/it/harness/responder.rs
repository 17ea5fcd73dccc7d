//! Sources of revocation data: OpenSSL's OCSP responder, and a file server that can be slow.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use pcd_platform::pki::Authority;
use pcd_platform::x509::{CertificateFacts, pem};

use super::{Credential, cluster, eventually, pki, tool};

/// `openssl ocsp` for the certificates of one issuing CA.
#[derive(Debug)]
pub struct OpensslOcsp {
    child: Option<Child>,
    address: SocketAddr,
    index: PathBuf,
    ca: Authority,
    signer: Option<Credential>,
    /// The digest of its signatures, in place of SHA-256.
    digest: Option<&'static str>,
    lines: Vec<String>,
}

/// The serial number of the first certificate of a chain.
pub fn serial(own: &Credential) -> String {
    let ders = pem::certificates(&std::fs::read(&own.chain).unwrap()).unwrap();
    CertificateFacts::read(&ders[0]).unwrap().serial.to_string().to_uppercase()
}

/// The certificate and the key of an authority of the tests' PKI.
pub fn authority(authority: Authority) -> (PathBuf, PathBuf) {
    let certificate = pki().certificate(authority);
    (certificate.clone(), certificate.with_extension("key"))
}

impl OpensslOcsp {
    /// A responder for the ECC issuing CA, not started yet; the CA signs, or a delegate.
    pub fn new(folder: &Path, signer: Option<Credential>) -> Self {
        let mut responder = Self::of(folder, Authority::ComponentCaEcc);
        responder.signer = signer;
        responder
    }

    /// A responder for what this CA has issued, not started yet; the CA signs.
    pub fn of(folder: &Path, ca: Authority) -> Self {
        let address = fixed_address();
        let index = folder.join(format!("{}.txt", ca.name()));
        Self { child: None, address, index, ca, signer: None, digest: None, lines: Vec::new() }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Signs with this digest from the next start on.
    pub const fn sign_with(&mut self, digest: &'static str) {
        self.digest = Some(digest);
    }

    /// Enters a certificate as good; one that was never entered is unknown.
    pub fn know(&mut self, own: &Credential) {
        self.lines.push(format!("V\t400101000000Z\t\t{0}\tunknown\t/CN={0}", serial(own)));
        self.restart();
    }

    /// Enters a certificate as revoked.
    pub fn revoke(&mut self, own: &Credential) {
        let serial = serial(own);
        self.lines.retain(|line| !line.contains(&serial));
        let line = format!("R\t400101000000Z\t260101000000Z,keyCompromise\t{serial}\tunknown\t/CN={serial}");
        self.lines.push(line);
        self.restart();
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        std::fs::write(&self.index, self.lines.join("\n") + "\n").unwrap();
        let (ca, key) = authority(self.ca);
        let (signer, key) =
            self.signer.as_ref().map_or((ca.clone(), key), |own| (own.chain.clone(), own.key.clone()));
        // Its port was just freed, by us or by the process before; it may take the system a moment.
        eventually("openssl ocsp listens", || {
            let mut openssl = tool("openssl", "openssl");
            openssl
                .args(["ocsp", "-port", &self.address.port().to_string(), "-nmin", "30", "-index"])
                .arg(&self.index);
            openssl.args(self.digest.iter().flat_map(|digest| ["-rmd", digest]));
            openssl.arg("-CA").arg(&ca).arg("-rsigner").arg(&signer).arg("-rkey").arg(&key);
            openssl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = openssl.spawn().unwrap();
            // Looked up and not connected to: it serves one connection after the other.
            while child.try_wait().unwrap().is_none() {
                if is_listening(self.address.port()) {
                    self.child = Some(child);
                    return true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            false
        });
    }
}

pub(super) fn is_listening(port: u16) -> bool {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let local = format!(":{port:04X}");
    tables.iter().flat_map(|table| table.lines()).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some("0A")
    })
}

impl Drop for OpensslOcsp {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a [`Server`] does with a request.
pub type Answer = Arc<dyn Fn(Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

/// An HTTP server inside the test: waits, then answers the body of each request, or never does.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// How many requests have come.
    pub asked: Arc<Mutex<u32>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub fn start(delay: Duration, answer: Answer) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let handler = move |request: Request| {
            let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
            async move {
                *count.lock().unwrap() += 1;
                let path = request.uri().path().to_owned();
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
                tokio::time::sleep(delay).await;
                let asked = if body.is_empty() { path.into_bytes() } else { body.to_vec() };
                match answer(asked) {
                    Some(answer) => Bytes::from(answer).into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
        };
        let router = Router::new().fallback(handler);
        runtime.spawn(async move { axum::serve(socket, router).await });
        Self { address, asked, _runtime: runtime }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// `pki respond` for a PKI.
#[derive(Debug)]
pub struct OwnResponder {
    child: Child,
    pub address: String,
}

impl OwnResponder {
    pub fn start(dir: &Path, more: &[&str]) -> Self {
        let mut own = super::binary();
        own.args(["--json", "pki", "respond", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).args(more);
        let mut child = own.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, address: output["listen"].as_str().unwrap().to_owned() }
    }
}

impl Drop for OwnResponder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address whose port no other socket gets while a restarting responder has released its own.
pub fn fixed_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], cluster::fixed_port()))
}
