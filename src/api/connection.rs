//! One connection: whose it is, its handshake, and its requests.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::peer::Peer;
use super::places::Place;
use super::routes;
use super::state::ApiState;
use crate::model::WriteDeadline;
use crate::proxy_header::{Statement, receive};
use crate::tls::{SecuredStream, prepare_tcp};

/// Serves a connection until it ends, or `done`.
pub(super) async fn serve(
    state: &ApiState,
    tcp: TcpStream,
    peer: SocketAddr,
    mut place: Place,
    done: CancellationToken,
) {
    let (timeout, closing) = (state.config.load().api.handshake_timeout, place.closing());
    let opening = tokio::time::timeout(timeout, open(state, tcp, peer, &mut place));
    let opened = tokio::select! {
        () = done.cancelled() => return,
        () = closing.cancelled() => return,
        opened = opening => opened,
    };
    let (stream, peer) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(reason)) => return state.metrics.api.refuse(reason),
        Err(_) => return state.metrics.api.refuse("handshake-timeout"),
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = answer(state, stream, Arc::new(peer), done) => {}
    }
}

/// # Errors
/// The reason, for the metric.
async fn open(
    state: &ApiState,
    mut tcp: TcpStream,
    peer: SocketAddr,
    place: &mut Place,
) -> Result<(SecuredStream, Peer), &'static str> {
    let config = state.config.load_full();
    prepare_tcp(&tcp, config.interface_a.dead_peer_timeout);
    let is_balancer = |address: IpAddr| config.api.proxy_protocol.iter().any(|net| net.contains(address));
    let mut is_check = false;
    let address = if is_balancer(peer.ip()) {
        match receive(&mut tcp).await {
            Ok(Statement::Relayed(address)) => address,
            Ok(Statement::Local) => {
                is_check = true;
                peer
            }
            Err(_) => return Err("proxy-header"),
        }
    } else {
        peer
    };
    if !place.belongs_to(address.ip(), config.api.connections_per_address) {
        return Err("connections-per-address");
    }
    // What a stranger lets the platform compute delays no device.
    let accepted = state.handshaking.steps(state.acceptor.accept(tcp)).await;
    // A balancer that only looks whether the platform is there says so, and closes.
    let reason = if is_check { "health-check" } else { "handshake" };
    let (stream, certificate) = accepted.map_err(|_| reason)?;
    if let Some(member) = certificate.as_ref().filter(|shown| shown.is_known()) {
        // As with turns: no client has all of them.
        if !place.shows(member.fingerprint(), config.api.max_connections.div_ceil(2)) {
            return Err("connections-per-certificate");
        }
    }
    Ok((stream, Peer { address, certificate, tenancy: place.tenancy() }))
}

async fn answer(state: &ApiState, stream: SecuredStream, peer: Arc<Peer>, done: CancellationToken) {
    let service = service_fn(|request: Request<Incoming>| {
        let (state, peer) = (state.clone(), Arc::clone(&peer));
        async move { Ok::<Response<Body>, Infallible>(routes::answer(&state, &peer, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.load().api.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, WRITE_TIMEOUT)), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = tokio::time::sleep(MAX_AGE) => {}
        () = done.cancelled() => {}
    }
    serving.as_mut().graceful_shutdown();
    // A client that does not read its response is not awaited for longer.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, serving).await;
}

/// How long a client may take no byte of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is older than this closes after its request: the next handshake is examined again.
const MAX_AGE: Duration = Duration::from_mins(60);
/// How long that request may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// Bytes of the head of a request.
const MAX_HEAD: usize = 32 << 10;
