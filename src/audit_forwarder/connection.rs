//! A connection to the repository.

use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{AuditRepository, Config, TlsVersion};
use crate::model::Clock;
use crate::tls::{ConnectError, Connector, ConnectorSettings, SecuredStream};

/// A TLS connection; the repository sends nothing on it.
pub(super) struct Connection(SecuredStream);

/// Why the connection failed or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the repository cannot be reached")]
    Reach(#[source] io::Error),
    #[error("the repository does not answer")]
    Silent,
    #[error("the repository accepts no bytes")]
    Write(#[source] io::Error),
    #[error("the repository closed the connection")]
    Closed,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

/// Loads the certificates and the key for the repository; `None` when no repository is configured.
///
/// # Errors
/// When one of them cannot be used.
pub fn connector(config: &Config, clock: &Clock) -> Result<Option<Connector>, ConnectError> {
    config.audit.repository.as_ref().map(|repository| build(repository, clock)).transpose()
}

fn build(repository: &AuditRepository, clock: &Clock) -> Result<Connector, ConnectError> {
    let settings = ConnectorSettings {
        credential: repository.identity.clone(),
        trust_anchors: repository.trust_anchors.clone(),
        // RFC 5425 4.2 and BCP 195: nothing below 1.2.
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: None,
        status: None,
    };
    Connector::build(&settings, clock)
}

impl Connection {
    pub(super) async fn open(repository: &AuditRepository, clock: &Clock) -> Result<Self, ConnectionError> {
        let connector = build(repository, clock)?;
        let opening = async {
            let tcp = TcpStream::connect((repository.address.host.as_str(), repository.address.port))
                .await
                .map_err(ConnectionError::Reach)?;
            limit_unacknowledged_time(&tcp).map_err(ConnectionError::Reach)?;
            Ok(Self(connector.connect(&repository.address.host, tcp).await?))
        };
        timeout(OPEN_TIMEOUT, opening).await.unwrap_or(Err(ConnectionError::Silent))
    }

    pub(super) async fn send(&mut self, frames: &[u8]) -> Result<(), ConnectionError> {
        let sending = async {
            self.0.write_all(frames).await?;
            self.0.flush().await
        };
        match timeout(WRITE_TIMEOUT, sending).await {
            Ok(sent) => sent.map_err(ConnectionError::Write),
            Err(_) => Err(ConnectionError::Silent),
        }
    }

    /// Returns when the repository ended the connection.
    pub(super) async fn closed(&mut self) -> ConnectionError {
        // Syslog over TLS defines no data in this direction.
        let mut ignored = [0; 1024];
        loop {
            match self.0.read(&mut ignored).await {
                Ok(0) => return ConnectionError::Closed,
                Ok(_) => {}
                Err(error) => return ConnectionError::Broken(error),
            }
        }
    }

    /// The error, if the repository has ended the connection already.
    pub(super) fn check(&mut self) -> Result<(), ConnectionError> {
        self.closed().now_or_never().map_or(Ok(()), Err)
    }

    /// Sends close_notify; whether the repository answered by closing the connection gracefully.
    pub(super) async fn close(&mut self) -> bool {
        if self.0.shutdown().await.is_err() {
            return false;
        }
        match timeout(CLOSE_TIMEOUT, self.closed()).await {
            Ok(ConnectionError::Closed) => true,
            // rsyslog sends no close_notify. Its kernel would have reset the connection if bytes had been
            // left unread.
            Ok(ConnectionError::Broken(error)) => error.kind() == io::ErrorKind::UnexpectedEof,
            _ => false,
        }
    }
}

fn limit_unacknowledged_time(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let milliseconds = u32::try_from(UNACKNOWLEDGED_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(tcp, milliseconds)?;
    // Detects a peer that vanished while there is nothing to send.
    rustix::net::sockopt::set_socket_keepalive(tcp, true)?;
    Ok(())
}

/// The kernel ends a connection whose peer does not acknowledge bytes for this long (TCP_USER_TIMEOUT).
pub(super) const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(5);
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
