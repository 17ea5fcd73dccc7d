//! From an accepted connection to a secured one, or to the reason why there is none.
//!
//! The ClientHello is read first, without a handshake turn and with a timeout of its own: a peer that sends
//! nothing costs a socket and a task, and delays no other peer. Only a connection with a ClientHello waits
//! for its turn: first for one of its address, then for one of the platform.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::address_shares::{AddressShares, Membership};
use super::handshake_limiter::HandshakeLimiter;
use crate::config::{self, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{Clock, Refusal};
use crate::tls::{Acceptor, HandshakeError, NewConnection, Secured};

/// Performs the handshakes of Interface A.
#[derive(Debug)]
pub(super) struct Handshakes {
    acceptor: Arc<Acceptor>,
    limiter: HandshakeLimiter,
    shares: Arc<AddressShares>,
    config: ConfigHandle,
    metrics: Metrics,
    clock: Clock,
}

/// What became of a connection.
#[derive(Debug)]
pub(super) enum Outcome {
    Secured(Box<Secured>),
    Refused(HandshakeError),
    /// The peer closed the connection, or let the hello timeout pass, without a byte.
    Silent,
    /// The handshake threads have ended: the platform shuts down.
    Ended,
}

impl Handshakes {
    /// # Errors
    /// When the operating system provides no threads for handshakes.
    pub(super) fn new(
        acceptor: Arc<Acceptor>,
        config: ConfigHandle,
        metrics: Metrics,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let settings = config.load_full();
        let limiter = HandshakeLimiter::new(settings.interface_a.max_handshakes)?;
        let shares = Arc::new(AddressShares::new(settings.interface_a.handshakes_per_address));
        Ok(Self { acceptor, limiter, shares, config, metrics, clock })
    }

    /// Cancelled when the threads have ended.
    pub(super) fn ended(&self) -> CancellationToken {
        self.limiter.ended()
    }

    /// Performs the handshake of a new connection. Dropping the future aborts it.
    pub(super) async fn perform(&self, tcp: TcpStream, address: SocketAddr) -> Outcome {
        let membership = match self.join(address.ip()) {
            Ok(membership) => membership,
            Err(refusal) => return Outcome::Refused(HandshakeError::new(refusal)),
        };
        let connection = match self.read_hello(tcp).await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let _turn = match &membership {
            Some(membership) => membership.turn().await,
            None => None,
        };
        let (acceptor, clock) = (Arc::clone(&self.acceptor), self.clock.clone());
        let handshake = || async move {
            // The time that a peer waits for its turn does not count.
            let began = clock.instant();
            (began, acceptor.accept(connection, address).await)
        };
        let Some((began, secured)) = self.limiter.run(handshake).await else { return Outcome::Ended };
        let spent = self.clock.instant().saturating_duration_since(began);
        self.metrics.handshake_duration_seconds.observe(spent.as_secs_f64());
        match secured {
            Ok(secured) => Outcome::Secured(Box::new(secured)),
            Err(refused) => Outcome::Refused(refused),
        }
    }

    /// Counts the connection for its address; `None` for an address without a share.
    fn join(&self, address: IpAddr) -> Result<Option<Membership>, Refusal> {
        let config = self.config.load();
        let config::InterfaceA { shared_addresses, connections_per_address, .. } = &config.interface_a;
        if shared_addresses.iter().any(|network| network.contains(address)) {
            return Ok(None);
        }
        let membership = self.shares.join(address, *connections_per_address);
        membership.map(Some).ok_or(Refusal::TooManyConnections)
    }

    async fn read_hello(&self, tcp: TcpStream) -> Result<NewConnection<TcpStream>, Outcome> {
        let timeout = self.config.load().interface_a.hello_timeout;
        let deadline = tokio::time::Instant::from(self.clock.instant() + timeout);
        // No buffer is allocated before there is something to read.
        let Ok(Ok(())) = tokio::time::timeout_at(deadline, tcp.readable()).await else {
            return Err(Outcome::Silent);
        };
        let mut connection = NewConnection::from(tcp);
        let read = tokio::time::timeout_at(deadline, connection.read_hello()).await;
        if connection.is_silent() {
            return Err(Outcome::Silent);
        }
        match read {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(_)) => Err(Outcome::Refused(HandshakeError::new(Refusal::Disconnected))),
            Err(_) => Err(Outcome::Refused(HandshakeError::new(Refusal::HandshakeTimeout))),
        }
    }
}
