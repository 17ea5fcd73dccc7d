//! The listeners of Interface A: they accept connections until the shutdown.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept_check::{AcceptCheck, AcceptQueries};
use super::listener::Listener;
use super::passed_sockets::ListenAt;
use super::resources::{Accepting, connections_allowed, watch_memory};
use super::server::InterfaceA;
use crate::model::BindError;
use crate::tls::prepare_tcp;

/// Listeners that are bound, before they serve.
#[derive(Debug)]
pub struct Serving {
    listeners: Vec<(Listener, AcceptQueries)>,
    accept_check: AcceptCheck,
    interface: Arc<InterfaceA>,
}

impl InterfaceA {
    /// Listens at each address, on the socket that was passed for it, if there is one. The process may then
    /// open as many files as the system allows it.
    ///
    /// # Errors
    /// For the first address that cannot be had.
    pub fn bind(self, addresses: Vec<ListenAt>) -> Result<Serving, BindError> {
        let allowed = connections_allowed(self.config.load().interface_a.max_connections);
        self.accepting.set_allowed(allowed);
        let permits = Arc::new(Semaphore::new(allowed));
        let mut accept_check = AcceptCheck::default();
        let listen = |(address, passed): ListenAt| {
            let permits = Arc::clone(&permits);
            let listener = match passed {
                Some(socket) => {
                    Listener::of_passed(socket, permits).map_err(|source| BindError { address, source })?
                }
                None => Listener::bind(address, permits)?,
            };
            Ok((listener, accept_check.add()))
        };
        let listeners = addresses.into_iter().map(listen).collect::<Result<_, _>>()?;
        Ok(Serving { listeners, accept_check, interface: Arc::new(self) })
    }
}

impl Serving {
    /// The addresses of the listeners, with the ports that the system chose for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The tasks of the open connections.
    #[must_use]
    pub fn connections(&self) -> TaskTracker {
        self.interface.connections.clone()
    }

    /// Waits for the end of the handshake threads, and keeps them until then, also beyond the last session.
    /// Before the shutdown their end is a fault.
    pub fn handshakes_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let handshakes = Arc::clone(&self.interface.handshakes);
        async move { handshakes.ended().cancelled().await }
    }

    /// Whether connections are taken.
    #[must_use]
    pub fn accepting(&self) -> Accepting {
        self.interface.accepting.clone()
    }

    /// Asks whether connections are being accepted.
    #[must_use]
    pub fn accept_check(&self) -> AcceptCheck {
        self.accept_check.clone()
    }

    /// Accepts connections until `drain` is cancelled, then waits for the sessions to finish what is in
    /// flight.
    ///
    /// # Errors
    /// When a listening socket fails.
    pub async fn run(self) -> std::io::Result<()> {
        let drain = self.interface.services.drain.clone();
        let mut accepting = tokio::task::JoinSet::new();
        for (listener, queries) in self.listeners {
            accepting.spawn(accept(listener, queries, Arc::clone(&self.interface)));
        }
        accepting.spawn(report_refusals(Arc::clone(&self.interface), drain.clone()));
        accepting.spawn(report_rejections(Arc::clone(&self.interface)));
        accepting.spawn(watch_memory(
            self.interface.accepting.clone(),
            Arc::clone(&self.interface.config),
            drain.clone(),
        ));
        let mut outcome = Ok(());
        while let Some(ended) = accepting.join_next().await {
            if let Err(error) = ended.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
                // A failed socket is an internal fault: the platform shuts down gracefully and is started
                // again.
                drain.cancel();
                outcome = Err(error);
            }
        }
        self.interface.connections.close();
        self.interface.connections.wait().await;
        self.interface.refusal_log.close();
        self.interface.refusals.close().await;
        self.interface.report_rejections(true).await;
        self.interface.report_sessions(true).await;
        outcome
    }
}

async fn accept(
    listener: Listener,
    mut queries: AcceptQueries,
    interface: Arc<InterfaceA>,
) -> std::io::Result<()> {
    // It may have a connection already when a query comes, so it is not dropped for one.
    let mut upcoming = pin!(next(&listener, &interface));
    loop {
        let accepted = tokio::select! {
            biased;
            () = interface.services.drain.cancelled() => return Ok(()),
            () = queries.answer_next() => continue,
            accepted = upcoming.as_mut() => accepted?,
        };
        upcoming.set(next(&listener, &interface));
        let (tcp, address, permit) = accepted;
        if listener.is_full() {
            // Without a permit the next peer would wait until a connection ends.
            interface.handshakes.make_room();
        }
        interface.connections.spawn(Arc::clone(&interface).serve(tcp, address, permit));
    }
}

async fn next(
    listener: &Listener,
    interface: &InterfaceA,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let (stream, peer, permit) = listener.accept(&interface.accepting).await?;
    interface.accepting.wait().await;
    prepare_tcp(&stream, interface.config.load().interface_a.dead_peer_timeout);
    Ok((stream, peer, permit))
}

async fn report_rejections(interface: Arc<InterfaceA>) -> std::io::Result<()> {
    let mut ticks = tokio::time::interval(REJECTIONS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = interface.services.drain.cancelled() => return Ok(()),
            _ = ticks.tick() => interface.report_rejections(false).await,
        }
    }
}

/// Logs and records the counts of repeated refusals and sessions.
async fn report_refusals(interface: Arc<InterfaceA>, drain: CancellationToken) -> std::io::Result<()> {
    let mut ticks = tokio::time::interval(REFUSAL_REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = drain.cancelled() => return Ok(()),
            _ = ticks.tick() => {
                interface.refusal_log.tick();
                interface.refusals.tick().await;
                interface.report_sessions(false).await;
            }
        }
    }
}

/// How often hours that are over are reported.
const REJECTIONS_INTERVAL: Duration = Duration::from_mins(1);
/// How often the counts of refusals are checked.
const REFUSAL_REPORT_INTERVAL: Duration = Duration::from_secs(1);
