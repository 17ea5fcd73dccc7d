//! The HTTP server of the test PKI: OCSP by GET and POST (RFC 6960 appendix A), CRLs by GET.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::net::TcpListener;

use super::responder::OcspResponder;

/// Serves `/ocsp` and `/crl/NAME.crl` until the future is dropped.
///
/// # Errors
/// When the listening socket fails.
pub async fn serve(socket: TcpListener, responder: Arc<OcspResponder>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/ocsp", post(by_post))
        .route("/ocsp/", post(by_post))
        .route("/ocsp/{*request}", get(by_get))
        .route("/crl/{name}", get(crl))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(responder);
    axum::serve(socket, router).await
}

async fn by_post(State(responder): State<Arc<OcspResponder>>, request: Bytes) -> Response {
    answer(&responder, &request)
}

async fn by_get(State(responder): State<Arc<OcspResponder>>, Path(request): Path<String>) -> Response {
    match decode_base64(&request) {
        Some(request) => answer(&responder, &request),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn answer(responder: &OcspResponder, request: &[u8]) -> Response {
    ([(header::CONTENT_TYPE, "application/ocsp-response")], responder.answer(request)).into_response()
}

async fn crl(State(responder): State<Arc<OcspResponder>>, Path(name): Path<String>) -> Response {
    match responder.crl(&name) {
        Some(crl) => ([(header::CONTENT_TYPE, "application/pkix-crl")], crl).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Base64, RFC 4648 section 4. Some clients omit the padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

const MAX_REQUEST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_and_without_padding() {
        for (text, plain) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE", "fooba")]
        {
            assert_eq!(decode_base64(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(decode_base64("+/8=").unwrap(), [0xfb, 0xff]);
        assert_eq!(decode_base64("Zg*="), None);
    }
}
