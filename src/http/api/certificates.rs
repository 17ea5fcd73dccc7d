//! `/api/certificates`.

use axum::extract::State;
use serde::Serialize;

use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::revocation::{Inventory, KnownStaple};

/// What is known about the status of certificates: those of devices and those of the platform.
#[derive(Serialize)]
pub(in crate::http) struct Certificates {
    #[serde(flatten)]
    known: Inventory,
    staples: Vec<KnownStaple>,
}

/// CRLs, OCSP responses and staples, their ages, and when they are renewed.
#[utoipa::path(get, path = "/api/certificates", tag = "read", responses((status = 200, description = "CRLs, OCSP responses and staples", content_type = "application/json")))]
pub(in crate::http) async fn certificates(State(state): State<AdminState>) -> PlainJson<Certificates> {
    PlainJson(Certificates { known: state.revocation.inventory(), staples: state.live.staples() })
}
