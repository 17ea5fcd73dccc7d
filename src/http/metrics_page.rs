//! `/metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::AdminState;
use super::problem::Problem;
use crate::model::explained;

pub(super) async fn metrics(State(state): State<AdminState>) -> Response {
    match state.metrics.render() {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(
                error = %explained(&error),
                "metrics could not be rendered; the request is answered with 500"
            );
            Problem::fault().into_response()
        }
    }
}
