//! One request to a web server that is not trusted: the whole exchange has a deadline, the head of the
//! response a limit, its body is not read, and redirects are not followed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;

use super::reach::reach_first;
use super::web_connector::WebConnector;
use crate::config::WebhookUrl;

/// JSON that is posted to a webhook.
pub struct WebPost<'p> {
    /// The webhook.
    pub url: &'p WebhookUrl,
    /// How its certificate is verified; `None` for http.
    pub tls: Option<&'p WebConnector>,
    /// Further header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// Why a webhook has not taken what was posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebPostError {
    /// No address, or none that answers.
    #[error("connection failed: {0}")]
    Connect(io::ErrorKind),
    /// The handshake failed.
    #[error("TLS failed, as when the certificate chains to none of the roots or names another host: {0}")]
    Tls(String),
    /// The deadline has passed.
    #[error("no response within {} seconds", DEADLINE.as_secs())]
    Timeout,
    /// Another status than 2xx. Redirects are not followed.
    #[error("HTTP status {0}")]
    Status(u16),
    /// Not HTTP, too large a head, or closed early.
    #[error("the response is not valid HTTP, its head is too large, or the connection was closed early")]
    Protocol,
}

impl WebPost<'_> {
    /// Posts it to one of these addresses. The look-up of the name counts towards the deadline.
    ///
    /// # Errors
    /// When it was not answered with 2xx within ten seconds.
    pub async fn send<E: From<WebPostError>>(
        self,
        addresses: impl Future<Output = Result<Vec<SocketAddr>, E>>,
    ) -> Result<(), E> {
        let exchange = tokio::time::timeout(DEADLINE, self.exchange(addresses)).await;
        let status = exchange.map_err(|_| E::from(WebPostError::Timeout))??;
        if status.is_success() { Ok(()) } else { Err(WebPostError::Status(status.as_u16()).into()) }
    }

    async fn exchange<E: From<WebPostError>>(
        self,
        addresses: impl Future<Output = Result<Vec<SocketAddr>, E>>,
    ) -> Result<StatusCode, E> {
        let Self { url, tls, headers, body } = self;
        let request = request(url, headers, body).map_err(|_| WebPostError::Protocol)?;
        let tcp = reach_first(addresses.await?.into_iter()).await;
        let tcp = tcp.map_err(|error| WebPostError::Connect(error.kind()))?;
        let status = match tls {
            Some(connector) => {
                let stream = connector.connect(url.host(), tcp).await;
                send_request(stream.map_err(|error| WebPostError::Tls(error.to_string()))?, request).await
            }
            None => send_request(tcp, request).await,
        };
        Ok(status.ok_or(WebPostError::Protocol)?)
    }
}

/// The addresses of a webhook.
///
/// # Errors
/// When its name has none.
pub async fn look_up(url: &WebhookUrl) -> Result<Vec<SocketAddr>, WebPostError> {
    let found = lookup_host((url.host(), url.port())).await;
    Ok(found.map_err(|error| WebPostError::Connect(error.kind()))?.collect())
}

fn request(
    url: &WebhookUrl,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path())
        .header(HOST, url.authority())
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("pcd-platform/", env!("CARGO_PKG_VERSION")));
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(Full::new(body))
}

/// `None`: the response is not valid HTTP, its head is too large, or the connection was closed early.
async fn send_request<S>(stream: S, request: Request<Full<Bytes>>) -> Option<StatusCode>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS).title_case_headers(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
    let mut connection = std::pin::pin!(connection);
    let mut response = std::pin::pin!(sender.send_request(request));
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        // It has ended: what it has read of the response is there.
        _ = &mut connection => response.await,
    };
    // The body is not read: both halves are dropped here, and with them the connection.
    response.map(|response| response.status()).ok()
}

/// From the look-up of the name to the head of the response.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the head of a response.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Header fields of a response.
const MAX_HEADERS: usize = 64;
