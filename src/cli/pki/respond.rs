//! `pki respond`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use serde::Serialize;

use super::folder::{Folder, failure};
use super::values::OcspSignerValue;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::{BindError, Clock};
use crate::pki::{self, OcspResponder};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Address to listen on; default: that of the base URL of the certificates if it is a loopback address,
    /// otherwise 127.0.0.1:8575
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Signer of the OCSP responses
    #[arg(long, default_value = "delegate")]
    signer: OcspSignerValue,
    /// Validity of an OCSP response, in minutes
    #[arg(long, default_value_t = 60, value_name = "N")]
    minutes: u32,
}

#[derive(Serialize)]
struct Responding {
    listen: SocketAddr,
}

/// Serves until interrupted.
pub(crate) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let pki = arguments.folder.open(&clock)?;
    let listen = arguments.listen.or_else(|| pki.loopback()).unwrap_or(LISTEN);
    let lifetime = SignedDuration::from_mins(i64::from(arguments.minutes));
    let responder = OcspResponder::new(pki, arguments.signer.into(), lifetime).map_err(failure)?;
    let bound = tokio::net::TcpListener::bind(listen).await;
    let socket =
        bound.map_err(|source| Failure::new(Exit::Unavailable, BindError { address: listen, source }))?;
    let listen = socket.local_addr().context("the listening socket has no address")?;
    output.print(&Responding { listen }, |responding| {
        format!("OCSP at http://{0}/ocsp, CRLs at http://{0}/crl/NAME.crl", responding.listen)
    })?;
    tokio::select! {
        served = pki::serve(socket, Arc::new(responder)) => served.context("the listening socket failed")?,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot receive signals")?,
    }
    Ok(Exit::Done)
}

/// Where it listens when neither an option nor the certificates name an address.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8575);
