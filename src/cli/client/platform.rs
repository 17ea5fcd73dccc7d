//! The platform that a client connects to, and how it proves who it is.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Exit, Failure};
use crate::config::{Credential, Overrides, Revocation, TlsVersion};
use crate::model::Clock;
use crate::revocation::Engine;
use crate::tls::{Connector, ConnectorSettings, StatusCheck};

/// Options that name the platform and the certificate.
#[derive(Debug, Args)]
pub(super) struct Platform {
    /// The platform: HOST:PORT, or HOST for port 2575
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// The device's certificate followed by its issuing CA (PEM)
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The device's private key: a PEM file, a pkcs11: URI, or credential:NAME of systemd
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A file with the passphrase of an encrypted key, or credential:NAME of systemd
    #[arg(long, value_name = "FILE")]
    passphrase: Option<PathBuf>,
    /// A root certificate to trust (PEM); may be given several times, for an ECC and an RSA root
    #[arg(long, value_name = "FILE", required = true)]
    trust: Vec<PathBuf>,
    /// Offer only this cipher suite, by its IANA name (TLS_DHE_RSA_WITH_AES_256_GCM_SHA384)
    #[arg(long, value_name = "SUITE")]
    suite: Option<String>,
    /// Whether the platform has to staple the OCSP status of each of its certificates; one that is revoked,
    /// stale, unknown or wrongly signed is refused in any case
    #[arg(long, value_enum, default_value_t = Staples::Require, value_name = "WHAT")]
    staples: Staples,
    /// A CRL, which may revoke what the platform staples as good (PEM or DER); may be given several times
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
}

/// What a missing status means.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Staples {
    /// Refuse the platform
    Require,
    /// Warn, and go on
    Accept,
}

impl Platform {
    /// Host and port.
    pub(super) fn address(&self) -> Result<(&str, u16), Failure> {
        destination(&self.to)
    }

    /// The TLS side of the client.
    pub(super) fn connector(&self, clock: &Clock) -> Result<Connector, Failure> {
        let credential = Credential {
            chain: self.chain.clone(),
            key: self.key.clone().into(),
            passphrase: self.passphrase.clone(),
        };
        let credential = credential
            .of_command_line(&Overrides::from_environment())
            .map_err(|problem| Failure::new(Exit::Usage, anyhow::anyhow!(problem)))?;
        let settings = ConnectorSettings {
            credential,
            trust_anchors: self.trust.clone(),
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            suite: self.suite.clone(),
            status: Some(self.status(clock)?),
        };
        Ok(Connector::build(&settings, clock)?)
    }

    fn status(&self, clock: &Clock) -> Result<StatusCheck, Failure> {
        let rules = Revocation { installed_crls: self.crl.clone(), ..Revocation::default() };
        let engine = Engine::for_client(&rules, clock.clone())?;
        let missing = match self.staples {
            Staples::Require => crate::tls::Staples::Require,
            Staples::Accept => {
                show_warnings();
                crate::tls::Staples::Accept
            }
        };
        Ok(StatusCheck { engine, missing })
    }
}

/// Shows on stderr what is accepted although it is wrong: a client has no log.
fn show_warnings() {
    let shown = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false);
    // Within a process that has a log, it is there.
    let _ = shown.try_init();
}

/// Host and port; B12: the port is 2575 by default.
pub(in crate::cli) fn destination(to: &str) -> Result<(&str, u16), Failure> {
    if let Some((host, port)) = to.rsplit_once(':')
        && (!host.contains(':') || host.starts_with('['))
    {
        let port = port.parse().map_err(|error| {
            Failure::new(Exit::Usage, anyhow::Error::new(error).context(format!("\"{port}\" is no TCP port")))
        })?;
        return Ok((host.trim_start_matches('[').trim_end_matches(']'), port));
    }
    Ok((to.trim_start_matches('[').trim_end_matches(']'), 2575))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_is_2575() {
        // B12
        assert_eq!(destination("platform.example").unwrap(), ("platform.example", 2575));
        assert_eq!(destination("10.0.0.1:12575").unwrap(), ("10.0.0.1", 12575));
        assert_eq!(destination("[::1]:2576").unwrap(), ("::1", 2576));
        assert_eq!(destination("::1").unwrap(), ("::1", 2575));
        assert!(destination("host:port").is_err());
    }
}
