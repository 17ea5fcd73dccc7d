//! The operator's side: health and metrics over HTTP, on loopback.

mod health;
mod responder;

pub use responder::respond;

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::BindError;
use crate::revocation::{Engine, Inventory};
use crate::store::Store;

/// What the handlers can see.
#[derive(Debug, Clone)]
pub struct AdminState {
    metrics: Metrics,
    store: Store,
    revocation: Engine,
    drain: CancellationToken,
}

/// The bound admin listener.
#[derive(Debug)]
pub struct AdminListener {
    socket: TcpListener,
    address: SocketAddr,
}

impl AdminState {
    /// `drain` is cancelled when the platform stops: then it is not ready any more.
    #[must_use]
    pub const fn new(metrics: Metrics, store: Store, revocation: Engine, drain: CancellationToken) -> Self {
        Self { metrics, store, revocation, drain }
    }
}

impl AdminListener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = std::net::TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket: TcpListener::from_std(socket)?, address })
        });
        bound.map_err(|source| BindError { address, source })
    }

    /// Where it listens; the port is known even if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `done`.
    pub async fn serve(self, state: AdminState, done: CancellationToken) {
        let router = Router::new()
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics))
            .route("/api/certificates", get(certificates))
            .with_state(state);
        let serving = axum::serve(self.socket, router);
        tokio::select! {
            () = done.cancelled() => {}
            served = serving => {
                if let Err(error) = served {
                    tracing::error!(error = &error as &dyn std::error::Error, "the admin listener broke");
                }
            }
        }
    }
}

/// What is known about revoked certificates: CRLs and OCSP answers, their ages, and when they are renewed.
async fn certificates(State(state): State<AdminState>) -> Json<Inventory> {
    Json(state.revocation.inventory())
}

async fn metrics(State(state): State<AdminState>) -> Response {
    match state.metrics.render() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
