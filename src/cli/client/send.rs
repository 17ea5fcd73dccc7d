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
use crate::hl7::Message;
use crate::interface_b::{Answer, Client, ClientError, Requested};
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

/// A message without an acknowledgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Silence {
    file: String,
    /// Always null: no acknowledgement came.
    acknowledgement: Option<&'static str>,
    control_id: String,
    why: &'static str,
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
    /// What a platform without our codes says of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
    /// Whether its MSA-2 is not the MSH-10 of the message, or it came a second time: it counts for nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    of_another_message: bool,
}

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let Arguments { platform, timeout, files } = arguments;
    let (host, port) = platform.address()?;
    let connector = platform.connector(&clock)?;
    let client = Client::connect(&connector, host, port, Duration::from_secs(timeout))
        .await
        .map_err(|error| Failure::new(exit(&error), error))?;
    let mut sending = Sending { client, output, sent: Vec::new(), refused: false };
    for (place, file) in files.iter().enumerate() {
        let name = file.display().to_string();
        // The others are sent all the same; the exit code says that one was not.
        let message = match usable(file.clone(), &name).await {
            Ok(message) => message,
            Err(problem) => {
                sending.warn(&problem)?;
                continue;
            }
        };
        if let Err(failure) = sending.send(name, message).await {
            let left: Vec<_> = files.iter().skip(place + 1).map(|file| file.display().to_string()).collect();
            if !left.is_empty() {
                sending.warn(&format!("not sent: {}", left.join(", ")))?;
            }
            return Err(failure);
        }
    }
    sending.end().await
}

/// One connection, and what went over it.
struct Sending {
    client: Client,
    output: Output,
    sent: Vec<Sent>,
    refused: bool,
}

/// A message that was sent.
struct Sent {
    file: String,
    control_id: String,
    requested: Requested,
    is_answered: bool,
}

impl Sending {
    async fn send(&mut self, file: String, message: Bytes) -> Result<(), Failure> {
        let of_file = |error| Failure::new(exit(&error), anyhow::Error::new(error).context(file.clone()));
        let requested = Requested::of(&message).map_err(|error| of_file(error.into()))?;
        let control_id = control_id(&message);
        self.sent.push(Sent { file: file.clone(), control_id, requested, is_answered: false });
        let answered = self.client.send(message).await;
        let others = self.client.take_others();
        let answers = match answered {
            Ok(answers) => answers,
            Err(ClientError::Incomplete { answers, missing, cause }) => {
                self.report(&file, &answers)?;
                self.warn(&format!(
                    "{file}: it has arrived and need not be sent again, but its {missing} did not come: {}",
                    explained(&*cause)
                ))?;
                if !matches!(*cause, ClientError::Timeout(_)) {
                    return Err(of_file(*cause));
                }
                return self.others(&file, &others);
            }
            Err(ClientError::Timeout(_)) if requested == Requested::SuccessOnly => {
                self.mark();
                self.warn(&format!(
                    "{file}: it asks for an acknowledgement of success only (SU), and none came: it was refused, or \
                     is not stored"
                ))?;
                return self.others(&file, &others);
            }
            Err(error) => {
                self.others(&file, &others)?;
                return Err(of_file(error));
            }
        };
        self.report(&file, &answers)?;
        self.others(&file, &others)
    }

    /// What came for a message while it was waited for.
    fn report(&mut self, file: &str, answers: &[Answer]) -> Result<(), Failure> {
        for answer in answers {
            self.mark();
            self.refused |= !answer.code.is_positive();
            self.output.print(&Acknowledged::new(file, answer, false), Acknowledged::text)?;
        }
        Ok(())
    }

    fn mark(&mut self) {
        if let Some(sent) = self.sent.last_mut() {
            sent.is_answered = true;
        }
    }

    /// Acknowledgements that no message waited for: the late ones of messages that ask for errors only, and
    /// those that count for nothing. `file` was sent when they came.
    fn others(&mut self, file: &str, answers: &[Answer]) -> Result<(), Failure> {
        for answer in answers {
            let silent = self.sent.iter_mut().find(|sent| !sent.is_answered && sent.is_of(answer));
            if let Some(sent) = silent {
                sent.is_answered = true;
                self.refused |= !answer.code.is_positive();
                self.output.print(&Acknowledged::new(&sent.file, answer, false), Acknowledged::text)?;
            } else {
                self.output.print(&Acknowledged::new(file, answer, true), Acknowledged::text)?;
            }
        }
        Ok(())
    }

    fn warn(&mut self, problem: &str) -> Result<(), Failure> {
        self.refused = true;
        Ok(self.output.warn(problem)?)
    }

    /// Closes the connection. What a platform says of messages that ask for errors only, or for nothing, has
    /// come when it has closed its side.
    async fn end(mut self) -> Outcome {
        if self.sent.iter().all(|sent| sent.is_answered) {
            self.client.close().await?;
            return Ok(if self.refused { Exit::Failed } else { Exit::Done });
        }
        let ended = self.client.drain().await;
        let last = self.client.take_others();
        let file = self.sent.last().map(|sent| sent.file.clone()).unwrap_or_default();
        self.others(&file, &last)?;
        let silent: Vec<_> = self.sent.iter().filter(|sent| !sent.is_answered).map(Sent::silence).collect();
        for silence in &silent {
            self.output.print(silence, Silence::text)?;
        }
        if let Err(error) = ended
            && !silent.is_empty()
        {
            let what = format!("whether they have arrived is not known: {}", explained(&error));
            self.warn(&what)?;
        }
        Ok(if self.refused { Exit::Failed } else { Exit::Done })
    }
}

impl Sent {
    fn is_of(&self, answer: &Answer) -> bool {
        answer.control_id == self.control_id
    }

    /// Why there is no acknowledgement.
    fn silence(&self) -> Silence {
        let why = match self.requested {
            Requested::ErrorsOnly => "it asks for an acknowledgement of errors only, and none came",
            _ => "the message requests no acknowledgement",
        };
        Silence { file: self.file.clone(), acknowledgement: None, control_id: self.control_id.clone(), why }
    }
}

impl Silence {
    fn text(&self) -> String {
        format!("{}: sent; {}", self.file, self.why)
    }
}

/// MSH-10, as MSA-2 repeats it.
fn control_id(message: &[u8]) -> String {
    let header = Message::parse(message).map(|message| message.header().repeated_control_id());
    String::from_utf8_lossy(&header.unwrap_or_default()).into_owned()
}

/// The one message of a file, or why it is not sent.
async fn usable(file: PathBuf, name: &str) -> Result<Bytes, String> {
    let message =
        read(file).await.map_err(|error| format!("cannot read {name}, which is not sent: {error}"))?;
    if message.first() == Some(&START_BLOCK) {
        return Err(format!(
            "{name} is not sent: it has the frame of MLLP around its message (0x0B before it, 0x1C 0x0D behind it); \
             remove that"
        ));
    }
    // The acknowledgements of the others would count for nothing, or for the next file.
    let messages = headers(&message);
    if messages > 1 {
        return Err(format!(
            "{name} holds {messages} messages and is not sent: put each into a file of its own"
        ));
    }
    if let Err(error) = Message::parse(&message) {
        return Err(format!("{name} is not sent: it is no HL7 v2 message: {error}"));
    }
    Ok(message.into())
}

/// Before a message in a frame of MLLP.
const START_BLOCK: u8 = 0x0B;

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

const fn exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Tcp { .. } | ClientError::Timeout(_) => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

impl Acknowledged {
    fn new(file: &str, answer: &Answer, of_another_message: bool) -> Self {
        let is_unexplained = !answer.code.is_positive() && answer.reason.is_none();
        let explanation = is_unexplained.then(|| answer.explanation());
        Self {
            file: file.to_owned(),
            acknowledgement: answer.code.as_str(),
            control_id: answer.control_id.clone(),
            reason: answer.reason.clone(),
            explanation: explanation.flatten(),
            of_another_message,
        }
    }

    fn text(&self) -> String {
        let reason = self.reason.as_ref().or(self.explanation.as_ref());
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
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
