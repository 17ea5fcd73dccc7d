//! The files of partners, as an ordinary S3 client reads them: GetObject, HeadObject, HeadBucket and
//! ListObjectsV2 with path style and Signature Version 4.
//!
//! The credentials come from `v1/token`, and end soon. A partner has one bucket with the files of its own
//! organisation. A file is not stored: it is rendered from its message when it is read.

mod bundle;
mod caller;
mod error;
mod list;
mod signature;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use jiff::Timestamp;

use super::partner::{bucket, notification_of};
use super::peer::Peer;
use super::state::ApiState;
use crate::model::steps_beside_tasks;
use bundle::{File, file};
use caller::{Caller, admit};
use error::FileError;
use list::list;
use signature::only;

/// Whether the path is one of files.
pub(super) fn is_path(path: &str) -> bool {
    path == ROOT || path.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('/'))
}

/// Answers a request.
pub(super) async fn answer(state: &ApiState, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let limit = state.config.load().api.query_timeout;
    // A signature computes, and its request decides for how long: it delays no device.
    let serving = Box::pin(steps_beside_tasks(serve(state, peer, &head)));
    let served = tokio::time::timeout(limit, serving).await;
    let mut response = match served {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => error.response(),
        Err(_) => {
            state.metrics.api.refuse("timeout");
            FileError::SlowDown.response()
        }
    };
    if head.method == Method::HEAD && response.status() != StatusCode::OK {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn serve(state: &ApiState, peer: &Peer, head: &Parts) -> Result<Response<Body>, FileError> {
    let caller = admit(state, peer, head).await?;
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        return Err(FileError::MethodNotAllowed);
    }
    let path = head.uri.path().strip_prefix(ROOT).unwrap_or_default().trim_start_matches('/');
    let (named, key) = path.split_once('/').unwrap_or((path, ""));
    if named != bucket(&caller.organisation) {
        return Err(FileError::AccessDenied);
    }
    match (key, &head.method) {
        ("", &Method::HEAD) => Ok(Response::new(Body::empty())),
        ("", _) => list(&caller, head.uri.query().unwrap_or_default()).await,
        (key, method) => object(&caller, key, *method == Method::HEAD, &head.headers).await,
    }
}

/// The file with this key, if it is one of the organisation that the client may read.
async fn object(
    caller: &Caller<'_>,
    key: &str,
    is_head: bool,
    headers: &HeaderMap,
) -> Result<Response<Body>, FileError> {
    let id = notification_of(&caller.organisation, key).ok_or(FileError::NoSuchKey)?;
    let of_store = |error| FileError::of_store(&error);
    let found =
        caller.state.partners.store.partner_notification(&caller.organisation, id).await.map_err(of_store)?;
    let found = found.ok_or(FileError::NoSuchKey)?;
    let file = file(caller, &found, |file| file).await?.ok_or(FileError::NoSuchKey)?;
    // The row is there before the file leaves.
    caller.record("file-read", Some(found.id.to_string()), 1, file.patients.clone()).await?;
    respond(caller.state, &file, is_head, headers)
}

fn respond(
    state: &ApiState,
    file: &File,
    is_head: bool,
    asked: &HeaderMap,
) -> Result<Response<Body>, FileError> {
    let length = file.body.len();
    let range = match only(asked, RANGE.as_str()) {
        Some(range) => Some(range_of(range, length).ok_or(FileError::InvalidRange)?),
        None => None,
    };
    let (from, to) = range.unwrap_or((0, length));
    // A copy: a part that shares the bytes of the file would keep all of them, and count as a part.
    let part = match range {
        Some(_) => Bytes::copy_from_slice(&file.body.slice(from..to)),
        None => file.body.clone(),
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut set =
        |name, value: String| headers.extend(HeaderValue::try_from(value).ok().map(|it| (name, it)));
    set(CONTENT_TYPE, "application/fhir+json".to_owned());
    set(CONTENT_LENGTH, part.len().to_string());
    set(ETAG, file.etag.clone());
    set(LAST_MODIFIED, http_date(file.at));
    set(ACCEPT_RANGES, "bytes".to_owned());
    set(CACHE_CONTROL, "no-store".to_owned());
    if range.is_some() {
        set(CONTENT_RANGE, format!("bytes {from}-{}/{length}", to.saturating_sub(1)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if !is_head {
        *response.body_mut() = state.reads.sent_body(part).ok_or(FileError::SlowDown)?;
    }
    Ok(response)
}

/// The part of a file (RFC 9110 14.1.2): from, and the end behind it. `None`: there is no such part.
fn range_of(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.checked_add(1)?.min(length)),
        (Ok(first), Err(_)) if last.is_empty() => (first, length),
        (Err(_), Ok(last)) if first.is_empty() => (length.saturating_sub(last), length),
        _ => return None,
    };
    (from < to).then_some((from, to))
}

/// A time as an HTTP-date (RFC 9110 5.6.7).
fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

const ROOT: &str = "/files";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_3_a_client_reads_parts_of_a_file() {
        for (range, part) in [
            ("bytes=0-9", Some((0, 10))),
            ("bytes=90-200", Some((90, 100))),
            ("bytes=90-", Some((90, 100))),
            ("bytes=-10", Some((90, 100))),
            ("bytes=100-", None),
            ("bytes=5-4", None),
            ("bytes=x-4", None),
            ("0-9", None),
        ] {
            assert_eq!(range_of(range, 100), part, "{range}");
        }
        assert_eq!(http_date(Timestamp::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
