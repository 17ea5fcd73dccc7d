//! Answers of enrolment: certificates in PKCS#7, and plain text (RFC 7030 sections 4.1.3 and 4.2.3).

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::enrol::RefusedEnrolment;

/// A bundle of certificates, which is given in DER.
pub(super) fn certificates(bundle: &[u8]) -> Response<Body> {
    let digits = STANDARD.encode(bundle);
    let lines = digits.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok());
    let text: String = lines.flat_map(|line| [line, "\r\n"]).collect();
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/pkcs7-mime; smime-type=certs-only");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(HeaderName::from_static("content-transfer-encoding"), HeaderValue::from_static("base64"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A request that waits for an operator.
pub(super) fn pending(after: Duration) -> Response<Body> {
    let text = "the request waits for the operator; send the same request again after Retry-After";
    let mut response = plain(StatusCode::ACCEPTED, "pending", text);
    response.headers_mut().insert(RETRY_AFTER, seconds(after));
    response
}

/// A refused request.
pub(super) fn refused(refused: &RefusedEnrolment, after: Duration) -> Response<Body> {
    let mut response = plain(status(refused), refused.code(), &refused.text());
    let headers = response.headers_mut();
    match refused {
        RefusedEnrolment::NoCode | RefusedEnrolment::WrongCode => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"enrolment\""));
        }
        RefusedEnrolment::Full | RefusedEnrolment::TooMany => {
            headers.insert(RETRY_AFTER, seconds(after));
        }
        // What is left of the body is not read.
        RefusedEnrolment::Body => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// A method that is not served.
pub(super) fn not_allowed(allowed: &'static str) -> Response<Body> {
    let text = "CAs are read by GET, requests are sent by POST";
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method", text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A code, and a sentence that says what to do.
pub(super) fn plain(status: StatusCode, code: &str, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{code}: {text}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const fn status(refused: &RefusedEnrolment) -> StatusCode {
    match refused {
        RefusedEnrolment::Disabled => StatusCode::NOT_FOUND,
        RefusedEnrolment::NoCode
        | RefusedEnrolment::WrongCode
        | RefusedEnrolment::NoCertificate
        | RefusedEnrolment::Certificate(_) => StatusCode::UNAUTHORIZED,
        RefusedEnrolment::Locked
        | RefusedEnrolment::Expired
        | RefusedEnrolment::CodeUsed
        | RefusedEnrolment::Rejected(_)
        | RefusedEnrolment::Revoked
        | RefusedEnrolment::EnvironmentChanged => StatusCode::FORBIDDEN,
        RefusedEnrolment::PrivateKey
        | RefusedEnrolment::Malformed
        | RefusedEnrolment::Possession
        | RefusedEnrolment::Key
        | RefusedEnrolment::Digest
        | RefusedEnrolment::Attribute(_)
        | RefusedEnrolment::CommonName(_)
        | RefusedEnrolment::OtherEnvironment(_)
        | RefusedEnrolment::AlternativeName(_)
        | RefusedEnrolment::NameTaken
        | RefusedEnrolment::Authority
        | RefusedEnrolment::OtherSubject => StatusCode::BAD_REQUEST,
        RefusedEnrolment::Full => StatusCode::SERVICE_UNAVAILABLE,
        RefusedEnrolment::TooMany => StatusCode::TOO_MANY_REQUESTS,
        RefusedEnrolment::Body => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

fn seconds(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_secs().max(1))
}
