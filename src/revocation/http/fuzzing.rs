//! One exchange with a server, for the fuzzers.

use std::net::SocketAddr;
use std::time::Duration;

use super::{FetchError, FetchLimits, FetchRequest, HttpClient};

/// Fetches at most `limit` bytes from a server.
///
/// # Errors
/// When there is no acceptable response.
pub async fn fetch(from: SocketAddr, limit: usize) -> Result<Vec<u8>, FetchError> {
    let limits = FetchLimits {
        connect: Duration::from_secs(10),
        total: Duration::from_secs(10),
        proxy: None,
        allowed_hosts: Vec::new(),
    };
    let request = FetchRequest { url: format!("http://{from}/"), body: None, limit, is_configured: true };
    HttpClient::new(1 << 20).fetch(request, &limits).await.map(|body| body.bytes.to_vec())
}
