//! Fetching over plain HTTP: OCSP responses and CRLs are signed, and https would ask for revocation in its turn.
//!
//! Nobody is is_trusted to stop: every request has a time for the connection, a time for all of it and a number of bytes.
//! Redirects are not followed. Unless the operator allows hosts by name, addresses of this machine and of its
//! neighbourhood are not asked, whatever a certificate says.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are under way at once, and to one host: one that does not answer takes no turn of the others'.
const MAX_REQUESTS: usize = 512;
const MAX_REQUESTS_PER_HOST: usize = 128;
/// Names that are looked up at once. The operating system's lookup takes a thread and cannot be broken off.
const MAX_DNS_LOOKUPS: usize = 32;
/// Hosts whose turns are counted before those without a request are forgotten.
const MAX_TRACKED_HOSTS: usize = 256;

/// Sends requests, within limits.
#[derive(Debug)]
pub(crate) struct HttpClient {
    requests: Semaphore,
    lookups: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The limits, as configured.
#[derive(Debug, Clone)]
pub(crate) struct FetchLimits {
    pub(crate) connect: Duration,
    pub(crate) total: Duration,
    pub(crate) proxy: Option<String>,
    pub(crate) allowed_hosts: Vec<String>,
}

/// What is fetched.
#[derive(Debug, Clone)]
pub(crate) struct FetchRequest {
    pub(crate) url: String,
    /// The body of a POST; a GET has none.
    pub(crate) body: Option<Vec<u8>>,
    /// Bytes of the largest answer.
    pub(crate) limit: usize,
    /// The operator named this URL: its host need not be allowed once more.
    pub(crate) is_configured: bool,
}

/// UndeterminedReason nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Another scheme than http, or no URL at all.
    #[error("not an http URL")]
    Url,
    /// The operator's list does not have it.
    #[error("the host is not among revocation.allowed-hosts")]
    NotAllowed,
    /// An address that no certificate may send us to.
    #[error(
        "{0} is an address of this machine or its neighbourhood; revocation.allowed-hosts could allow the host"
    )]
    Address(IpAddr),
    /// No address.
    #[error("the host has no address")]
    Resolve,
    /// No connection.
    #[error("no connection: {0}")]
    Connect(std::io::ErrorKind),
    /// Too slow.
    #[error("no complete answer in time")]
    Timeout,
    /// Not even asked.
    #[error("too many requests are under way")]
    Busy,
    /// Too much.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Another status than 200.
    #[error("HTTP status {0}")]
    Status(u16),
    /// Not HTTP, or broken off.
    #[error("the answer is not HTTP, or was broken off")]
    Protocol,
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        Self {
            requests: Semaphore::new(MAX_REQUESTS),
            lookups: Arc::new(Semaphore::new(MAX_DNS_LOOKUPS)),
            hosts: Mutex::default(),
        }
    }

    /// Fetches; the time limit includes waiting for a turn.
    ///
    /// # Errors
    /// UndeterminedReason nothing came.
    pub(crate) async fn fetch(&self, fetch: FetchRequest, limits: &FetchLimits) -> Result<Bytes, FetchError> {
        let uri: Uri = fetch.url.parse().map_err(|_| FetchError::Url)?;
        let host = checked_host(&uri, &fetch, limits)?;
        let mut late = FetchError::Busy;
        let all = async {
            // Neither is ever closed.
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
    ) -> Result<Bytes, FetchError> {
        let request = request(uri, host, fetch.body, limits.proxy.is_some())?;
        let stream = match &limits.proxy {
            Some(proxy) => {
                // What a name stands for is the proxy's to find out; an address is one for everybody.
                if let Ok(address) = host.name.parse::<IpAddr>()
                    && !host.is_trusted
                    && is_local_address(address)
                {
                    return Err(FetchError::Address(address));
                }
                let (name, port) = proxy.rsplit_once(':').ok_or(FetchError::Resolve)?;
                let port = port.parse().map_err(|_| FetchError::Resolve)?;
                let name = name.trim_start_matches('[').trim_end_matches(']');
                connect_to(self.resolve(name, port).await?, limits, true).await?
            }
            None => connect_to(self.resolve(&host.name, host.port).await?, limits, host.is_trusted).await?,
        };
        send(stream, request, fetch.limit).await
    }

    /// Looks a name up. Whoever gives up waiting leaves the thread and its turn behind until the system has answered.
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
    /// Allowed by name: its addresses are not looked at.
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
    Ok(Host { name, port, is_trusted: fetch.is_configured || allowed })
}

async fn send(stream: TcpStream, request: Request<Full<Bytes>>, limit: usize) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Protocol)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|_| FetchError::Protocol)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { FetchError::TooLarge(limit) } else { FetchError::Protocol }
        })?;
        Ok(body.to_bytes())
    };
    tokio::pin!(answer);
    // The connection is driven here, so that nothing of it outlives this request.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
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
    // Without what may stand before the host, names and passwords: they are nobody's business.
    let name = if host.name.contains(':') { format!("[{}]", host.name) } else { host.name.clone() };
    let authority = if host.port == 80 { name } else { format!("{name}:{}", host.port) };
    // RFC 9112 3.2: a proxy is asked with the whole URL, the host itself with the path.
    let target = if by_proxy { format!("http://{authority}{path}") } else { path.to_owned() };
    let mut request = Request::builder().method(method.clone()).uri(target).header(HOST, authority);
    request = request.header(ACCEPT, HeaderValue::from_static("*/*"));
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-request"));
    }
    request.body(Full::new(body)).map_err(|_| FetchError::Url)
}

/// This machine, its own network segment, and those to whom nobody has given an address. Cloud providers keep their
/// metadata service on a issued-local address.
fn is_local_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                // AWS' metadata service over IPv6.
                || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn limits() -> FetchLimits {
        FetchLimits {
            connect: Duration::from_secs(5),
            total: Duration::from_millis(400),
            proxy: None,
            allowed_hosts: vec!["127.0.0.1".to_owned()],
        }
    }

    fn get(url: String) -> FetchRequest {
        FetchRequest { url, body: None, limit: 1000, is_configured: false }
    }

    /// A server that answers once, piece by piece with a pause after each, and tells what it was asked.
    async fn server(
        pieces: Vec<Vec<u8>>,
        pause: Duration,
        endless: bool,
    ) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1000];
            let read = stream.read(&mut asked).await.unwrap();
            loop {
                for piece in &pieces {
                    if stream.write_all(piece).await.is_err() {
                        return String::new();
                    }
                    tokio::time::sleep(pause).await;
                }
                if !endless {
                    break;
                }
            }
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (url, task)
    }

    async fn fetch(answer: &str, endless: bool) -> Result<Bytes, FetchError> {
        let (url, _task) = server(vec![answer.as_bytes().to_vec()], Duration::ZERO, endless).await;
        HttpClient::new().fetch(get(url), &limits()).await
    }

    #[tokio::test]
    async fn an_answer_is_fetched_with_get_and_with_post() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        for (body, start) in [(None, "GET /x HTTP/1.1"), (Some(b"ask".to_vec()), "POST /x HTTP/1.1")] {
            let (url, task) = server(vec![answer.clone()], Duration::ZERO, false).await;
            let fetched = HttpClient::new().fetch(FetchRequest { body, ..get(url) }, &limits()).await;
            assert_eq!(fetched.unwrap(), "hi");
            let asked = task.await.unwrap();
            assert!(asked.starts_with(start), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_proxy_is_asked_with_the_whole_url() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let (url, task) = server(vec![answer], Duration::ZERO, false).await;
        let proxy = url.strip_prefix("http://").unwrap().strip_suffix("/x").unwrap().to_owned();
        let limits = FetchLimits { proxy: Some(proxy), allowed_hosts: Vec::new(), ..limits() };
        let fetched = HttpClient::new().fetch(get("http://ca.example/a.crl".to_owned()), &limits).await;
        assert_eq!(fetched.unwrap(), "hi");
        let asked = task.await.unwrap();
        assert!(asked.starts_with("GET http://ca.example/a.crl HTTP/1.1"), "{asked}");
    }

    #[tokio::test]
    async fn one_host_that_is_slow_takes_no_turn_of_the_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = get(format!("http://{}/", listener.local_addr().unwrap()));
        let fetcher = Arc::new(HttpClient::new());
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..2 * MAX_REQUESTS_PER_HOST {
            let (fetcher, silent) = (Arc::clone(&fetcher), silent.clone());
            waiting.spawn(async move { fetcher.fetch(silent, &limits()).await.unwrap_err() });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let (url, _task) = server(vec![answer], Duration::ZERO, false).await;
        assert_eq!(fetcher.fetch(get(url), &limits()).await.unwrap(), "hi");
        let failed = waiting.join_all().await;
        let late = |error: &FetchError| matches!(error, FetchError::Timeout | FetchError::Busy);
        assert!(failed.len() == 2 * MAX_REQUESTS_PER_HOST && failed.iter().all(late), "{failed:?}");
    }

    #[tokio::test]
    async fn a_proxy_is_not_sent_to_addresses_of_its_own_neighbourhood() {
        let limits =
            FetchLimits { proxy: Some("127.0.0.1:1".to_owned()), allowed_hosts: Vec::new(), ..limits() };
        let refused = HttpClient::new().fetch(get("http://169.254.169.254/".to_owned()), &limits).await;
        assert_eq!(refused, Err(FetchError::Address("169.254.169.254".parse().unwrap())));
    }

    #[test]
    fn names_and_passwords_of_an_url_go_nowhere() {
        let fetch = get("http://user:secret@ca.example:81/x?y".to_owned());
        let uri: Uri = fetch.url.parse().unwrap();
        let open = FetchLimits { allowed_hosts: Vec::new(), ..limits() };
        let host = checked_host(&uri, &fetch, &open).unwrap();
        for by_proxy in [false, true] {
            let request = request(&uri, &host, None, by_proxy).unwrap();
            assert_eq!(request.headers()[HOST], "ca.example:81");
            assert!(!request.uri().to_string().contains("secret"));
            assert!(request.uri().to_string().ends_with("/x?y"));
        }
    }

    // Bugs that others shipped: AIA at loopback or a metadata address.
    #[tokio::test]
    async fn a_certificate_cannot_send_us_to_ourselves() {
        let open = FetchLimits { allowed_hosts: Vec::new(), ..limits() };
        let ask = async |url: &str, limits: &FetchLimits| {
            HttpClient::new().fetch(get(url.to_owned()), limits).await.unwrap_err()
        };
        for (url, address) in [
            ("http://127.0.0.1:1/", "127.0.0.1"),
            ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
            ("http://[::1]:1/", "::1"),
            ("http://[::ffff:127.0.0.1]:1/", "::ffff:127.0.0.1"),
            ("http://0.0.0.0:1/", "0.0.0.0"),
        ] {
            assert_eq!(ask(url, &open).await, FetchError::Address(address.parse().unwrap()), "{url}");
        }
        assert_eq!(ask("http://ca.example/", &limits()).await, FetchError::NotAllowed);
        for url in ["https://127.0.0.1/", "ftp://127.0.0.1/", "ldap://127.0.0.1/", "file:///etc/passwd", "x"]
        {
            assert_eq!(ask(url, &limits()).await, FetchError::Url, "{url}");
        }
    }

    // Bugs that others shipped: redirect, endless body.
    #[tokio::test]
    async fn redirects_are_not_followed_and_endless_bodies_end() {
        let redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(fetch(redirect, false).await, Err(FetchError::Status(302)));
        let endless =
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        assert_eq!(fetch(endless, true).await, Err(FetchError::TooLarge(1000)));
        let closed = "HTTP/1.1 200 OK\r\n\r\nxx";
        assert_eq!(fetch(closed, false).await.unwrap(), "xx");
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxx";
        assert_eq!(fetch(cut, false).await, Err(FetchError::Protocol));
        assert_eq!(fetch("nonsense\r\n\r\n", false).await, Err(FetchError::Protocol));
    }

    // Bugs that others shipped: one byte a minute.
    #[tokio::test]
    async fn a_trickle_is_cut_off() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec();
        let pieces = std::iter::once(head).chain((0..99).map(|_| b"x".to_vec())).collect();
        let (url, _task) = server(pieces, Duration::from_millis(50), false).await;
        assert_eq!(HttpClient::new().fetch(get(url), &limits()).await, Err(FetchError::Timeout));
    }
}
