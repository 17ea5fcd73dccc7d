//! Posts one notification.
//!
//! The receiver is not trusted: the whole exchange has a deadline, the head of the response a limit, its body
//! is not read, and redirects are not followed.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpStream;

use super::receiver::Receiver;
use super::signature::sign;
use crate::model::MessageId;
use crate::tls::send_request;

/// Why a notification was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No address, or none that answers.
    #[error("connection failed: {0}")]
    Connect(io::ErrorKind),
    /// The handshake failed: the certificate does not chain to a root, or names another host.
    #[error("TLS failed: {0}")]
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

impl Receiver {
    /// Posts a notification.
    ///
    /// # Errors
    /// When it was not answered with 2xx within ten seconds.
    pub async fn deliver(&self, id: MessageId, body: &str) -> Result<(), DeliveryError> {
        let exchange = self.exchange(id, body);
        let status = tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| DeliveryError::Timeout)??;
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status(status.as_u16())) }
    }

    async fn exchange(&self, id: MessageId, body: &str) -> Result<StatusCode, DeliveryError> {
        let request = self.request(id, body).map_err(|_| DeliveryError::Protocol)?;
        let url = &self.settings.webhook;
        let tcp = TcpStream::connect((url.host(), url.port())).await;
        let tcp = tcp.map_err(|error| DeliveryError::Connect(error.kind()))?;
        match &self.tls {
            Some(connector) => {
                let stream = connector.connect(url.host(), tcp).await;
                send_request(stream.map_err(|error| DeliveryError::Tls(error.to_string()))?, request).await
            }
            None => send_request(tcp, request).await,
        }
        .ok_or(DeliveryError::Protocol)
    }

    fn request(&self, id: MessageId, body: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let (url, timestamp) = (&self.settings.webhook, self.clock.now().as_second());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.path())
            .header(HOST, url.authority())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("pcd-platform/", env!("CARGO_PKG_VERSION")))
            .header("X-Pcd-Id", id.to_string())
            .header("X-Pcd-Timestamp", timestamp);
        if let Some(secret) = &self.secret {
            request = request.header("X-Pcd-Signature", sign(secret, timestamp, body.as_bytes()));
        }
        request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
    }
}

/// From the look-up of the name to the status of the response.
const DEADLINE: Duration = Duration::from_secs(10);
