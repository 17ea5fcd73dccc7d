//! The socket of the OCSP responder of a test PKI that a command makes.

use anyhow::Context as _;
use tokio::net::TcpListener;

/// A socket for the responder, and its base URL: port 8575 if it is free, otherwise any free port.
/// Certificates name the port, so it is chosen once for each PKI.
pub(super) async fn new_socket() -> anyhow::Result<(TcpListener, String)> {
    let socket = match TcpListener::bind("127.0.0.1:8575").await {
        Ok(socket) => socket,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.context("no free port for the OCSP responder")?,
    };
    let url = format!("http://{}", socket.local_addr()?);
    Ok((socket, url))
}
