//! `/livez`: the process answers. `/readyz`: it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::AdminState;
use super::store_check::Outcome;
use crate::finding::Code;
use crate::model::explained;
use crate::store::{OwnChain, StoreError};
use crate::view::code_of;

/// The response of `/readyz`: each check by name.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    /// The platform accepts new connections.
    accepting: Check,
    /// The store can write, and its role has the rights that the configuration needs.
    store: Check,
    /// The store contains the end of this node's audit chain. With `ok`, a reason is a warning.
    audit: Check,
    /// Every running part that the platform cannot do without runs.
    tasks: Check,
}

#[derive(Debug, Serialize)]
struct Check {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The code of the finding that the reason is, which is the name of its help page.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

pub(super) async fn live() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(state): State<AdminState>) -> (StatusCode, Json<Readiness>) {
    let draining = "the platform is shutting down".to_owned();
    let draining = state.drain.is_cancelled().then_some((Code::ShuttingDown, draining));
    let closed = draining.or_else(|| Some((Code::NotAccepting, state.live.shortage()?)));
    let store = state.store_check.outcome(Box::pin(examine_store(state.clone()))).await;
    let failed = state.live.failed_tasks();
    let named = || (Code::TaskFailed, format!("ended because of a fault: {}", failed.join(", ")));
    let failed = (!failed.is_empty()).then(named);
    let checks = Checks {
        accepting: Check::failing(closed),
        store: Check::failing(store),
        audit: Check::of_chain(state.store.own_chain()),
        tasks: Check::failing(failed),
    };
    let ready = checks.accepting.ok && checks.store.ok && checks.audit.ok && checks.tasks.ok;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

/// What keeps the store from its work.
async fn examine_store(state: AdminState) -> Outcome {
    // First the rights: what is missing has a name there.
    let store = match state.store.check_rights(state.live.removals()).await {
        Ok(()) => state.store.check().await,
        lacking => lacking,
    };
    store.err().map(|error| (code_of(&error), explained(&error)))
}

impl Check {
    fn of_chain(chain: &OwnChain) -> Self {
        match chain.refused() {
            Some(divergence) => {
                let error = StoreError::Diverged(Box::new(divergence));
                Self::failing(Some((code_of(&error), explained(&error))))
            }
            None => {
                let reason = chain.warning();
                let code = reason.as_ref().map(|_| Code::AuditEndUnread.code());
                Self { ok: true, reason, code }
            }
        }
    }

    fn failing(failure: Option<(Code, String)>) -> Self {
        let (code, reason) = failure.map(|(code, reason)| (code.code(), reason)).unzip();
        Self { ok: reason.is_none(), reason, code }
    }
}
