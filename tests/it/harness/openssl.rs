//! OpenSSL's command line client as a device.

use std::net::SocketAddr;
use std::process::Command;

use super::{Credential, Finished, Site, command};

/// `openssl s_client` towards a platform of this site, with or without a certificate of its own.
pub fn s_client(site: &Site, to: SocketAddr, own: Option<&Credential>, more: &[&str]) -> Command {
    let mut openssl = command("openssl", "openssl");
    openssl
        .args(["s_client", "-connect", &to.to_string(), "-quiet", "-no_ign_eof"])
        .args(["-verify_return_error", "-CAfile"])
        .arg(site.trust_bundle());
    if let Some(own) = own {
        openssl.arg("-cert").arg(&own.chain).arg("-cert_chain").arg(&own.chain).arg("-key").arg(&own.key);
    }
    openssl.args(more);
    openssl
}

/// The number of the fatal alert that `s_client` has received.
pub fn alert(output: &Finished) -> Option<u8> {
    let (_, rest) = output.stderr.split_once("SSL alert number ")?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
