//! Responses and limits that all lists share.

use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::http::json::PlainJson;
use crate::http::problem::Problem;
use crate::store::StoreError;

/// The number of rows in one response. A number that is out of bounds is refused: a caller that asks for more
/// would take what it gets for everything.
pub(super) fn page_limit(requested: Option<u32>) -> Result<u32, Problem> {
    let limit = requested.unwrap_or(DEFAULT_ROWS);
    if (1..=MAX_ROWS).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(format!(
        "limit must be between 1 and {MAX_ROWS}; what is older is found with before, the last row of a page"
    )))
}

/// 400: a value in the query string cannot be used; `help` says what it must be.
pub(super) fn bad_request(help: &'static str) -> Response {
    Problem::bad_request(help).into_response()
}

/// 503: the store did not answer.
pub(super) fn unavailable(error: StoreError) -> Response {
    Problem::from(error).into_response()
}

/// A page as JSON. When it ended early, `last` names its last row, and a header `Link` the next page.
pub(super) fn page<T: Serialize>(rows: &[T], uri: &Uri, last: Option<String>) -> Response {
    let mut response = PlainJson(rows).into_response();
    let next = last.and_then(|last| HeaderValue::try_from(next_page(uri, &last)).ok());
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    response
}

/// The value of `Link` (RFC 8288): the same query, before the row `last`.
fn next_page(uri: &Uri, last: &str) -> String {
    let query = uri.query().unwrap_or_default();
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("before="));
    let pairs: Vec<_> = others.map(str::to_owned).chain([format!("before={last}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), pairs.join("&"))
}

/// Rows in one response when the caller gives no limit.
const DEFAULT_ROWS: u32 = 100;
/// Rows in one response at most.
const MAX_ROWS: u32 = 1000;
/// Bytes of the rows of one response, about: rows that a device made large end a page early.
pub(super) const MAX_PAGE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_out_of_bounds_is_refused_and_not_cut() {
        assert_eq!(page_limit(None), Ok(100));
        assert_eq!((page_limit(Some(1)), page_limit(Some(1000))), (Ok(1), Ok(1000)));
        for limit in [0, 1001, u32::MAX] {
            assert!(page_limit(Some(limit)).unwrap_err().detail().contains("between 1 and 1000"), "{limit}");
        }
    }

    #[test]
    fn the_next_page_has_the_same_query() {
        let next = |uri: &str| next_page(&uri.parse().unwrap(), "7");
        assert_eq!(next("/api/audit"), "</api/audit?before=7>; rel=\"next\"");
        assert_eq!(
            next("/api/messages?device=A%20B&before=9&limit=5"),
            "</api/messages?device=A%20B&limit=5&before=7>; rel=\"next\""
        );
    }
}
