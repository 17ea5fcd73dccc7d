//! Each request has an id, which its response and the log carry. Problems get their bodies here, with it.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::person::Person;
use super::problem::Problem;
use super::route::RoutePath;
use super::unreadable::sentence;
use crate::model::json_without_deception;

/// Makes the page that a browser gets of a problem, for a request with this id, of this person.
pub type ProblemPage = Arc<dyn Fn(&Problem, &str, Option<&Person>) -> Response + Send + Sync>;

/// An extension of a response with a problem: makes its page, for a request with this id, in place of the
/// usual one.
#[derive(Clone)]
pub struct OwnPage(pub Arc<dyn Fn(&str) -> Response + Send + Sync>);

/// The id of a request; an extension of it.
#[derive(Debug, Clone)]
pub struct RequestId(String);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives the request an id, under which everything is logged that happens for it.
pub(super) async fn assign(State(page): State<ProblemPage>, mut request: Request, next: Next) -> Response {
    // Ours, not what the client says: the id is looked for in our log.
    let id = Uuid::now_v7().simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let page = wants_page(&request).then_some(page);
    let span = tracing::info_span!("request", id);
    let response = next.run(request).instrument(span.clone()).await;
    // The path itself may hold the name of a device.
    let route = response.extensions().get::<RoutePath>().map_or("none", |RoutePath(path)| path);
    let is_person = response.extensions().get::<Person>().is_some();
    span.in_scope(|| log(&method, route, response.status(), is_person));
    let mut response = match problem(response).await {
        Ok((problem, parts)) => with_body(&problem, &path, &id, page, parts),
        Err(response) => response,
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(&id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Changes and faults are logged, and what a person asked for and did not get: its page names the id. What is
/// only read is a detail, and so is what a stranger asks for.
fn log(method: &Method, route: &str, status: StatusCode, is_person: bool) {
    let status = status.as_u16();
    let is_fault = status >= 500 || (status >= 400 && is_person);
    if matches!(*method, Method::GET | Method::HEAD) && !is_fault {
        tracing::debug!(%method, route, status, "request answered");
    } else {
        tracing::info!(%method, route, status, "request answered");
    }
}

/// The problem that a response is; an error of the framework, such as of a query that it cannot read, is one.
async fn problem(response: Response) -> Result<(Problem, axum::http::response::Parts), Response> {
    let status = response.status();
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        return Ok((problem, response.into_parts().0));
    }
    let content = response.headers().get(header::CONTENT_TYPE);
    let is_text = content.is_none_or(|content| content.as_bytes().starts_with(b"text/plain"));
    if !status.is_client_error() && status != StatusCode::INTERNAL_SERVER_ERROR || !is_text {
        return Err(response);
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let text = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let text = sentence(&String::from_utf8_lossy(&text));
    let problem = match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::method(),
        StatusCode::NOT_FOUND => Problem::not_found(text),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        StatusCode::INTERNAL_SERVER_ERROR => Problem::fault(),
        // 415 and 422: the framework's words for a body that it cannot read.
        _ => Problem::bad_request(text),
    };
    parts.status = problem.status();
    Ok((problem, parts))
}

fn with_body(
    problem: &Problem,
    path: &str,
    id: &str,
    page: Option<ProblemPage>,
    mut parts: axum::http::response::Parts,
) -> Response {
    let own = parts.extensions.remove::<OwnPage>().map(|OwnPage(page)| page(id));
    let page = own.or_else(|| page.map(|page| page(problem, id, parts.extensions.get::<Person>())));
    let body = match page {
        Some(page) => {
            let (shown, body) = page.into_parts();
            parts.headers.extend(shown.headers);
            body
        }
        None => {
            let content = HeaderValue::from_static("application/problem+json");
            parts.headers.insert(header::CONTENT_TYPE, content);
            let json = serde_json::to_string(&problem.view(path, id)).unwrap_or_default();
            Body::from(json_without_deception(&json).into_owned())
        }
    };
    let mut response = Response::from_parts(parts, body);
    response.extensions_mut().insert(problem.clone());
    response
}

/// Browsers ask for text/html, programs for anything or JSON.
fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// The page of a problem where no pages are served.
pub(super) fn plain_page() -> ProblemPage {
    Arc::new(|problem, id, _| format!("{}: {} ({id})\n", problem.code(), problem.title()).into_response())
}

/// The header with the id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of an error text of the framework.
const MAX_TEXT: usize = 16 << 10;
