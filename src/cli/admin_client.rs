//! Requests to the admin listener of the running platform.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Exit, Failure};

/// Reads `path` from the admin listener at `listen`.
pub(super) async fn get(listen: SocketAddr, path: &str) -> Result<Bytes, Failure> {
    let asked = tokio::time::timeout(TIMEOUT, request(listen, path)).await;
    let unavailable = |error| Failure::new(Exit::Unavailable, error);
    match asked {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(unavailable(error.context(format!("no answer from the platform at {listen}")))),
        Err(_) => Err(unavailable(anyhow!("no answer from the platform at {listen} within {TIMEOUT:?}"))),
    }
}

async fn request(listen: SocketAddr, path: &str) -> anyhow::Result<Bytes> {
    let address = reachable(listen);
    let stream = TcpStream::connect(address).await.context("is it running?")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
    let body = body.map_err(|error| anyhow!("the response cannot be read: {error}"))?.to_bytes();
    connection.abort();
    if status != StatusCode::OK {
        return Err(anyhow!("it answered {status}: {}", String::from_utf8_lossy(&body).trim_end()));
    }
    Ok(body)
}

/// An address to connect to: a listener on every address is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// How long the platform may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a response.
const MAX_RESPONSE: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9575"), "127.0.0.1:9575");
        assert_eq!(reached("[::]:9575"), "[::1]:9575");
        assert_eq!(reached("10.0.0.5:1"), "10.0.0.5:1");
    }
}
