//! `POST /reload`: reads the configuration again, as SIGHUP does, and responds with the outcome.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::person::Person;

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Reloaded {
    /// The new configuration is applied.
    Published {
        /// The sections in which a value differs; the files that they name may differ without that.
        sections: Vec<String>,
        /// Each changed key, and each key whose change still waits for a restart.
        keys: Vec<KeyEffect>,
        /// `changed` or `unchanged`: the platform's certificates and keys, and the roots.
        certificates: &'static str,
    },
    /// The new configuration cannot be used; the current one stays.
    Unchanged {
        /// What is wrong with it.
        reason: String,
    },
}

/// A changed key, and when its value takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyEffect {
    /// The full name of the key: `messages.types`.
    pub key: String,
    /// `applied`, `new-sessions` or `restart`.
    pub effect: &'static str,
}

/// A request to reload; its sender waits for the outcome.
#[derive(Debug)]
pub struct ReloadRequest {
    actor: String,
    answer: oneshot::Sender<Reloaded>,
}

/// The receiving end of the requests.
pub type ReloadRequests = mpsc::Receiver<ReloadRequest>;

/// The sending end of the requests.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<ReloadRequest>);

/// A channel from the admin listener to the task that reloads.
#[must_use]
pub fn reloader() -> (Reloader, ReloadRequests) {
    let (sender, requests) = mpsc::channel(1);
    (Reloader(sender), requests)
}

impl ReloadRequest {
    /// Who asks, as the audit trail names the person.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Sends the outcome to the client, if it is still connected.
    pub fn answer(self, reloaded: Reloaded) {
        let _ = self.answer.send(reloaded);
    }
}

impl Reloader {
    /// `None` when the platform is stopping.
    pub(super) async fn reload(&self, actor: &str) -> Option<Reloaded> {
        let (answer, reloaded) = oneshot::channel();
        self.0.send(ReloadRequest { actor: actor.to_owned(), answer }).await.ok()?;
        reloaded.await.ok()
    }
}

/// 200 when the new configuration is applied, 409 with the reason when the current one stays.
/// 503 while the platform stops.
#[utoipa::path(post, path = "/reload", tag = "act",
    responses((status = 200, description = "applied", content_type = "application/json"),
        (status = 409, description = "unchanged, with the reason", content_type = "application/json")))]
pub(super) async fn reload(person: Person, State(reloader): State<Reloader>) -> (StatusCode, Json<Reloaded>) {
    outcome(reloader.reload(person.actor()).await)
}

fn outcome(reloaded: Option<Reloaded>) -> (StatusCode, Json<Reloaded>) {
    let status = match &reloaded {
        Some(Reloaded::Published { .. }) => StatusCode::OK,
        Some(Reloaded::Unchanged { .. }) => StatusCode::CONFLICT,
        None => StatusCode::SERVICE_UNAVAILABLE,
    };
    let is_stopping = || Reloaded::Unchanged { reason: "the platform is stopping".to_owned() };
    (status, Json(reloaded.unwrap_or_else(is_stopping)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reload_while_the_platform_stops_says_so() {
        let (reloader, requests) = reloader();
        drop(requests);
        let (status, Json(body)) = outcome(reloader.reload("alice").await);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = serde_json::json!({"result": "unchanged", "reason": "the platform is stopping"});
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }
}
