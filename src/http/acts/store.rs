//! What people do with the store.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::act::{Act, Outcome, Preview, act, call};
use crate::http::AdminState;
use crate::http::person::Person;

/// Where a copy of the store is written.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Copy {
    /// The absolute path of the new file, on the machine of the platform.
    file: String,
}

/// Copies the store into a new file.
#[utoipa::path(post, path = "/api/store/backup", tag = "act", params(Preview), request_body = Copy,
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn backup(
    person: Person,
    State(state): State<AdminState>,
    Query(query): Query<Preview>,
    Json(Copy { file }): Json<Copy>,
) -> Outcome {
    let what = format!(
        "copies the store, with all messages, into {file}, which only the platform's user can read, and checks the copy"
    );
    act(&state, &person, query.preview, what, call(["store", "backup", "--", &file])).await
}
