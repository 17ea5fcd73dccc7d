//! `pcd-platform pki`: keys, requests, certificates and CRLs, one file per action.

mod crl;
mod folder;
mod init;
mod inspect;
mod issue;
mod request;
mod respond;
mod revoke;
mod sign;
mod values;

use super::{Outcome, Output};
use crate::model::Clock;

/// Make, ask for, sign, revoke and look at certificates.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a test PKI: ECC and RSA roots, issuing CAs for devices and for platforms, their first CRLs
    Init(init::Arguments),
    /// Make a key and a certificate of the test PKI
    Issue(issue::Arguments),
    /// Sign somebody else's certificate request with the test PKI
    Sign(sign::Arguments),
    /// Make a key and a certificate request for another CA; the key never leaves
    Request(request::Arguments),
    /// Say in words what certificates, CRLs and certificate requests hold
    Inspect(inspect::Arguments),
    /// Revoke a certificate of the test PKI and publish new CRLs
    Revoke(revoke::Arguments),
    /// Publish new CRLs of the test PKI
    Crl(crl::Arguments),
    /// Answer for the test PKI over HTTP: OCSP and CRLs
    Respond(respond::Arguments),
}

/// Runs one action of `pcd-platform pki`.
///
/// # Errors
/// With [`Exit::Usage`] when an argument can never work, with [`Exit::Failed`] when it does not work now.
pub(super) async fn run(command: Command, output: Output, clock: &Clock) -> Outcome {
    match command {
        Command::Init(arguments) => init::run(&arguments, output, clock),
        Command::Issue(arguments) => issue::run(arguments, output, clock),
        Command::Sign(arguments) => sign::run(&arguments, output, clock),
        Command::Request(arguments) => request::run(arguments, output),
        Command::Inspect(arguments) => inspect::run(&arguments, output, clock),
        Command::Revoke(arguments) => revoke::run(&arguments, output, clock),
        Command::Crl(arguments) => crl::run(&arguments, output, clock),
        Command::Respond(arguments) => respond::run(arguments, output, clock.clone()).await,
    }
}

#[cfg(test)]
mod tests;
