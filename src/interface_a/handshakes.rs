//! From an accepted connection to a secured one, or to the reason why there is none.
//!
//! The ClientHello is read first, without a handshake turn and with a timeout of its own: a peer that sends
//! nothing costs a socket and a task, and delays no other peer. Only a connection with a ClientHello waits
//! for a turn: first for one of its address, then for one of the platform. While the handshake waits for its
//! peer, it holds no turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::address_shares::{AddressShares, Membership, ShareLimits};
use super::handshake_threads::HandshakeThreads;
use super::proxy::{Arrivals, Origin, Unannounced};
use super::turns::{Turns, Unfinished};
use crate::config::{self, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{Clock, FirstBytes, Refusal};
use crate::tls::{Acceptor, HandshakeError, NewConnection, Secured, hello_facts};

/// Performs the handshakes of Interface A.
#[derive(Debug)]
pub(super) struct Handshakes {
    acceptor: Arc<Acceptor>,
    threads: HandshakeThreads,
    turns: Turns,
    shares: Arc<AddressShares>,
    arrivals: Arrivals,
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

/// The ClientHello of a connection: when it has to be complete, and whether its first byte has come.
#[derive(Debug, Clone, Copy)]
struct Hello<'a> {
    deadline: Instant,
    has_sent: &'a AtomicBool,
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
        let arrivals = Arrivals {
            shares: Arc::clone(&shares),
            config: Arc::clone(&config),
            metrics: metrics.clone(),
            clock: clock.clone(),
        };
        Ok(Self { acceptor, threads, turns, shares, arrivals, config, metrics, clock })
    }

    /// Cancelled when the threads have ended.
    pub(super) fn ended(&self) -> CancellationToken {
        self.threads.ended()
    }

    /// Lets a connection whose handshake is not complete give way: no further one can be accepted.
    pub(super) fn make_room(&self) {
        self.shares.displace(self.clock.instant());
    }

    /// Performs the handshake of a new connection, whose socket has the peer `address`, and says whose
    /// connection it is. Dropping the future aborts it.
    pub(super) async fn perform(&self, mut tcp: TcpStream, address: SocketAddr) -> (Origin, Outcome) {
        let _incomplete = Incomplete::new(&self.metrics);
        let deadline = self.hello_deadline();
        let origin = if self.arrivals.is_balancer(address) {
            match self.arrivals.receive(&mut tcp, address, deadline).await {
                Ok(origin) => origin,
                // As a rule it checks whether the port is open.
                Err(Unannounced::Silent) => {
                    return (Origin { is_probe: true, ..Origin::direct(address) }, Outcome::Silent);
                }
                Err(Unannounced::Refused(refused)) => {
                    return (Origin::direct(address), Outcome::Refused(refused));
                }
            }
        } else {
            Origin::direct(address)
        };
        let mut outcome = self.perform_from(origin, tcp, deadline).await;
        if let Outcome::Secured(secured) = &mut outcome {
            secured.set_balancer(origin.balancer);
        }
        (origin, outcome)
    }

    /// The same, when the origin is known. Until `deadline` the ClientHello has to be complete.
    async fn perform_from(&self, origin: Origin, tcp: TcpStream, deadline: Instant) -> Outcome {
        let membership = match self.join(origin) {
            Ok(membership) => membership.map(Arc::new),
            Err(refusal) => return Outcome::Refused(HandshakeError::new(refusal)),
        };
        let has_sent = AtomicBool::new(false);
        let hello = Hello { deadline, has_sent: &has_sent };
        tokio::select! {
            biased;
            outcome = self.handshake(tcp, origin.address, membership.clone(), hello) => outcome,
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
        hello: Hello<'_>,
    ) -> Outcome {
        let connection = match read_hello(tcp, hello).await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let timeout = self.config.load().interface_a.handshake_timeout;
        let first_bytes: Box<[u8]> = connection.first_bytes().into();
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
            Err(refused) => Outcome::Refused(with_hello(refused, &first_bytes)),
        }
    }

    /// Counts the connection for its address; `None` for an address without a share.
    fn join(&self, origin: Origin) -> Result<Option<Membership>, Refusal> {
        let address = origin.address.ip();
        let config = self.config.load();
        let config::InterfaceA { shared_addresses, connections_per_address, .. } = &config.interface_a;
        if shared_addresses.iter().any(|network| network.contains(address)) {
            return Ok(None);
        }
        let limits = ShareLimits {
            // The devices behind a balancer are limited one by one, and its health checks are not.
            per_address: if origin.is_probe { usize::MAX } else { *connections_per_address },
            total: config.interface_a.max_incomplete_connections,
        };
        let membership = self.shares.join(address, limits, self.clock.instant());
        membership.map(Some).ok_or(Refusal::TooManyConnections)
    }

    fn hello_deadline(&self) -> Instant {
        Instant::from(self.clock.instant() + self.config.load().interface_a.hello_timeout)
    }
}

async fn read_hello(
    tcp: TcpStream,
    Hello { deadline, has_sent }: Hello<'_>,
) -> Result<NewConnection<TcpStream>, Outcome> {
    // No buffer is allocated before there is something to read.
    match timeout_at(deadline, tcp.peek(&mut [0])).await {
        Ok(Ok(1..)) => has_sent.store(true, Ordering::Relaxed),
        _ => return Err(Outcome::Silent),
    }
    let mut connection = NewConnection::from(tcp);
    let read = timeout_at(deadline, connection.read_hello()).await;
    if connection.is_silent() {
        return Err(Outcome::Silent);
    }
    match read {
        Ok(Ok(())) => Ok(connection),
        Ok(Err(_)) => Err(refused_early(Refusal::Disconnected, &connection)),
        Err(_) => Err(refused_early(Refusal::HandshakeTimeout, &connection)),
    }
}

fn refused_early(refusal: Refusal, connection: &NewConnection<TcpStream>) -> Outcome {
    Outcome::Refused(with_hello(HandshakeError::new(refusal), connection.first_bytes()))
}

/// The refusal with what the first bytes of the peer say. Read for refused peers only.
fn with_hello(mut refused: HandshakeError, first_bytes: &[u8]) -> HandshakeError {
    refused.facts.hello = hello_facts(first_bytes);
    // Also when a balancer closes the connection behind its header.
    let is_early = matches!(
        refused.refusal,
        Refusal::ProtocolViolation | Refusal::Disconnected | Refusal::HandshakeTimeout
    );
    if is_early && refused.facts.hello.first_bytes == FirstBytes::ProxyProtocol {
        refused.refusal = Refusal::ProxyNotAllowed;
    }
    refused
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
