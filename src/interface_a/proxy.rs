//! The first stage of a connection: whose it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::address_shares::{AddressShares, Membership, ShareLimits};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::{Clock, Refusal};
use crate::proxy_header::{HeaderError, HeaderFault, Statement, Unreadable, receive};
use crate::tls::{HandshakeError, hello_facts};

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The address for which the connection counts: of the socket, or the one that the header states.
    pub(super) address: SocketAddr,
    /// The load balancer that relays it.
    pub(super) balancer: Option<IpAddr>,
    /// Whether a load balancer has opened it for itself.
    pub(super) is_probe: bool,
}

impl Origin {
    /// A connection that no load balancer relays.
    pub(super) const fn direct(address: SocketAddr) -> Self {
        Self { address, balancer: None, is_probe: false }
    }
}

/// A connection of a load balancer that does not state its origin.
#[derive(Debug)]
pub(super) enum Unannounced {
    /// No byte came, or the connection had to give way.
    Silent,
    Refused(HandshakeError),
}

/// Receives the headers of load balancers.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) shares: Arc<AddressShares>,
    pub(super) config: ConfigHandle,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
}

impl Arrivals {
    /// Whether connections from this address begin with a header.
    pub(super) fn is_balancer(&self, address: SocketAddr) -> bool {
        let config = self.config.load();
        config.interface_a.proxy_protocol.iter().any(|network| network.contains(address.ip()))
    }

    /// Reads the header of a connection of a load balancer, until `deadline`. No limit of its address
    /// applies: all of its devices come from there. Like every connection whose handshake is not complete it
    /// counts for all addresses together, and gives way when it is slow.
    pub(super) async fn receive(
        &self,
        tcp: &mut TcpStream,
        balancer: SocketAddr,
        deadline: Instant,
    ) -> Result<Origin, Unannounced> {
        let total = self.config.load().interface_a.max_incomplete_connections;
        let limits = ShareLimits { per_address: usize::MAX, total };
        let joined = self.shares.join(balancer.ip(), limits, self.clock.instant());
        let Some(membership) = joined else { return Err(Unannounced::Silent) };
        membership.wait_for_platform();
        tokio::select! {
            biased;
            read = self.read(tcp, balancer, deadline) => read,
            () = self.displaced(&membership) => {
                self.metrics.displaced_connections_total.inc();
                Err(Unannounced::Silent)
            }
        }
    }

    async fn read(
        &self,
        tcp: &mut TcpStream,
        balancer: SocketAddr,
        deadline: Instant,
    ) -> Result<Origin, Unannounced> {
        // Many health checks connect and close, or send nothing.
        if !matches!(timeout_at(deadline, tcp.peek(&mut [0])).await, Ok(Ok(1..))) {
            return Err(Unannounced::Silent);
        }
        let read = timeout_at(deadline, receive(tcp)).await.unwrap_or_else(|_| {
            let error = HeaderError::Malformed(HeaderFault::Cut);
            Err(Unreadable { error, bytes: Vec::new() })
        });
        let (origin, command) = match read {
            Ok(Statement::Relayed(address)) => {
                (Origin { balancer: Some(balancer.ip()), ..Origin::direct(address) }, "relayed")
            }
            Ok(Statement::Local) => (Origin { is_probe: true, ..Origin::direct(balancer) }, "local"),
            Err(unreadable) => return Err(Unannounced::Refused(refused(&unreadable))),
        };
        self.metrics.proxy_headers_total.with_label_values(&[command]).inc();
        Ok(origin)
    }

    /// Resolves when the connection has to give way: a header comes at once, and one that does not may.
    async fn displaced(&self, membership: &Membership) {
        tokio::time::sleep(GRACE).await;
        membership.wait_for_peer(self.clock.instant());
        membership.displaced().await;
    }
}

fn refused(Unreadable { error, bytes }: &Unreadable) -> HandshakeError {
    let (refusal, fault) = match error {
        HeaderError::Missing => (Refusal::ProxyHeaderMissing, None),
        HeaderError::Malformed(fault) => (Refusal::ProxyHeaderMalformed, Some(fault.words())),
    };
    let mut refused = HandshakeError::new(refusal);
    refused.facts.hello = hello_facts(bytes);
    refused.facts.proxy_header = fault.map(str::to_owned);
    refused
}

/// How long a connection waits for its header before it can give way: longer than a balancer takes, which
/// sends the header as soon as it is connected.
const GRACE: Duration = Duration::from_secs(1);
