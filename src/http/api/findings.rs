//! `/api/findings` and `/api/status`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::view::StatusView;

/// The present findings, the most severe first.
pub(in crate::http) async fn findings(State(state): State<AdminState>) -> Response {
    let findings = state.live.board().findings();
    PlainJson(findings.iter().map(|finding| finding.view()).collect::<Vec<_>>()).into_response()
}

/// The platform at a glance.
pub(in crate::http) async fn status(State(state): State<AdminState>) -> Response {
    let findings = state.live.board().findings();
    let glance = state.live.glance();
    let view = StatusView {
        version: env!("CARGO_PKG_VERSION"),
        node: state.store.node().to_string(),
        worst: state.live.board().worst().map(|severity| severity.code()),
        glance,
        findings: findings.iter().map(|finding| finding.view()).collect(),
    };
    PlainJson(view).into_response()
}
