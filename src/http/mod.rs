//! The admin listener: health, metrics, reload, and the JSON of `/api`, over HTTP on loopback.

mod api;
mod api_turns;
mod connections;
mod health;
mod help;
mod hosts;
mod json;
mod pages;
mod reload;
mod state;
mod write_deadline;

pub use state::{AdminState, Live};

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::api_turns::ApiTurns;
pub use self::reload::{KeyEffect, ReloadRequest, ReloadRequests, Reloaded, Reloader, reloader};
use crate::model::{BindError, explained};

/// The bound admin listener.
#[derive(Debug)]
pub struct AdminListener {
    socket: TcpListener,
    address: SocketAddr,
}

impl AdminListener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address is in use or not available.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = std::net::TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(Self { socket: TcpListener::from_std(socket)?, address })
        });
        bound.map_err(|source| BindError { address, source })
    }

    /// Its address, with the port that was chosen for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `done` is cancelled.
    pub async fn serve(self, state: AdminState, done: CancellationToken) {
        let turns = ApiTurns::new(state.metrics.clone());
        let api = Router::new()
            .route("/api/certificates", get(api::certificates))
            .route("/api/audit", get(api::audit))
            .route("/api/devices", get(api::devices))
            .route("/api/findings", get(api::findings))
            .route("/api/messages", get(api::messages))
            .route("/api/outbox", get(api::orders))
            .route("/api/sessions", get(api::sessions))
            .route("/api/status", get(api::status))
            .route("/api/store", get(api::store))
            .layer(from_fn_with_state(turns, api_turns::wait));
        let router = Router::new()
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics))
            .route("/help", get(help::index))
            .route("/help/{code}", get(help::page))
            .route("/reload", post(reload::reload))
            .merge(api)
            .layer(from_fn_with_state(state.clone(), pages::refuse))
            .layer(from_fn_with_state(state.clone(), hosts::require))
            .with_state(state.clone());
        for reason in ["host", "web-page", "connections", "busy"] {
            state.metrics.housekeeping.admin_refusals_total.with_label_values(&[reason]);
        }
        let max_connections = || state.config.load().admin.max_connections;
        let serving = connections::serve(self.socket, router, state.metrics.clone(), max_connections);
        tokio::select! {
            () = done.cancelled() => {}
            () = serving => {}
        }
    }
}

async fn metrics(State(state): State<AdminState>) -> Response {
    match state.metrics.render() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(
                error = %explained(&error),
                "metrics could not be rendered; the request is answered with 500"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
