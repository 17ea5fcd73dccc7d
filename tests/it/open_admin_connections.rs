//! Connections of people that stay open, while what their roles depend on changes.

use std::sync::Arc;
use std::time::Duration;

use pcd_platform::model::Clock;
use pcd_platform::pki::{Issued, KeyType, RevocationReason};
use pcd_platform::tls::{Connector, ConnectorSettings, SecuredStream};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::harness::{Platform, SOON, eventually, runtime};
use crate::people_certificates::Ward;

/// One TLS connection to the admin listener, with the certificate of a person.
struct Client {
    stream: SecuredStream,
    unread: Vec<u8>,
    host: String,
    runtime: Arc<Runtime>,
}

impl Client {
    fn connect(ward: &Ward, platform: &Platform, Issued { chain, key }: &Issued) -> Self {
        let credential = pcd_platform::config::Credential {
            chain: chain.clone(),
            key: key.clone().into(),
            passphrase: None,
        };
        let settings = ConnectorSettings {
            credential,
            trust_anchors: ward.people.trust_anchors().to_vec(),
            versions: vec![pcd_platform::config::TlsVersion::Tls13],
            suite: None,
            status: None,
        };
        let (connector, runtime) = (Connector::build(&settings, &Clock::system()).unwrap(), runtime());
        let stream = runtime.block_on(async {
            let tcp = TcpStream::connect(platform.admin).await.unwrap();
            connector.connect("127.0.0.1", tcp).await.unwrap()
        });
        Self { stream, unread: Vec::new(), host: platform.admin.to_string(), runtime }
    }

    fn send(&mut self, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await
        })
    }

    /// What is read up to the end of `mark`; `None` when the connection ends before it.
    fn read_until(&mut self, mark: &str) -> Option<String> {
        let mark = mark.as_bytes();
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                let read = self.unread.drain(..at + mark.len()).collect();
                return Some(String::from_utf8(read).unwrap());
            }
            let (stream, unread) = (&mut self.stream, &mut self.unread);
            let read = self.runtime.block_on(async { timeout(SOON, stream.read_buf(unread)).await });
            match read.expect("something is read in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The status of a response; `None` when the connection has ended.
    fn status(&mut self, path: &str) -> Option<u16> {
        self.send(path).ok()?;
        let head = self.read_until("\r\n\r\n")?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let length: usize = length.parse().unwrap();
        while self.unread.len() < length {
            let (stream, unread) = (&mut self.stream, &mut self.unread);
            let read = self.runtime.block_on(async { timeout(SOON, stream.read_buf(unread)).await });
            assert!(read.unwrap().unwrap() > 0, "the connection ends within a response");
        }
        self.unread.drain(..length);
        head.split(' ').nth(1)?.parse().ok()
    }

    /// Opens the stream of events, and reads its first one.
    fn watch(&mut self) {
        self.send("/live").unwrap();
        let head = self.read_until("data: ").expect("an event");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }

    /// Whether the stream of events ends before it would for its age.
    fn stream_ends(&mut self) -> bool {
        let (stream, unread) = (&mut self.stream, &mut self.unread);
        self.runtime.block_on(async {
            let reading = async {
                while !unread.ends_with(b"\r\n0\r\n\r\n") {
                    if stream.read_buf(unread).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            };
            timeout(STREAM_END, reading).await.is_ok()
        })
    }
}

/// A stream that nothing ends goes on for four minutes.
const STREAM_END: Duration = Duration::from_mins(1);

#[test]
fn an_open_connection_loses_its_role_with_its_certificate_and_with_its_root() {
    let ward = Ward::new();
    let platform = ward.site.start();
    let [weber, viewer] = ["m.weber", "v.iewer"].map(|name| ward.person(name, KeyType::Ecc));
    let [mut open, mut watching] = [(); 2].map(|()| Client::connect(&ward, &platform, &weber));
    assert_eq!(open.status("/api/person"), Some(200));
    watching.watch();
    ward.people.revoke(&std::fs::read(&weber.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
    ward.people.publish_crls(30).unwrap();
    platform.signal(Signal::HUP);
    eventually("the revoked person has no role on the open connection", || {
        open.status("/api/person").expect("the connection stays open") == 401
    });
    assert!(watching.stream_ends(), "the stream of a revoked person");

    let [mut open, mut watching] = [(); 2].map(|()| Client::connect(&ward, &platform, &viewer));
    assert_eq!(open.status("/api/person"), Some(200));
    watching.watch();
    let other = crate::harness::pki().trust_anchors();
    let Ward { site, people: _people, web: _web } = ward;
    let site = site.with("admin", &format!("trust-anchors = {other:?}"));
    site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the person of a removed root has no role on the open connection", || {
        open.status("/api/person").expect("the connection stays open") == 401
    });
    assert!(watching.stream_ends(), "the stream of a person whose root is gone");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn an_open_connection_loses_the_role_that_a_reload_takes_away() {
    let ward = Ward::new();
    let platform = ward.site.start();
    let viewer = ward.person("v.iewer", KeyType::Ecc);
    let [mut open, mut watching] = [(); 2].map(|()| Client::connect(&ward, &platform, &viewer));
    assert_eq!(open.status("/api/person"), Some(200));
    watching.watch();
    let Ward { site, people: _people, web: _web } = ward;
    let site = site.with("admin.roles", "viewer = [\"CN=o.ther\"]");
    site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the role is gone on the open connection", || {
        open.status("/api/person").expect("the connection stays open") == 401
    });
    assert!(watching.stream_ends(), "the stream of a person without a role");
}

#[test]
fn certificates_without_a_role_take_no_place_from_people() {
    let Ward { site, people, web } = Ward::new();
    let ward = Ward { site: site.with("admin", "max-connections = 8"), people, web };
    let platform = ward.site.start();
    let [viewer, other] = ["v.iewer", "o.ther"].map(|name| ward.person(name, KeyType::Ecc));
    let mut person = Client::connect(&ward, &platform, &viewer);
    let mut strangers = Vec::new();
    for number in 0..40 {
        assert_eq!(person.status("/api/person"), Some(200), "beside {number} strangers");
        let mut stranger = Client::connect(&ward, &platform, &other);
        assert_eq!(stranger.status("/api/person"), Some(401));
        strangers.push(stranger);
    }
    let [first, last] = [0, 39].map(|n: usize| strangers[n].status("/livez"));
    assert_eq!((first, last), (None, Some(200)), "strangers displace each other");
    assert_eq!(person.status("/api/person"), Some(200));
}
