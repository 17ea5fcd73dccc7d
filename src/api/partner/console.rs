//! The description of the services: OpenAPI 3.1, and a page of it without scripts. Both are open: they say
//! what there is, and nothing about anyone.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Response};
use serde_json::Value;

use super::contract::{API, CONSOLE};
use super::problem::Problem;

/// `openapi.json`, or the page of it; `None`: the path is that of a service.
pub(super) fn answer(path: &str, method: &Method) -> Option<Result<Response<Body>, Problem>> {
    let (kind, body) = match path {
        DESCRIPTION_PATH => ("application/json", DESCRIPTION),
        CONSOLE | CONSOLE_WITHOUT_SLASH => ("text/html; charset=utf-8", PAGE.as_str()),
        _ => return None,
    };
    if ![Method::GET, Method::HEAD].contains(method) {
        return Some(Err(Problem::of_method(method, "GET, HEAD")));
    }
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Some(Ok(response))
}

/// Strangers ask for it as often as they like: it is made once.
static PAGE: LazyLock<String> = LazyLock::new(page);

/// The description as a page. It has nothing that a client decides.
fn page() -> String {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap_or_default();
    let text = |value: &Value, place: &str| {
        escaped(value.pointer(place).and_then(Value::as_str).unwrap_or_default())
    };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title></head><body>\n\
         <h1>{0}</h1>\n<p>{1}</p>\n<p><a href=\"{DESCRIPTION_PATH}\">openapi.json</a></p>\n",
        text(&description, "/info/title"),
        text(&description, "/info/description"),
    );
    for (path, item) in members(&description, "/paths") {
        for (method, operation) in members(item, "") {
            html.push_str(&format!(
                "<h2>{} {API}{}</h2>\n<p>{}. {}</p>\n<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>\n",
                method.to_uppercase(),
                escaped(path),
                text(operation, "/summary"),
                text(operation, "/description"),
            ));
            for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                let parameter = referenced(&description, parameter);
                html.push_str(&format!(
                    "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    text(parameter, "/name"),
                    text(parameter, "/in"),
                    text(parameter, "/description")
                ));
            }
            html.push_str("</table>\n<table><tr><th>status</th><th>meaning</th></tr>\n");
            for (status, response) in members(operation, "/responses") {
                let response = referenced(&description, response);
                html.push_str(&format!(
                    "<tr><td>{status}</td><td>{}</td></tr>\n",
                    text(response, "/description")
                ));
            }
            html.push_str("</table>\n");
        }
    }
    html.push_str("<h2>Problems</h2>\n<dl>\n");
    for problem in Problem::ALL {
        let (status, code, title, detail) = problem.words();
        html.push_str(&format!(
            "<dt id=\"{code}\">{} {title} ({code})</dt><dd>{}</dd>\n",
            status.as_u16(),
            escaped(detail)
        ));
    }
    html.push_str("</dl>\n</body></html>\n");
    html
}

fn members<'v>(value: &'v Value, place: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(place).and_then(Value::as_object).into_iter().flatten()
}

/// What `$ref` names, if there is one.
fn referenced<'v>(description: &'v Value, value: &'v Value) -> &'v Value {
    let named = value.get("$ref").and_then(Value::as_str).and_then(|place| place.strip_prefix('#'));
    named.and_then(|place| description.pointer(place)).unwrap_or(value)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const DESCRIPTION: &str = include_str!("openapi.json");
const DESCRIPTION_PATH: &str = "/partners/services/api/openapi.json";
const CONSOLE_WITHOUT_SLASH: &str = "/partners/services/console";
/// No script runs in the page, and no other page shows it.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_7_the_page_has_each_service_and_each_problem_and_no_script() {
        let page = page();
        for part in
            ["POST /partners/services/api/v1/token", "receiptHandle", "x-origin-request-id", "mutual TLS"]
        {
            assert!(page.contains(part), "{part}");
        }
        for problem in Problem::ALL {
            assert!(page.contains(&format!("id=\"{}\"", problem.words().1)), "{problem:?}");
        }
        assert!(!page.contains("<script") && !page.contains("javascript:") && !page.contains("onload"));
    }
}
