//! `POST /reload`: the configuration is read again, as after SIGHUP, and the answer says what came of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::AdminState;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Reloaded {
    /// The new configuration is in force.
    Published {
        /// The tables in which something differs; files that they name may differ without that.
        sections: Vec<String>,
    },
    /// It cannot be used: the old one is still in force.
    Unchanged {
        /// What is wrong with it.
        reason: String,
    },
}

/// Somebody waits for a reload.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Reloaded>);

/// Where requests to reload come out.
pub type ReloadRequests = mpsc::Receiver<ReloadRequest>;

/// Where requests to reload go in.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<ReloadRequest>);

/// A way from the admin listener to whoever reloads.
#[must_use]
pub fn reloader() -> (Reloader, ReloadRequests) {
    let (sender, requests) = mpsc::channel(1);
    (Reloader(sender), requests)
}

impl ReloadRequest {
    /// Tells whoever asked, if it is still there.
    pub fn answer(self, reloaded: Reloaded) {
        let _ = self.0.send(reloaded);
    }
}

impl Reloader {
    /// `None` when nobody reloads any more: the platform is stopping.
    async fn reload(&self) -> Option<Reloaded> {
        let (answer, reloaded) = oneshot::channel();
        self.0.send(ReloadRequest(answer)).await.ok()?;
        reloaded.await.ok()
    }
}

/// 200 if the new configuration is in force, 409 with the reason if the old one is.
pub(super) async fn reload(State(state): State<AdminState>) -> (StatusCode, Json<Option<Reloaded>>) {
    let reloaded = state.reloader.reload().await;
    let status = match &reloaded {
        Some(Reloaded::Published { .. }) => StatusCode::OK,
        Some(Reloaded::Unchanged { .. }) => StatusCode::CONFLICT,
        None => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(reloaded))
}
