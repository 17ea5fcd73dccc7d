//! Answers, and why there is none.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use serde::Serialize;

use crate::clients::RefusedReader;
use crate::fhir::OperationOutcome;
use crate::fhir::search::Refused;
use crate::model::explained;
use crate::store::StoreError;

/// An answer with a body of JSON, before it is compressed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    /// A code of the value set `issue-type`.
    issue: &'static str,
    /// The platform's own.
    code: &'static str,
    text: String,
    /// What the store reported, for the log.
    pub(super) fault: Option<String>,
}

impl Answer {
    /// A resource. `None` when it cannot be written as JSON.
    pub(super) fn json(status: StatusCode, resource: &impl Serialize) -> Result<Self, Failure> {
        match serde_json::to_vec(resource) {
            Ok(body) => Ok(Self { status, body: body.into(), headers: Vec::new() }),
            Err(error) => {
                tracing::error!(error = %explained(&error), "a FHIR resource could not be written as JSON");
                Err(Failure::fault())
            }
        }
    }

    /// The same with a header.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        self
    }
}

impl Failure {
    pub(super) fn new(status: StatusCode, issue: &'static str, text: impl Into<String>) -> Self {
        Self { status, issue, code: issue, text: text.into(), fault: None }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", text)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "the index has no such resource")
    }

    pub(super) fn gone() -> Self {
        let text = "the resource was there: its message was removed by retention, or has it no more";
        Self::new(StatusCode::GONE, "deleted", text)
    }

    pub(super) fn forbidden(kind: &str) -> Self {
        let text = format!(
            "this client may not do this with resources of the type {kind}: the operator grants scopes such as \
             system/{kind}.rs"
        );
        Self { code: RefusedReader::Scope.code(), ..Self::new(StatusCode::FORBIDDEN, "forbidden", text) }
    }

    pub(super) fn unauthorized() -> Self {
        let text = "reading needs a client certificate of a registered client; metadata alone is open";
        Self::new(StatusCode::UNAUTHORIZED, "login", text)
    }

    pub(super) fn timeout() -> Self {
        let text =
            "the search took too long and was ended: narrow it, with date or a lower _count, or try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
    }

    pub(super) fn disabled() -> Self {
        let text = "the index of FHIR resources is switched off: the operator sets [fhir] enabled";
        Self { code: "index-disabled", ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text) }
    }

    pub(super) fn busy() -> Self {
        let text = "the answers that clients have not taken yet fill the memory for them; try again, or ask for less";
        Self { code: "busy", ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "throttled", text) }
    }

    /// Whether the client asked for what its scopes do not allow.
    pub(super) fn is_out_of_scope(&self) -> bool {
        self.code == RefusedReader::Scope.code()
    }

    pub(super) fn fault() -> Self {
        let text = "a fault of the platform; its log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", text)
    }

    /// Whether something was looked for and is not there.
    pub(super) fn is_of_a_read(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE) && self.issue != "not-supported"
    }

    /// As `OperationOutcome`.
    pub(super) fn answer(&self) -> Answer {
        let outcome = OperationOutcome::error(self.issue, self.code, self.text.clone());
        let body = serde_json::to_vec(&outcome).unwrap_or_default().into();
        let answer = Answer { status: self.status, body, headers: Vec::new() };
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => answer.with(header::RETRY_AFTER, RETRY_AFTER),
            StatusCode::METHOD_NOT_ALLOWED => answer.with(header::ALLOW, "GET, HEAD"),
            // RFC 9110 15.5.2: a 401 names a scheme. TLS has none of these names.
            StatusCode::UNAUTHORIZED => answer.with(header::WWW_AUTHENTICATE, "Client-Certificate"),
            _ => answer,
        }
    }
}

impl From<Refused> for Failure {
    fn from(Refused { issue, text }: Refused) -> Self {
        Self::new(StatusCode::BAD_REQUEST, issue.code(), text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = "the store did not answer: try again";
        let fault = Some(explained(&error));
        Self { fault, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", text) }
    }
}

/// Seconds.
const RETRY_AFTER: &str = "5";
