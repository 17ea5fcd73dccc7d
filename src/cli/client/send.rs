//! `client send`.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use super::platform::Platform;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::finding::help;
use crate::interface_b::{Answer, Client, ClientError};
use crate::model::{Clock, explained};

/// Options of `client send`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    platform: Platform,
    /// How long the connection, and each acknowledgement, may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Files with one HL7 v2 message each, `-` for stdin; one that cannot be read, or holds several, is
    /// named, the others are sent, and the exit code is 1
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
    /// Whether its MSA-2 is not the MSH-10 of the message, or it came a second time: it counts for nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    of_another_message: bool,
}

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let Arguments { platform, timeout, files } = arguments;
    let (host, port) = platform.address()?;
    let connector = platform.connector(&clock)?;
    let mut client = Client::connect(&connector, host, port, Duration::from_secs(timeout))
        .await
        .map_err(|error| Failure::new(exit(&error), error))?;
    let mut refused = false;
    for file in &files {
        let name = file.display().to_string();
        let message = match read(file.clone()).await {
            Ok(message) => message,
            Err(error) => {
                // The others are sent all the same; the exit code says that one was not.
                output.warn(&format!("cannot read {name}, which is not sent: {error}"))?;
                refused = true;
                continue;
            }
        };
        // The acknowledgements of the others would count for nothing, or for the next file.
        let messages = headers(&message);
        if messages > 1 {
            let what =
                format!("{name} holds {messages} messages and is not sent: put each into a file of its own");
            output.warn(&what)?;
            refused = true;
            continue;
        }
        let sent = client.send(Bytes::from(message)).await;
        for other in client.take_others() {
            output.print(&Acknowledged::new(&name, &other, true), Acknowledged::text)?;
        }
        let answers = match sent {
            Err(ClientError::Incomplete { answers, missing, cause }) => {
                refused = true;
                report(output, &name, &answers)?;
                output.warn(&format!(
                    "{name}: it has arrived and need not be sent again, but its {missing} did not come: {}",
                    explained(&*cause)
                ))?;
                if !matches!(*cause, ClientError::Timeout(_)) {
                    return Ok(Exit::Failed);
                }
                continue;
            }
            sent => sent.map_err(|error| {
                Failure::new(exit(&error), anyhow::Error::new(error).context(name.clone()))
            })?,
        };
        refused |= answers.iter().any(|answer| !answer.code.is_positive());
        report(output, &name, &answers)?;
        if answers.is_empty() {
            output.line(&format!("{name}: sent; the message requests no acknowledgement"))?;
        }
    }
    client.close().await?;
    Ok(if refused { Exit::Failed } else { Exit::Done })
}

/// The number of messages: segments MSH.
fn headers(bytes: &[u8]) -> usize {
    let segments = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    segments.filter(|segment| segment.starts_with(b"MSH")).count()
}

async fn read(file: PathBuf) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() != "-" {
        return tokio::fs::read(file).await;
    }
    let reading = || {
        let mut message = Vec::new();
        std::io::stdin().lock().read_to_end(&mut message).map(|_| message)
    };
    tokio::task::spawn_blocking(reading).await.map_err(std::io::Error::other)?
}

fn report(output: Output, name: &str, answers: &[Answer]) -> std::io::Result<()> {
    answers
        .iter()
        .try_for_each(|answer| output.print(&Acknowledged::new(name, answer, false), Acknowledged::text))
}

const fn exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Tcp { .. } | ClientError::Timeout(_) => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

impl Acknowledged {
    fn new(file: &str, answer: &Answer, of_another_message: bool) -> Self {
        Self {
            file: file.to_owned(),
            acknowledgement: answer.code.as_str(),
            control_id: answer.control_id.clone(),
            reason: answer.reason.clone(),
            of_another_message,
        }
    }

    fn text(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let line = format!("{}: {} {}{reason}", self.file, self.acknowledgement, self.control_id);
        if self.of_another_message {
            return format!("{line}; it counts for nothing: its MSA-2 names no message that waits for it");
        }
        // The code of a rejection has a page.
        let page = self.reason.as_deref().and_then(help);
        page.map_or(line.clone(), |page| {
            format!("{line}\n  {}\n  pcd-platform help {}", page.summary().replace('\n', " "), page.code)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_file_are_counted_by_their_headers() {
        for (bytes, number) in [
            (&b"MSH|^~\\&|A\rOBX|1||MSH|2\r"[..], 1),
            (b"MSH|^~\\&|A\r\nPID|1\r\nMSH|^~\\&|B\r\n", 2),
            (b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|A\rBTS|1\rFTS|1\r", 1),
            (b"no message", 0),
        ] {
            assert_eq!(headers(bytes), number, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
