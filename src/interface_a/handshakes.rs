//! From an accepted connection to a secured one, or to the reason why there is none.
//!
//! The ClientHello is read first, without a handshake turn and with a timeout of its own: a peer that sends
//! nothing costs a socket and a task, and delays no other peer. Only a connection with a ClientHello waits
//! for a turn: first for one of its address, then for one of the platform. While the handshake waits for its
//! peer, it holds no turn.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::address_shares::{AddressShares, Membership, ShareLimits};
use super::handshake_threads::HandshakeThreads;
use super::turns::{Turns, Unfinished};
use crate::config::{self, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{Clock, Refusal};
use crate::tls::{Acceptor, HandshakeError, NewConnection, Secured};

/// Performs the handshakes of Interface A.
#[derive(Debug)]
pub(super) struct Handshakes {
    acceptor: Arc<Acceptor>,
    threads: HandshakeThreads,
    turns: Turns,
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
    /// Without a byte, the peer closed the connection, let the hello timeout pass, or had to give way.
    Silent,
    /// The handshake threads have ended: the platform shuts down.
    Ended,
}

/// Counts a connection whose handshake is not complete.
#[derive(Debug)]
struct Incomplete<'a>(&'a Metrics);

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
        let threads = HandshakeThreads::new(settings.interface_a.max_handshakes)?;
        let turns = Turns::new(settings.interface_a.max_handshakes);
        let shares = Arc::new(AddressShares::new(settings.interface_a.handshakes_per_address));
        Ok(Self { acceptor, threads, turns, shares, config, metrics, clock })
    }

    /// Cancelled when the threads have ended.
    pub(super) fn ended(&self) -> CancellationToken {
        self.threads.ended()
    }

    /// Lets a connection whose handshake is not complete give way: no further one can be accepted.
    pub(super) fn make_room(&self) {
        self.shares.displace(self.clock.instant());
    }

    /// Performs the handshake of a new connection. Dropping the future aborts it.
    pub(super) async fn perform(&self, tcp: TcpStream, address: SocketAddr) -> Outcome {
        let _incomplete = Incomplete::new(&self.metrics);
        let membership = match self.join(address.ip()) {
            Ok(membership) => membership.map(Arc::new),
            Err(refusal) => return Outcome::Refused(HandshakeError::new(refusal)),
        };
        let has_sent = AtomicBool::new(false);
        tokio::select! {
            biased;
            outcome = self.handshake(tcp, address, membership.clone(), &has_sent) => outcome,
            () = displaced(membership.as_deref()) => {
                self.metrics.displaced_connections_total.inc();
                if has_sent.load(Ordering::Relaxed) {
                    Outcome::Refused(HandshakeError::new(Refusal::TooManyConnections))
                } else {
                    Outcome::Silent
                }
            }
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        membership: Option<Arc<Membership>>,
        has_sent: &AtomicBool,
    ) -> Outcome {
        let connection = match self.read_hello(tcp, has_sent).await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let timeout = self.config.load().interface_a.handshake_timeout;
        let (acceptor, clock) = (Arc::clone(&self.acceptor), self.clock.clone());
        let handshake = async move {
            // The time that a peer waits for its first turn does not count.
            let began = clock.instant();
            let secured = acceptor.accept(connection, address).await;
            (secured, clock.instant().saturating_duration_since(began))
        };
        let member = membership.as_deref();
        let result = self.turns.run(handshake, member, timeout, &self.clock, Some(&self.threads)).await;
        let (secured, spent) = match result {
            Ok(done) => done,
            Err(Unfinished::TimedOut) => (Err(HandshakeError::new(Refusal::HandshakeTimeout)), timeout),
            Err(Unfinished::Ended) => return Outcome::Ended,
        };
        self.metrics.handshake_duration_seconds.observe(spent.as_secs_f64());
        match secured {
            Ok(secured) => {
                if let Some(member) = member {
                    self.turns.prefer(member);
                }
                Outcome::Secured(Box::new(secured))
            }
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
        let limits = ShareLimits {
            per_address: *connections_per_address,
            total: config.interface_a.max_incomplete_connections,
        };
        let membership = self.shares.join(address, limits, self.clock.instant());
        membership.map(Some).ok_or(Refusal::TooManyConnections)
    }

    async fn read_hello(
        &self,
        tcp: TcpStream,
        has_sent: &AtomicBool,
    ) -> Result<NewConnection<TcpStream>, Outcome> {
        let timeout = self.config.load().interface_a.hello_timeout;
        let deadline = tokio::time::Instant::from(self.clock.instant() + timeout);
        // No buffer is allocated before there is something to read.
        match tokio::time::timeout_at(deadline, tcp.peek(&mut [0])).await {
            Ok(Ok(1..)) => has_sent.store(true, Ordering::Relaxed),
            _ => return Err(Outcome::Silent),
        }
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

/// Resolves when the connection has to give way; never for an address without a share.
async fn displaced(membership: Option<&Membership>) {
    match membership {
        Some(membership) => membership.displaced().await,
        None => std::future::pending().await,
    }
}

impl<'a> Incomplete<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.incomplete_connections.inc();
        Self(metrics)
    }
}

impl Drop for Incomplete<'_> {
    fn drop(&mut self) {
        self.0.incomplete_connections.dec();
    }
}
