//! A request of a reader, and its response.

use std::io::Write as _;

use axum::body::Body;
use axum::extract::{Form, FromRequest as _, Query as Parameters};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::answer::{Answer, Failure};
use super::audit::record;
use super::negotiate::{check_format, is_lenient, takes_gzip};
use super::read::Asking;
use super::reads::{Reads, instant};
use super::sending::AnswerMemory;
use crate::api::oauth::token_endpoints;
use crate::clients::Reader;
use crate::fhir::capability_statement;
use crate::fhir::search::ResourceType;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'p> {
    Metadata,
    Read { kind: ResourceType, id: &'p str },
    Version { kind: ResourceType, id: &'p str, version: &'p str },
    History { kind: ResourceType, id: &'p str },
    Search { kind: ResourceType },
}

/// Marks the response to a client that asked for what its scopes do not allow: it is recorded as a refusal.
#[derive(Debug, Clone, Copy)]
pub struct OutOfScope;

/// Answers a request. `reader` is the client that was admitted; without one only `metadata` is answered. The
/// path may begin with `/fhir`.
pub async fn respond(reads: &Reads, reader: Option<&Reader>, request: Request<Bytes>) -> Response<Body> {
    let (is_head, takes_gzip) = (request.method() == Method::HEAD, takes_gzip(request.headers()));
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let max_time = reads.config.load().api.query_timeout;
    let answered = tokio::time::timeout(max_time, answer(reads, reader, &request)).await;
    let answered = answered.unwrap_or_else(|_| Err(Failure::timeout()));
    if let Some(fault) = answered.as_ref().err().and_then(|failure| failure.fault.as_deref()) {
        reads.log_fault(fault);
    }
    let is_out_of_scope = answered.as_ref().is_err_and(Failure::is_out_of_scope);
    let answer = answered.unwrap_or_else(|failure| failure.answer());
    let answer = answer.with(PROJECTION_LAG, &reads.metrics.fhir.lag_seconds.get().to_string());
    let answer = not_modified(answer, known.as_ref());
    let response = response(answer, is_head, takes_gzip, &reads.answer_memory);
    let mut response = response.unwrap_or_else(|| {
        reads.metrics.api.refuse("busy");
        response_without_memory(Failure::busy().answer())
    });
    if is_out_of_scope {
        response.extensions_mut().insert(OutOfScope);
    }
    response
}

async fn answer(reads: &Reads, reader: Option<&Reader>, request: &Request<Bytes>) -> Result<Answer, Failure> {
    let parameters = parameters(request).await?;
    let format = parameters.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str());
    check_format(request.headers(), format)?;
    let target = target(request.method(), request.uri().path())?;
    if target == Target::Metadata {
        let date = instant(reads.store.now());
        let statement = capability_statement(
            &reads.base,
            env!("CARGO_PKG_VERSION"),
            &date,
            token_endpoints(&reads.config.load().api).as_ref(),
        );
        return Answer::json(StatusCode::OK, &statement);
    }
    let reader = reader.ok_or_else(Failure::unauthorized)?;
    if reads.is_disabled() {
        return Err(Failure::disabled());
    }
    let renderer = reads.renderer(reader.client()).await?;
    let asking = Asking { reads, renderer: &renderer, reader };
    let result = match target {
        Target::Metadata => Err(Failure::fault()),
        Target::Read { kind, id } => asking.read(kind, id).await,
        Target::Version { kind, id, version } => asking.version(kind, id, version).await,
        Target::History { kind, id } => asking.history(kind, id, history_page(&parameters)?).await,
        Target::Search { kind } => asking.search(kind, &parameters, is_lenient(request.headers())).await,
    };
    let (interaction, kind) = target.interaction();
    match result {
        Ok((answer, resources)) => {
            record(reads, reader, (interaction, kind), &resources).await?;
            Ok(answer)
        }
        // Who tries ids leaves a trace too.
        Err(failure) if failure.is_of_a_read() => {
            record(reads, reader, (interaction, kind), &[]).await?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

impl Target<'_> {
    /// The interaction and the type, for the record.
    const fn interaction(self) -> (&'static str, &'static str) {
        match self {
            Self::Metadata => ("capabilities", "CapabilityStatement"),
            Self::Read { kind, .. } => ("read", kind.name()),
            Self::Version { kind, .. } => ("vread", kind.name()),
            Self::History { kind, .. } => ("history-instance", kind.name()),
            Self::Search { kind } => ("search-type", kind.name()),
        }
    }
}

/// What a path asks for.
fn target<'p>(method: &Method, path: &'p str) -> Result<Target<'p>, Failure> {
    let path =
        path.strip_prefix("/fhir").filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let kind = |name: &str| {
        ResourceType::named(name).ok_or_else(|| {
            let text = "there are Observation, Device, DeviceMetric and Patient, and metadata";
            Failure::new(StatusCode::NOT_FOUND, "not-supported", text)
        })
    };
    let target = match parts.as_slice() {
        ["metadata"] => Target::Metadata,
        [name, "_search"] if *method == Method::POST => return Ok(Target::Search { kind: kind(name)? }),
        [name] | [name, "_search"] => Target::Search { kind: kind(name)? },
        [name, id] => Target::Read { kind: kind(name)?, id },
        [name, id, "_history"] => Target::History { kind: kind(name)?, id },
        [name, id, "_history", version] => Target::Version { kind: kind(name)?, id, version },
        _ => return Err(Failure::not_found()),
    };
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(target);
    }
    let text = "resources are read here and not written: GET, HEAD, and POST to TYPE/_search";
    Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", text))
}

/// The parameters of the address, and of the body of a POST to `_search`.
async fn parameters(request: &Request<Bytes>) -> Result<Vec<(String, String)>, Failure> {
    let unreadable = || {
        Failure::bad(
            "the parameters of the request cannot be read: they are application/x-www-form-urlencoded",
        )
    };
    let Parameters(mut all) =
        Parameters::<Vec<(String, String)>>::try_from_uri(request.uri()).map_err(|_| unreadable())?;
    if request.method() == Method::POST && !request.body().is_empty() {
        // A form is not the query of an address: there a number sign ends it.
        let mut form = Request::post("/").body(Body::from(request.body().clone()));
        if let (Ok(form), Some(kind)) = (&mut form, request.headers().get(header::CONTENT_TYPE)) {
            form.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        let form = form.map_err(|_| unreadable())?;
        let form = Form::<Vec<(String, String)>>::from_request(form, &()).await;
        all.extend(form.map_err(|_| unreadable())?.0);
    }
    Ok(all)
}

/// `_count` and `_before` of a history.
fn history_page(parameters: &[(String, String)]) -> Result<(u32, Option<u64>), Failure> {
    let (mut count, mut before) = (None, None);
    for (name, value) in parameters {
        // What comes back after it was removed has a version as high as the place of its change.
        let number = || value.parse::<u64>().map_err(|_| Failure::bad("_count and _before are numbers"));
        match name.as_str() {
            "_count" if count.is_none() => count = Some(number()?.clamp(1, MAX_VERSIONS)),
            "_before" if before.is_none() => before = Some(number()?),
            "_format" => {}
            _ => {
                return Err(Failure::bad(
                    "a history has the parameters _count, _before and _format, each once",
                ));
            }
        }
    }
    Ok((count.and_then(|count| u32::try_from(count).ok()).unwrap_or(DEFAULT_VERSIONS), before))
}

/// 304 where the reader has this version already (RFC 9110 13.1.2).
fn not_modified(answer: Answer, known: Option<&HeaderValue>) -> Answer {
    let etag = answer.headers.iter().find(|(name, _)| *name == header::ETAG).map(|(_, value)| value);
    let (Some(etag), Some(known)) =
        (etag.and_then(|tag| tag.to_str().ok()), known.and_then(|it| it.to_str().ok()))
    else {
        return answer;
    };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let is_known = known.trim() == "*" || known.split(',').any(|tag| opaque(tag) == opaque(etag));
    if answer.status != StatusCode::OK || !is_known {
        return answer;
    }
    Answer { status: StatusCode::NOT_MODIFIED, body: Bytes::new(), ..answer }
}

/// A small response.
fn response_without_memory(answer: Answer) -> Response<Body> {
    let memory = AnswerMemory::new(0);
    response(answer, false, false, &memory).unwrap_or_default()
}

/// `None`: there is no memory for it.
fn response(
    answer: Answer,
    is_head: bool,
    takes_gzip: bool,
    memory: &AnswerMemory,
) -> Option<Response<Body>> {
    let Answer { status, body, headers: own } = answer;
    let mut headers = HeaderMap::new();
    headers.extend(own);
    let mut set = |name: HeaderName, value: &'static str| {
        drop(headers.insert(name, HeaderValue::from_static(value)));
    };
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::VARY, "Accept, Accept-Encoding");
    let mut body = body;
    if status != StatusCode::NOT_MODIFIED {
        set(header::CONTENT_TYPE, "application/fhir+json; charset=utf-8");
        if takes_gzip
            && body.len() >= MIN_COMPRESSED
            && let Some(compressed) = compressed(&body)
        {
            set(header::CONTENT_ENCODING, "gzip");
            body = compressed;
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut response = Response::new(if is_head { Body::empty() } else { memory.body(body)? });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Some(response)
}

fn compressed(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Bytes from which an answer is compressed.
const MIN_COMPRESSED: usize = 1024;
const DEFAULT_VERSIONS: u32 = 50;
const MAX_VERSIONS: u64 = 200;
/// How old the oldest message is that is not in the index, in seconds; 0: none is.
const PROJECTION_LAG: HeaderName = HeaderName::from_static("x-projection-lag");
