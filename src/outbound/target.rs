//! Which address a webhook is posted to.
//!
//! The address that is connected to is the one that was checked: the name is resolved once. Loopback,
//! link-local and metadata addresses are refused unless `notifications.allowed-hosts` lists the host.

use std::net::SocketAddr;

use super::error::WebhookError;
use crate::config::WebhookUrl;
use crate::revocation::{NamedHost, is_local_address};
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
    if !is_listed && addresses.iter().any(|address| is_local_address(address.ip())) {
        return Err(WebhookError::RefusedHost);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

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
