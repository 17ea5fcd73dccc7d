//! `client send`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use crate::cli::{Exit, Failure, Outcome, Output};
use crate::config::{Credential, TlsVersion};
use crate::interface_b::{Answer, Client, ClientError};
use crate::model::Clock;
use crate::tls::{Connector, ConnectorSettings};

/// Options of `client send`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The platform: HOST:PORT, or HOST for port 2575
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// The device's certificate followed by its issuing CA (PEM)
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The device's private key (PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A root certificate to trust (PEM); may be given several times, for an ECC and an RSA root
    #[arg(long, value_name = "FILE", required = true)]
    trust: Vec<PathBuf>,
    /// Offer only this cipher suite, by its IANA name (TLS_DHE_RSA_WITH_AES_256_GCM_SHA384)
    #[arg(long, value_name = "SUITE")]
    suite: Option<String>,
    /// Files with one HL7 v2 message each; one that cannot be read is named, the others are sent, and the
    /// exit code is 1
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// One acknowledgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Acknowledged {
    file: String,
    acknowledgement: &'static str,
    control_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let (host, port) = destination(&arguments.to)?;
    let settings = ConnectorSettings {
        credential: Credential { chain: arguments.chain, key: arguments.key.into(), passphrase: None },
        trust_anchors: arguments.trust,
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: arguments.suite,
    };
    let connector = Connector::build(&settings, &clock)?;
    let mut client = Client::connect(&connector, host, port, TIMEOUT)
        .await
        .map_err(|error| Failure::new(exit(&error), error))?;
    let mut refused = false;
    for file in &arguments.files {
        let name = file.display().to_string();
        let message = match tokio::fs::read(file).await {
            Ok(message) => message,
            Err(error) => {
                // The others are sent all the same; the exit code says that one was not.
                output.warn(&format!("cannot read {name}, which is not sent: {error}"))?;
                refused = true;
                continue;
            }
        };
        let answers = client
            .send(Bytes::from(message))
            .await
            .map_err(|error| Failure::new(exit(&error), anyhow::Error::new(error).context(name.clone())))?;
        for answer in &answers {
            refused |= !answer.code.is_positive();
            output.print(&Acknowledged::new(&name, answer), Acknowledged::text)?;
        }
        if answers.is_empty() {
            output.line(&format!("{name}: sent; the message requests no acknowledgement"))?;
        }
    }
    client.close().await?;
    Ok(if refused { Exit::Failed } else { Exit::Done })
}

/// Host and port; B12: the port is 2575 by default.
fn destination(to: &str) -> Result<(&str, u16), Failure> {
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

const fn exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Tcp { .. } | ClientError::Timeout(_) => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

impl Acknowledged {
    fn new(file: &str, answer: &Answer) -> Self {
        Self {
            file: file.to_owned(),
            acknowledgement: answer.code.as_str(),
            control_id: answer.control_id.clone(),
            reason: answer.reason.clone(),
        }
    }

    fn text(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{}: {} {}{reason}", self.file, self.acknowledgement, self.control_id)
    }
}

/// For the connection, and for each acknowledgement.
const TIMEOUT: Duration = Duration::from_secs(30);

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
