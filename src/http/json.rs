//! JSON responses that a browser shows as they are.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::{explained, json_without_deception};

/// A value as JSON, in which no character changes how the others are shown.
#[derive(Debug)]
pub(super) struct PlainJson<T>(pub(super) T);

impl<T: Serialize> IntoResponse for PlainJson<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(json) => {
                let headers = [
                    (header::CONTENT_TYPE, "application/json"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                    (header::CACHE_CONTROL, "no-store"),
                ];
                (headers, json_without_deception(&json).into_owned()).into_response()
            }
            Err(error) => {
                tracing::error!(error = %explained(&error), "a response could not be written as JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
