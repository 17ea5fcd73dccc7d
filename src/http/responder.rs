//! The test PKI over HTTP: OCSP by GET and POST (RFC 6960 appendix A), CRLs by GET.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::pki::OcspResponder;

/// Bytes of the largest request.
const LARGEST_REQUEST: usize = 64 * 1024;

/// Answers at `/ocsp` and `/crl/NAME.crl` for as long as it is polled.
///
/// # Errors
/// When the listening socket breaks.
pub async fn respond(socket: TcpListener, responder: Arc<OcspResponder>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/ocsp", post(by_post))
        .route("/ocsp/", post(by_post))
        .route("/ocsp/{*request}", get(by_get))
        .route("/crl/{name}", get(crl))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(responder);
    axum::serve(socket, router).await
}

async fn by_post(State(responder): State<Arc<OcspResponder>>, request: Bytes) -> Response {
    answer(&responder, &request)
}

async fn by_get(State(responder): State<Arc<OcspResponder>>, Path(request): Path<String>) -> Response {
    match decoded(&request) {
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

/// RFC 4648 section 4.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_rfc_4648_writes_it() {
        for (text, plain) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE", "fooba")]
        {
            assert_eq!(decoded(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(decoded("+/8=").unwrap(), [0xfb, 0xff]);
        assert_eq!(decoded("Zg*="), None);
    }
}
