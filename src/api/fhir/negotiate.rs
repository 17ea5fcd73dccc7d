//! What a reader takes: JSON, and gzip.

use axum::http::{HeaderMap, StatusCode, header};

use super::answer::Failure;

/// Whether the answer is JSON, as it has to be.
///
/// # Errors
/// 406 when the reader takes no JSON.
pub(super) fn check_format(headers: &HeaderMap, format: Option<&str>) -> Result<(), Failure> {
    if let Some(format) = format {
        // A + that was not encoded has become a blank.
        let format = format.split(';').next().unwrap_or_default().trim().replace(' ', "+");
        return if JSON.contains(&format.as_str()) { Ok(()) } else { Err(not_json()) };
    }
    let mut accepted =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let takes = |list: &str| list.split(',').any(takes_json);
    if accepted.peek().is_none() || accepted.any(takes) { Ok(()) } else { Err(not_json()) }
}

/// Whether a range of `Accept` (RFC 9110 12.5.1) has JSON in it.
fn takes_json(range: &str) -> bool {
    let mut parts = range.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_refused = parts.any(is_zero);
    !is_refused && (["*/*", "application/*"].contains(&kind.as_str()) || JSON.contains(&kind.as_str()))
}

/// Whether the reader takes gzip (RFC 9110 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let is_refused = parts.any(is_zero);
        !is_refused && (name.eq_ignore_ascii_case("gzip") || name == "*")
    })
}

fn is_zero(parameter: &str) -> bool {
    let weight = parameter.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
    weight.is_some_and(|weight| weight <= 0.0)
}

/// Whether unknown parameters are to be ignored (FHIR R4 3.1.1.3.1).
pub(super) fn is_lenient(headers: &HeaderMap) -> bool {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|list| list.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("handling=lenient"))
}

fn not_json() -> Failure {
    let text = "resources are given out as JSON: Accept: application/fhir+json";
    Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text)
}

const JSON: [&str; 6] = [
    "json",
    "application/json",
    "application/fhir+json",
    "text/json",
    "application/json+fhir",
    "text/fhir+json",
];
