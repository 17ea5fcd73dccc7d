//! The client of a connection.

use std::net::SocketAddr;

use super::places::Tenancy;
use crate::tls::ApiCertificate;

/// A client, as its connection shows it.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its address; behind a load balancer the one that the balancer states.
    pub(super) address: SocketAddr,
    /// Its certificate.
    pub(super) certificate: Option<ApiCertificate>,
    /// The place of the connection.
    pub(super) tenancy: Tenancy,
}
