//! A peer that writes any bytes it likes through a proper TLS connection.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use pcd_platform::config::TlsVersion;
use pcd_platform::model::Clock;
use pcd_platform::tls::{ConnectError, Connector, ConnectorSettings, SecuredStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Credential, SOON, Site};

/// A connection below MLLP.
#[derive(Debug)]
pub struct Wire {
    stream: SecuredStream,
    unread: Vec<u8>,
    runtime: Runtime,
    /// How long the next byte of an answer may take.
    answer_timeout: Duration,
}

/// Interface B's side of the handshake, with one cipher suite on offer or with all.
pub fn connector(site: &Site, own: &Credential, suite: Option<&str>) -> Result<Connector, ConnectError> {
    let credential = pcd_platform::config::Credential {
        chain: own.chain.clone(),
        key: own.key.clone().into(),
        passphrase: None,
    };
    let settings = ConnectorSettings {
        credential,
        trust_anchors: site.trust_anchors(),
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: suite.map(str::to_owned),
        status: None,
    };
    Connector::build(&settings, &Clock::system())
}

impl Wire {
    pub fn connect(site: &Site, to: SocketAddr, own: &Credential) -> Self {
        Self::over(site, std::net::TcpStream::connect(to).unwrap(), own)
    }

    /// The same over a connection on which something was sent before TLS.
    pub fn over(site: &Site, tcp: std::net::TcpStream, own: &Credential) -> Self {
        let connector = connector(site, own, None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            tcp.set_nodelay(true).unwrap();
            tcp.set_nonblocking(true).unwrap();
            let host = tcp.peer_addr().unwrap().ip().to_string();
            connector.connect(&host, TcpStream::from_std(tcp).unwrap()).await.unwrap()
        });
        Self { stream, unread: Vec::new(), runtime, answer_timeout: SOON }
    }

    /// Waits longer for answers: to the largest messages, or from many others at once.
    pub fn with_answer_timeout(self, answer_timeout: Duration) -> Self {
        Self { answer_timeout, ..self }
    }

    /// One TLS record.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            stream.write_all(bytes).await?;
            stream.flush().await
        })
    }

    /// The next acknowledgement, without its frame; `None` after the platform's close_notify.
    ///
    /// Fails the test when the connection ends without close_notify, or nothing comes.
    pub fn answer(&mut self) -> Option<String> {
        self.read_answer(self.answer_timeout).unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Waits for the end of the connection. Whether it comes with close_notify: not where the platform has
    /// not taken everything that was sent.
    pub fn ends_cleanly(&mut self) -> bool {
        match self.read_answer(self.answer_timeout) {
            Ok(None) => true,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
            other => panic!("the connection goes on: {other:?}"),
        }
    }

    /// As [`Wire::answer`], for connections that are about to break.
    pub fn try_answer(&mut self) -> std::io::Result<Option<String>> {
        self.read_answer(self.answer_timeout)
    }

    /// Whether nothing comes for so long.
    pub fn is_quiet(&mut self, during: Duration) -> bool {
        matches!(self.read_answer(during), Err(error) if error.kind() == ErrorKind::TimedOut)
    }

    /// MSA-1 and MSA-2 of the next acknowledgement.
    pub fn verdict(&mut self) -> (String, String) {
        let answer = self.answer().expect("an acknowledgement");
        (field(&answer, "MSA", 1).to_owned(), field(&answer, "MSA", 2).to_owned())
    }

    /// Sends close_notify and reads until the platform's close_notify.
    pub fn close(mut self) -> Vec<String> {
        self.runtime.block_on(self.stream.shutdown()).unwrap();
        std::iter::from_fn(|| self.answer()).collect()
    }

    fn read_answer(&mut self, limit: Duration) -> std::io::Result<Option<String>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\x1C\r") {
                let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
                assert_eq!(frame[0], 0x0B, "an acknowledgement begins with its start block");
                return Ok(Some(String::from_utf8(frame[1..end].to_vec()).unwrap()));
            }
            let stream = &mut self.stream;
            let unread = &mut self.unread;
            let read = self.runtime.block_on(async { timeout(limit, stream.read_buf(unread)).await });
            if read.map_err(|_| ErrorKind::TimedOut)?? == 0 {
                assert!(self.unread.is_empty(), "the platform ends between two frames");
                return Ok(None);
            }
        }
    }
}

/// A field of the first segment of a name; empty when there is none. MSH counts its own separator.
pub fn field<'m>(message: &'m str, segment: &str, number: usize) -> &'m str {
    let line = message.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
    let number = if segment == "MSH" { number - 1 } else { number };
    line.split('|').nth(number).unwrap_or_default()
}
