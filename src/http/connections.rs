//! The connections of the admin listener: a limited number, each for a limited time.
//!
//! Every process of the machine can connect. A client that sends nothing, or half a request, loses its
//! connection after a deadline, and so does one that does not read its response; when there are too many
//! connections, the oldest one gives way, unless it is being answered about the health of the platform: so a
//! probe gets through.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::hosts::LocalAddress;
use super::write_deadline::WriteDeadline;
use crate::metrics::Metrics;

/// The open connections.
#[derive(Debug, Clone, Default)]
struct Connections(Arc<Mutex<VecDeque<Connection>>>);

#[derive(Debug, Clone)]
struct Connection {
    /// Whether it is being answered whether the platform works, or a reload.
    urgent: Arc<AtomicBool>,
    close: CancellationToken,
}

/// Accepts connections and serves them until the caller drops the future.
pub(super) async fn serve(
    socket: TcpListener,
    router: Router,
    metrics: Metrics,
    max_connections: impl Fn() -> usize,
) {
    let (service, connections) = (TowerToHyperService::new(router), Connections::default());
    let ends_with_this_future = CancellationToken::new();
    let _guard = ends_with_this_future.clone().drop_guard();
    loop {
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Without a free descriptor the next attempt fails as well.
                tracing::debug!(kind = ?error.kind(), "admin listener could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(connection) = connections.admit(max_connections(), &ends_with_this_future) else {
            metrics.housekeeping.admin_refusals_total.with_label_values(&["connections"]).inc();
            continue;
        };
        let (service, connections) = (service.clone(), connections.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection.close.cancelled() => {}
                () = serve_connection(stream, &connection, service) => {}
            }
            connections.remove(&connection);
        });
    }
}

async fn serve_connection(stream: TcpStream, connection: &Connection, router: TowerToHyperService<Router>) {
    let Ok(local) = stream.local_addr() else { return };
    let urgent = Arc::clone(&connection.urgent);
    let service = service_fn(move |request| answer(request, local, router.clone(), Arc::clone(&urgent)));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, WRITE_TIMEOUT)), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = tokio::time::sleep(MAX_AGE) => serving.as_mut().graceful_shutdown(),
    }
    // A client that does not read its response is not awaited for longer.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, serving).await;
}

async fn answer(
    mut request: Request<Incoming>,
    local: SocketAddr,
    router: TowerToHyperService<Router>,
    urgent: Arc<AtomicBool>,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(LocalAddress(local));
    urgent.store(URGENT.contains(&request.uri().path()), Ordering::Relaxed);
    let response = router.call(request).await;
    urgent.store(false, Ordering::Relaxed);
    response
}

impl Connections {
    /// A place for another connection; `None` when all answer probes.
    fn admit(&self, max: usize, parent: &CancellationToken) -> Option<Connection> {
        let mut open = self.open();
        if open.len() >= max {
            let oldest = open.iter().position(|connection| !connection.urgent.load(Ordering::Relaxed))?;
            if let Some(displaced) = open.remove(oldest) {
                displaced.close.cancel();
            }
        }
        let connection = Connection { urgent: Arc::default(), close: parent.child_token() };
        open.push_back(connection.clone());
        Some(connection)
    }

    fn remove(&self, ended: &Connection) {
        self.open().retain(|connection| !Arc::ptr_eq(&connection.urgent, &ended.urgent));
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a client may take for the head of a request, and how long a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take no byte of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is answered before anything else.
const URGENT: [&str; 4] = ["/livez", "/readyz", "/metrics", "/reload"];
/// A connection that is older than this closes after its request.
const MAX_AGE: Duration = Duration::from_mins(5);
/// How long that request may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_connection_gives_way_unless_it_is_a_probe() {
        let (connections, parent) = (Connections::default(), CancellationToken::new());
        let [first, second] = [(); 2].map(|()| connections.admit(2, &parent).unwrap());
        first.urgent.store(true, Ordering::Relaxed);
        let third = connections.admit(2, &parent).unwrap();
        assert!(!first.close.is_cancelled() && second.close.is_cancelled() && !third.close.is_cancelled());
        third.urgent.store(true, Ordering::Relaxed);
        assert!(connections.admit(2, &parent).is_none());
        connections.remove(&first);
        assert!(connections.admit(2, &parent).is_some());
    }
}
