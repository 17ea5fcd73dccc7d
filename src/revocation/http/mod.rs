//! The HTTP client for OCSP responses and CRLs. Plain HTTP: the content is signed, and https would need
//! revocation checks of its own.
//!
//! Every request is bounded by a connect timeout, a total timeout and a number of bytes. Redirects are not
//! followed. Loopback and link-local addresses are refused, whatever a certificate says, unless the operator
//! allows the host by name.

#[cfg(fuzzing)]
pub mod fuzzing;
mod head_limit;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::head_limit::{HeadLimit, LimitedStream};
use super::byte_budget::{ByteBudget, Share};
use super::local_host::{NamedHost, is_local_address};

/// Sends requests within the limits.
#[derive(Debug)]
pub(crate) struct HttpClient {
    requests: Semaphore,
    lookups: Arc<Semaphore>,
    budget: ByteBudget,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The configured limits.
#[derive(Debug, Clone)]
pub(crate) struct FetchLimits {
    pub(crate) connect: Duration,
    pub(crate) total: Duration,
    pub(crate) proxy: Option<String>,
    pub(crate) allowed_hosts: Vec<String>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct FetchRequest {
    pub(crate) url: String,
    /// The body of a POST; a GET has none.
    pub(crate) body: Option<Vec<u8>>,
    /// The largest response, in bytes.
    pub(crate) limit: usize,
    /// The operator configured this URL: its host needs no entry in `allowed-hosts`.
    pub(crate) is_configured: bool,
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _share: Share,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, or its scheme is not http.
    #[error("not an http URL")]
    Url,
    /// The operator's list does not contain the host.
    #[error("host is not listed in revocation.allowed-hosts")]
    NotAllowed,
    /// A loopback or link-local address, which a certificate must not choose.
    #[error(
        "{0} is a loopback or link-local address; to allow the host, list it in revocation.allowed-hosts"
    )]
    Address(IpAddr),
    /// A name that means this machine or a metadata service, which a certificate must not choose.
    #[error(
        "host names this machine or a metadata service; to allow it, list it in revocation.allowed-hosts"
    )]
    LocalName,
    /// DNS resolution failed.
    #[error("DNS resolution failed or found no address")]
    Resolve,
    /// The connection failed.
    #[error("connection failed: {0}")]
    Connect(std::io::ErrorKind),
    /// A timeout.
    #[error("timed out before the response was complete")]
    Timeout,
    /// No permit became free in time; the host was not contacted.
    #[error("too many requests in progress")]
    Busy,
    /// The response exceeds the limit.
    #[error("response is larger than {0} bytes")]
    TooLarge(usize),
    /// Too much before the response.
    #[error(
        "more than {MAX_HEAD_BYTES} bytes or {MAX_INTERIM_RESPONSES} interim responses before the response"
    )]
    Head,
    /// A status other than 200.
    #[error("HTTP status {0}")]
    Status(u16),
    /// Not HTTP, or closed early.
    #[error("response is not valid HTTP, or the connection was closed early")]
    Protocol,
}

impl HttpClient {
    /// `max_memory` bounds the bytes of all bodies together.
    pub(crate) fn new(max_memory: usize) -> Self {
        Self {
            requests: Semaphore::new(MAX_REQUESTS),
            lookups: Arc::new(Semaphore::new(MAX_DNS_LOOKUPS)),
            budget: ByteBudget::new(max_memory),
            hosts: Mutex::default(),
        }
    }

    /// Sends the request and returns the body, which occupies its share of the budget for bodies in memory
    /// until it is dropped. The total timeout includes waiting for a permit.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn fetch(&self, fetch: FetchRequest, limits: &FetchLimits) -> Result<Body, FetchError> {
        let uri: Uri = fetch.url.parse().map_err(|_| FetchError::Url)?;
        let host = checked_host(&uri, &fetch, limits)?;
        let mut late = FetchError::Busy;
        let all = async {
            // The semaphores are never closed.
            let _own = self.host_permits(&host).acquire_owned().await.map_err(|_| FetchError::Busy)?;
            let _turn = self.requests.acquire().await.map_err(|_| FetchError::Busy)?;
            late = FetchError::Timeout;
            self.exchange(&uri, &host, fetch, limits).await
        };
        match tokio::time::timeout(limits.total, all).await {
            Ok(fetched) => fetched,
            Err(_) => Err(late),
        }
    }

    fn host_permits(&self, host: &Host) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_TRACKED_HOSTS {
            hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        let turns = hosts
            .entry(format!("{}:{}", host.name, host.port))
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_REQUESTS_PER_HOST)));
        Arc::clone(turns)
    }

    async fn exchange(
        &self,
        uri: &Uri,
        host: &Host,
        fetch: FetchRequest,
        limits: &FetchLimits,
    ) -> Result<Body, FetchError> {
        let request = request(uri, host, fetch.body, limits.proxy.is_some())?;
        let stream = match &limits.proxy {
            Some(proxy) => {
                let (name, port) = proxy.rsplit_once(':').ok_or(FetchError::Resolve)?;
                let port = port.parse().map_err(|_| FetchError::Resolve)?;
                let name = name.trim_start_matches('[').trim_end_matches(']');
                connect_to(self.resolve(name, port).await?, limits, true).await?
            }
            None => connect_to(self.resolve(&host.name, host.port).await?, limits, host.is_trusted).await?,
        };
        send(stream, request, self.budget.share(fetch.limit)).await
    }

    /// Resolves a name. When the caller stops waiting, the thread and its permit stay occupied until the
    /// system answers.
    async fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let turn = Arc::clone(&self.lookups).acquire_owned().await.map_err(|_| FetchError::Busy)?;
        let name = name.to_owned();
        let lookup = move |_turn: OwnedSemaphorePermit| (name.as_str(), port).to_socket_addrs();
        let found = tokio::task::spawn_blocking(move || lookup(turn)).await;
        Ok(found.map_err(|_| FetchError::Resolve)?.map_err(|_| FetchError::Resolve)?.collect())
    }
}

struct Host {
    name: String,
    port: u16,
    /// Allowed by name: its addresses are not checked.
    is_trusted: bool,
}

fn checked_host(uri: &Uri, fetch: &FetchRequest, limits: &FetchLimits) -> Result<Host, FetchError> {
    if uri.scheme_str() != Some("http") {
        return Err(FetchError::Url);
    }
    let name = uri.host().ok_or(FetchError::Url)?;
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(80);
    let named = |allowed: &String| {
        let allowed = allowed.to_ascii_lowercase();
        allowed == name || allowed == format!("{name}:{port}")
    };
    let allowed = limits.allowed_hosts.iter().any(named);
    if !fetch.is_configured && !allowed && !limits.allowed_hosts.is_empty() {
        return Err(FetchError::NotAllowed);
    }
    let is_trusted = fetch.is_configured || allowed;
    // A proxy resolves names, and would read other spellings of an address than this program.
    let name = match NamedHost::read(&name) {
        _ if is_trusted => name,
        NamedHost::Address(address) if is_local_address(address) => return Err(FetchError::Address(address)),
        NamedHost::Address(address) => address.to_string(),
        NamedHost::Name(name) => name,
        NamedHost::Local => return Err(FetchError::LocalName),
        NamedHost::Malformed => return Err(FetchError::Url),
    };
    Ok(Host { name, port, is_trusted })
}

async fn send(
    stream: TcpStream,
    mut request: Request<Full<Bytes>>,
    share: Share,
) -> Result<Body, FetchError> {
    let limit = HeadLimit::new(MAX_HEAD_BYTES, MAX_INTERIM_RESPONSES);
    let counted = limit.clone();
    hyper::ext::on_informational(&mut request, move |_| counted.count_interim_response());
    let stream = TokioIo::new(LimitedStream::new(stream, limit.clone()));
    let failed = |_| if limit.is_exceeded() { FetchError::Head } else { FetchError::Protocol };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(failed)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        limit.end();
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        receive(response.into_body(), share).await
    };
    tokio::pin!(answer);
    // The connection is driven here, so that it ends with this request.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// Collects the body in one buffer. Its share of the budget grows with it.
async fn receive(mut body: Incoming, mut share: Share) -> Result<Body, FetchError> {
    if body.size_hint().lower() > u64::try_from(share.limit).unwrap_or(u64::MAX) {
        return Err(FetchError::TooLarge(share.limit));
    }
    share.declared = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| FetchError::Protocol)?.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > share.limit {
            return Err(FetchError::TooLarge(share.limit));
        }
        share.grow(length).await;
        bytes.extend_from_slice(&data);
    }
    Ok(Body { bytes: bytes.into(), _share: share })
}

async fn connect_to(
    addresses: Vec<SocketAddr>,
    limits: &FetchLimits,
    is_trusted: bool,
) -> Result<TcpStream, FetchError> {
    let mut last = FetchError::Resolve;
    for address in addresses {
        if !is_trusted && is_local_address(address.ip()) {
            last = FetchError::Address(address.ip());
            continue;
        }
        match tokio::time::timeout(limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = FetchError::Connect(error.kind()),
            Err(_) => last = FetchError::Timeout,
        }
    }
    Err(last)
}

fn request(
    uri: &Uri,
    host: &Host,
    body: Option<Vec<u8>>,
    by_proxy: bool,
) -> Result<Request<Full<Bytes>>, FetchError> {
    let (method, body) = body.map_or((Method::GET, Bytes::new()), |body| (Method::POST, body.into()));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // Without the user information of the URL: names and passwords are not sent.
    let name = if host.name.contains(':') { format!("[{}]", host.name) } else { host.name.clone() };
    let authority = if host.port == 80 { name } else { format!("{name}:{}", host.port) };
    // RFC 9112 3.2: the request target is the whole URL for a proxy, and the path for the host itself.
    let target = if by_proxy { format!("http://{authority}{path}") } else { path.to_owned() };
    let mut request = Request::builder().method(method.clone()).uri(target).header(HOST, authority);
    request = request.header(ACCEPT, HeaderValue::from_static("*/*"));
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-request"));
    }
    request.body(Full::new(body)).map_err(|_| FetchError::Url)
}

/// Bytes before the body, those of interim responses included. Servers and proxies send less than 8 KiB.
const MAX_HEAD_BYTES: usize = 128 << 10;
/// Responses with a status of 1xx before the response: hardly any server sends one to a request without
/// `Expect`.
const MAX_INTERIM_RESPONSES: usize = 8;
/// Concurrent requests, in total and to one host: a host that does not answer leaves permits for the others.
const MAX_REQUESTS: usize = 512;
const MAX_REQUESTS_PER_HOST: usize = 128;
/// Concurrent DNS resolutions. Each occupies a thread of the operating system and cannot be cancelled.
const MAX_DNS_LOOKUPS: usize = 32;
/// Hosts with a semaphore. Beyond this number, those without a request are dropped.
const MAX_TRACKED_HOSTS: usize = 256;
