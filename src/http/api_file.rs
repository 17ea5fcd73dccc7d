//! `/api/openapi.json`: the description of every route (OpenAPI 3.1).
//!
//! It is made of the code that serves the routes, by [`super::describe_api`]; the documentation has it. The
//! program has the file in it, and not what makes it: that would be a fiftieth of it. A test compares both.

use std::io::{self, Read as _};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::read::ZlibDecoder;

use crate::model::explained;

/// The description of the API, as the documentation has it.
pub(super) async fn description() -> Response {
    match document() {
        Ok(document) => {
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, document).into_response()
        }
        Err(error) => {
            tracing::error!(error = %explained(&error), "the description of the API could not be decompressed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The file of the documentation.
fn document() -> io::Result<String> {
    let mut document = String::new();
    ZlibDecoder::new(COMPRESSED).read_to_string(&mut document)?;
    Ok(document)
}

/// `docs/reference/openapi.json` (RFC 1950); `build.rs` compresses it.
const COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.zlib"));
