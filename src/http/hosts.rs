//! Refuses requests that reach this listener under the name of another host (DNS rebinding).
//!
//! A web page of `evil.example` may let its name resolve to this machine. Its requests are then of the same
//! origin for the browser, which lets it read the responses; only `Host` says which name was meant. Health
//! and metrics are answered under every name: load balancers, orchestrators and collectors use addresses and
//! names of their own, and those responses hold neither devices nor messages.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::AdminState;
use super::person::Arrival;
use super::problem::Problem;

/// Refuses a request whose host is not one of this listener: 421 Misdirected Request (RFC 9110 15.5.20).
pub(super) async fn require(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    // A browser reaches the socket through a forwarded port of this or another machine (ssh -L).
    let local = request.extensions().get::<Arrival>().and_then(Arrival::local_address);
    let config = state.config.load();
    if OPEN_PATHS.contains(&request.uri().path())
        || is_ours(request.uri(), request.headers(), local, &config.admin.allowed_hosts)
    {
        return next.run(request).await;
    }
    state.metrics.housekeeping.admin_refusals_total.with_label_values(&["host"]).inc();
    Problem::host().into_response()
}

/// Whether every host that the request names is one of the listener. Browsers always name one.
fn is_ours(uri: &Uri, headers: &HeaderMap, local: Option<IpAddr>, allowed: &[String]) -> bool {
    let mut named = uri.authority().map(|authority| authority.as_str().to_owned()).into_iter().chain(
        // Bytes that are no text are no name of ours.
        headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or("?").to_owned()),
    );
    let Some(first) = named.next() else { return false };
    std::iter::once(first).chain(named).all(|host| is_allowed(&host.to_ascii_lowercase(), local, allowed))
}

fn is_allowed(host: &str, local: Option<IpAddr>, allowed: &[String]) -> bool {
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    name == "localhost"
        || address.is_some_and(|address| address.to_canonical().is_loopback() || Some(address) == local)
        || allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Answered under every host.
const OPEN_PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_known_by_loopback_its_address_and_the_listed_hosts() {
        let local = Some("10.0.0.5".parse().unwrap());
        let listed = ["ops.hospital.example".to_owned(), "gate:8080".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:9575",
            "127.0.0.1:9575",
            "127.1.2.3",
            "[::1]:9575",
            "[::1]",
            "10.0.0.5:1",
            "Ops.Hospital.Example:9575",
            "gate:8080",
        ] {
            assert!(is_allowed(&host.to_ascii_lowercase(), local, &listed), "{host}");
        }
        for host in [
            "",
            "?",
            "evil.example",
            "evil.example:9575",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:9575@evil.example",
            "10.0.0.6",
            "gate",
            "gate:81",
            "0x7f.1",
        ] {
            assert!(!is_allowed(host, local, &listed), "{host}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_has_to_be_ours() {
        let ask = |uri: &str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            is_ours(&uri.parse().unwrap(), &headers, None, &[])
        };
        assert!(ask("/api/devices", &["localhost"]));
        assert!(ask("http://localhost:9575/api/devices", &["localhost:9575"]));
        assert!(!ask("/api/devices", &[]));
        assert!(!ask("/api/devices", &["localhost", "evil.example"]));
        assert!(!ask("http://evil.example/api/devices", &["localhost"]));
    }
}
