//! The operator's side: health, metrics, and what is known of devices, sessions and messages, over HTTP on loopback.

mod api;
mod health;
mod outbox;
mod pages;
mod reload;

pub use api::{FeedView, Live, SessionView};
pub use outbox::OutboxView;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::reload::{ReloadRequest, ReloadRequests, Reloaded, Reloader, reloader};
use crate::metrics::Metrics;
use crate::model::BindError;
use crate::revocation::Engine;
use crate::store::Store;

/// What the handlers can see.
#[derive(Debug, Clone)]
pub struct AdminState {
    metrics: Metrics,
    store: Store,
    revocation: Engine,
    drain: CancellationToken,
    reloader: Reloader,
    live: Arc<dyn Live>,
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
    pub fn new(
        metrics: Metrics,
        store: Store,
        revocation: Engine,
        drain: CancellationToken,
        reloader: Reloader,
        live: Arc<dyn Live>,
    ) -> Self {
        Self { metrics, store, revocation, drain, reloader, live }
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
            .route("/api/certificates", get(api::certificates))
            .route("/reload", post(reload::reload))
            .route("/api/audit", get(api::audit))
            .route("/api/devices", get(api::devices))
            .route("/api/messages", get(api::messages))
            .route("/api/outbox", get(outbox::outbox))
            .route("/api/sessions", get(api::sessions))
            .layer(from_fn(pages::refuse))
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
