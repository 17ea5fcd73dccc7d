//! `pcd-platform pki`: keys, requests, certificates and CRLs; one file per command.

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

/// Create, request, sign, revoke and inspect certificates.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a test PKI: ECC and RSA roots, issuing CAs for devices and for platforms, and their first CRLs
    Init(init::Arguments),
    /// Generate a key and issue its certificate from the test PKI
    Issue(issue::Arguments),
    /// Sign a certificate request with the test PKI
    Sign(sign::Arguments),
    /// Generate a key and a certificate request for another CA; the key stays here
    Request(request::Arguments),
    /// Show the content of certificates, CRLs, certificate requests and OCSP responses
    Inspect(inspect::Arguments),
    /// Revoke a certificate of the test PKI and publish new CRLs
    Revoke(revoke::Arguments),
    /// Publish new CRLs of the test PKI
    Crl(crl::Arguments),
    /// Serve OCSP and the CRLs of the test PKI over HTTP
    Respond(respond::Arguments),
}

/// Runs one command of `pcd-platform pki`.
///
/// # Errors
/// With `Exit::Usage` for an argument that can never work, with `Exit::Failed` for other failures.
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
