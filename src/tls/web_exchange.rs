//! One request to a web server that is not trusted: the head of its response has a limit, and its body is not
//! read.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends a request over an open connection, and reads the status of the response. `None`: it is not valid
/// HTTP, its head is too large, or the connection was closed early. The caller has a deadline.
pub async fn send_request<S>(stream: S, request: Request<Full<Bytes>>) -> Option<StatusCode>
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

/// Bytes of the head of a response.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Header fields of a response.
const MAX_HEADERS: usize = 64;
