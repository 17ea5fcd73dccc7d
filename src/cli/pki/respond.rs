//! `pki respond`.

use std::net::SocketAddr;
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
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8575", value_name = "ADDRESS")]
    listen: SocketAddr,
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
    let lifetime = SignedDuration::from_mins(i64::from(arguments.minutes));
    let responder = OcspResponder::new(pki, arguments.signer.into(), lifetime).map_err(failure)?;
    let bound = tokio::net::TcpListener::bind(arguments.listen).await;
    let socket = bound
        .map_err(|source| Failure::new(Exit::Unavailable, BindError { address: arguments.listen, source }))?;
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
