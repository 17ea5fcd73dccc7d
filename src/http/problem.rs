//! Errors as problem details (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::{Right, Roles, explained};
use crate::store::StoreError;

/// Why a request was not done. The request's id is added where the response leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after: bool,
}

/// As RFC 9457 3 shapes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ProblemView<'a> {
    /// The help page of the code.
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    /// The path of the request, and its id.
    instance: String,
    code: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// Every code; each has a help page.
    pub const CODES: [&'static str; 14] = [
        "bad-request",
        "not-admitted",
        "role-missing",
        "web-page",
        "not-found",
        "method-not-allowed",
        "conflict",
        "another-store",
        "body-too-large",
        "host-not-allowed",
        "fault",
        "busy",
        "unavailable",
        "store-unavailable",
    ];

    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), retry_after: false }
    }

    /// 400: a value of the request cannot be used; `detail` says what it must be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "the request cannot be used", detail)
    }

    /// 401: nothing says who asks.
    #[must_use]
    pub fn not_admitted() -> Self {
        let detail = format!("{UNKNOWN}: {WAYS_IN}");
        Self::new(StatusCode::UNAUTHORIZED, "not-admitted", "only people with a role are admitted", detail)
    }

    /// The same, with what is known of this request before what is true of all.
    #[must_use]
    pub(super) fn because(self, reason: &str) -> Self {
        let known = self.detail.strip_prefix(UNKNOWN).and_then(|rest| rest.strip_prefix(": "));
        Self { detail: format!("{reason}; {}", known.unwrap_or(&self.detail)), ..self }
    }

    /// 401: the link of a page has been used, or its minute is over.
    pub(super) fn link_ended() -> Self {
        let detail = "a link counts once, within a minute; `pcd-platform page` prints another one";
        Self { detail: detail.to_owned(), ..Self::not_admitted() }
    }

    /// 401: the link is for another account, for which it still counts.
    pub(super) fn link_of_another() -> Self {
        let detail = "this link is for the account that ran `pcd-platform page`, and still counts for it; run the \
                      command as the account of this browser";
        Self { detail: detail.to_owned(), ..Self::not_admitted() }
    }

    /// 409: a program looks at a link that a person is to open, for whom it still counts.
    pub(super) fn link_preview() -> Self {
        Self::conflict("a link counts when a person opens it: it was only looked at, and still counts")
    }

    /// 403: the person lacks the role.
    #[must_use]
    pub fn role_missing(right: Right, name: &str, roles: Roles) -> Self {
        let detail = format!("this needs the role {}; {name} has: {roles}", right.least_role().code());
        Self::new(StatusCode::FORBIDDEN, "role-missing", "your roles do not allow this", detail)
    }

    /// 403: a web page sent it, and not one of this platform on behalf of its reader.
    #[must_use]
    pub fn web_page(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "web-page", "requests of other web pages are refused", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is no such thing", detail)
    }

    /// 405: the path takes other methods.
    pub(super) fn method() -> Self {
        let detail = "GET reads, POST changes";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "the path takes other methods",
            detail,
        )
    }

    /// 409: what is there does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "the present state does not allow this", detail)
    }

    /// 409: the sender of the request means another store than this platform serves.
    pub(super) fn another_store(detail: impl Into<String>) -> Self {
        let title = "the command means another store";
        Self::new(StatusCode::CONFLICT, "another-store", title, detail)
    }

    /// 413: the body is too large.
    pub(super) fn too_large() -> Self {
        let detail = "the body of a request has at most 16 MiB";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "the body is too large", detail)
    }

    /// 421: another host is named.
    pub(super) fn host() -> Self {
        let detail = "this host is not one of the admin listener; use localhost or the address that it listens on, \
                      or list the host in admin.allowed-hosts";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "host-not-allowed", "the host is another one", detail)
    }

    /// 500: a fault of the program.
    pub(super) fn fault() -> Self {
        let detail = "the response could not be made; the log says why, under this request-id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", "a fault of the platform", detail)
    }

    /// 503: other requests are being answered.
    pub(super) fn busy() -> Self {
        let detail = "other requests are being answered; try again in a second";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the platform is busy", detail);
        Self { retry_after: true, ..problem }
    }

    /// 503: the platform does it no more.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the platform cannot do this now", detail)
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code, which has a help page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What kind of problem it is.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// What happened here, and what to do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As JSON, for the request with this path and id.
    pub(super) fn view<'a>(&'a self, path: &str, request_id: &'a str) -> ProblemView<'a> {
        ProblemView {
            r#type: format!("/help/{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: format!("{path}#{request_id}"),
            code: self.code,
            request_id,
        }
    }
}

/// What the store did not do.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let text = explained(&error);
        match error {
            StoreError::DeviceUnknown(_) => Self::not_found(text),
            StoreError::DeviceExists(_)
            | StoreError::DeviceSpelled { .. }
            | StoreError::DeviceEnforced(_)
            | StoreError::Clients(_)
            | StoreError::AlreadyWaiting(_)
            | StoreError::ControlIdUsed(_) => Self::conflict(text),
            _ => {
                tracing::error!(error = text, "store query failed; the request is answered with 503");
                let detail = "the store did not answer; the log says why, under this request-id";
                let title = "the store cannot be used now";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", title, detail)
            }
        }
    }
}

/// The body is written where the response leaves, with the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let mut set = |name: HeaderName, value| {
            drop(response.headers_mut().insert(name, HeaderValue::from_static(value)))
        };
        if self.retry_after {
            set(header::RETRY_AFTER, "1");
        }
        // RFC 9110 15.5.2: a 401 names a scheme. There is none that a client could use.
        if self.status == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, "Local-Account");
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Why a request is refused of whose person nothing is known.
const UNKNOWN: &str = "nothing says who you are, or you have no role";
const WAYS_IN: &str = "on the machine of the platform, `pcd-platform` commands come in over the socket `admin.socket` as the \
                       account that runs them, and `pcd-platform page` prints a link for a browser; from other machines a \
                       certificate of `admin.trust-anchors` or a proxy of `admin.identity-proxies` says who you are; \
                       [admin.roles] says who may do what";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed() {
        let source = include_str!("problem.rs");
        let made = source.split("StatusCode::").skip(1).filter_map(|rest| {
            let code = rest.split(',').nth(1)?.trim().strip_prefix('"')?.strip_suffix('"')?;
            code.chars().all(|c| c.is_ascii_lowercase() || c == '-').then_some(code)
        });
        let made: std::collections::BTreeSet<_> = made.collect();
        assert_eq!(made, Problem::CODES.into());
    }

    #[test]
    fn a_problem_says_what_kind_it_is_where_it_happened_and_which_page_helps() {
        let problem = Problem::not_found("no device has this name");
        let view = serde_json::to_value(problem.view("/api/devices/X", "0193")).unwrap();
        let expected = serde_json::json!({
            "type": "/help/not-found", "title": "there is no such thing", "status": 404,
            "detail": "no device has this name", "instance": "/api/devices/X#0193", "code": "not-found",
            "request-id": "0193",
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn what_the_store_did_not_do_is_no_secret_and_no_detail_of_the_database() {
        let unknown = StoreError::DeviceUnknown("PUMP".parse().unwrap());
        assert_eq!(Problem::from(unknown).status(), StatusCode::NOT_FOUND);
        let closed = Problem::from(StoreError::Closed);
        assert_eq!((closed.status(), closed.code()), (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"));
        assert!(!closed.detail().contains("closed"));
    }
}
