//! Which address a webhook is posted to.
//!
//! The address that is connected to is the one that was checked: the name is resolved once. Loopback,
//! link-local and metadata addresses, and every other address of this machine, are refused unless
//! `notifications.allowed-hosts` lists the host.

use std::net::SocketAddr;

use super::error::WebhookError;
use crate::config::WebhookUrl;
use crate::revocation::{NamedHost, is_local_address, is_own_address};
use crate::tls::look_up;

/// The addresses of the receiver.
pub(super) async fn resolve(
    url: &WebhookUrl,
    allowed_hosts: &[String],
) -> Result<Vec<SocketAddr>, WebhookError> {
    let named = NamedHost::read(url.host());
    let is_listed = allowed_hosts.iter().any(|own| own.eq_ignore_ascii_case(url.host()));
    let addresses: Vec<SocketAddr> = match named {
        NamedHost::Malformed => return Err(WebhookError::RefusedHost),
        NamedHost::Local if !is_listed => return Err(WebhookError::RefusedHost),
        NamedHost::Address(address) => vec![SocketAddr::new(address, url.port())],
        NamedHost::Local | NamedHost::Name(_) => look_up(url).await?,
    };
    // One local address is enough: the name may mean this machine the next time as well.
    let is_here = |address: &SocketAddr| is_local_address(address.ip()) || is_own_address(address.ip());
    if !is_listed && addresses.iter().any(is_here) {
        return Err(WebhookError::RefusedHost);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_this_machine_are_its_own() {
        assert!(is_own_address([127, 0, 0, 1].into()) && !is_own_address([192, 0, 2, 1].into()));
        // The address by which other networks are reached, where there is one.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(is_own_address(socket.local_addr().unwrap().ip()));
        }
    }

    #[tokio::test]
    async fn n000_7_a_webhook_reaches_no_local_host_unless_that_is_allowed_by_name() {
        for url in [
            "https://127.0.0.1/x",
            "https://localhost/x",
            "https://0x7f.1/x",
            "https://169.254.169.254/latest",
            "https://[::ffff:127.0.0.1]/x",
            "https://metadata.google.internal/x",
            "https://0/x",
        ] {
            let parsed: WebhookUrl = url.parse().unwrap();
            assert_eq!(resolve(&parsed, &[]).await, Err(WebhookError::RefusedHost), "{url}");
        }
        let own: WebhookUrl = "https://127.0.0.1:8444/x".parse().unwrap();
        let allowed = ["127.0.0.1".to_owned()];
        assert_eq!(resolve(&own, &allowed).await, Ok(vec!["127.0.0.1:8444".parse().unwrap()]));
        let private: WebhookUrl = "https://10.0.0.7/x".parse().unwrap();
        assert_eq!(resolve(&private, &[]).await, Ok(vec!["10.0.0.7:443".parse().unwrap()]));
    }
}
