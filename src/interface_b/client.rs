//! Connects to a platform, sends messages and reads the acknowledgements.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::tz::TimeZone;
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use crate::hl7::{
    AcknowledgeAs, Acknowledgement, AcknowledgementCode, AcknowledgementRequest, Field, Message, Outcome,
    Rejection, Sender,
};
use crate::mllp::{Codec, FrameError, Received};
use crate::model::{Clock, MessageId};
use crate::tls::{ConnectError, Connector, SecuredStream};

/// A connection to a platform.
#[derive(Debug)]
pub struct Client {
    frames: Framed<SecuredStream, Codec>,
    timeout: Duration,
}

/// An acknowledgement of the platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// MSA-2: the MSH-10 of the acknowledged message.
    pub control_id: String,
    /// ERR-5.1: the platform's code of the reason, if there is one.
    pub reason: Option<String>,
    /// The acknowledgement, byte for byte.
    pub raw: Bytes,
}

/// Why the client could not connect or got no acknowledgement.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TCP connection failed.
    #[error("cannot connect to {to}")]
    Tcp {
        /// Host and port.
        to: String,
        /// The cause.
        source: io::Error,
    },
    /// The TLS handshake failed, or the platform refused the client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The message cannot be parsed.
    #[error("the message cannot be read as HL7 v2: {0}")]
    Message(#[from] crate::hl7::Unreadable),
    /// The connection was lost, or the platform closed it with a TLS alert.
    #[error("the connection failed")]
    Frame(#[from] FrameError),
    /// The platform closed the connection before it acknowledged the message.
    #[error("the platform closed the connection before it acknowledged the message")]
    Closed,
    /// The platform sent no acknowledgement where one was expected.
    #[error("the response of the platform is no acknowledgement")]
    NoAcknowledgement,
    /// The timeout expired.
    #[error("the platform did not respond within {0:?}")]
    Timeout(Duration),
}

impl Client {
    /// Connects to `host`:`port` (B12). `timeout` limits the connection attempt and each wait for an
    /// acknowledgement.
    ///
    /// # Errors
    /// When the connection or the handshake fails, or `timeout` expires.
    pub async fn connect(
        connector: &Connector,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let connecting = async {
            let tcp = TcpStream::connect((host, port))
                .await
                .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
                .map_err(|source| ClientError::Tcp { to: format!("{host}:{port}"), source })?;
            Ok::<_, ClientError>(connector.connect(host, tcp).await?)
        };
        let stream =
            tokio::time::timeout(timeout, connecting).await.map_err(|_| ClientError::Timeout(timeout))??;
        Ok(Self { frames: Framed::new(stream, Codec::new(MAX_FRAME_BYTES)), timeout })
    }

    /// Sends one message and waits for every acknowledgement that it requests (MSH-15, MSH-16).
    ///
    /// # Errors
    /// When the message cannot be sent, or an acknowledgement is missing.
    pub async fn send(&mut self, message: Bytes) -> Result<Vec<Answer>, ClientError> {
        let requested = requested_acknowledgements(&message)?;
        self.frames.send(message).await?;
        let mut answers = Vec::with_capacity(requested);
        while answers.len() < requested {
            let answer = self.answer().await?;
            let negative = !answer.code.is_positive();
            answers.push(answer);
            // A rejected message is not processed, so no second acknowledgement follows (HL7 2.6 ch. 2,
            // 2.9.3.1).
            if negative {
                break;
            }
        }
        Ok(answers)
    }

    /// Closes the connection with close_notify.
    ///
    /// # Errors
    /// When the connection was lost.
    pub async fn close(mut self) -> Result<(), ClientError> {
        Ok(self.frames.close().await?)
    }

    /// Reads the next acknowledgement. The platform may send orders on the same connection; this client
    /// cannot carry them out and refuses them, so that their senders know.
    async fn answer(&mut self) -> Result<Answer, ClientError> {
        let timeout = self.timeout;
        let answering = async {
            loop {
                let Received::Frame(frame) = self.frames.next().await.ok_or(ClientError::Closed)?? else {
                    return Err(ClientError::NoAcknowledgement);
                };
                let message = Message::parse(&frame.payload)?;
                if message.acknowledgement().is_some() {
                    return Answer::read(frame.payload);
                }
                for refusal in refusals(&message) {
                    self.frames.send(refusal).await?;
                }
            }
        };
        tokio::time::timeout(timeout, answering).await.map_err(|_| ClientError::Timeout(timeout))?
    }
}

/// The acknowledgements that an order requests when it is refused.
fn refusals(message: &Message<'_>) -> Vec<Bytes> {
    let header = message.header();
    let text = |field: Field<'_>| String::from_utf8_lossy(field.raw()).into_owned();
    let sender = Sender {
        application: text(header.receiving_application()),
        facility: text(header.receiving_facility()),
    };
    let now = Clock::system().now();
    let request = AcknowledgementRequest::from_header(&header, AcknowledgeAs::AsAsked);
    let refusal = |code| {
        let acknowledgement = Acknowledgement {
            sender: &sender,
            control_id: &MessageId::at(now).to_string(),
            at: &now.to_zoned_datetime(TimeZone::UTC),
            code,
            rejection: Some(&Rejection::UnsupportedType),
            diagnostic: None,
        };
        acknowledgement.render(Some((&header, message.separators()))).into()
    };
    request.answers(Outcome::Rejected).iter().map(refusal).collect()
}

/// The number of acknowledgements that the message requests if it is accepted.
fn requested_acknowledgements(message: &[u8]) -> Result<usize, ClientError> {
    let message = Message::parse(message)?;
    // An acknowledgement is never acknowledged.
    if message.acknowledgement().is_some() {
        return Ok(0);
    }
    let request = AcknowledgementRequest::from_header(&message.header(), AcknowledgeAs::AsAsked);
    Ok(request.answers(Outcome::Accepted).iter().count())
}

impl Answer {
    fn read(raw: Bytes) -> Result<Self, ClientError> {
        let message = Message::parse(&raw)?;
        let acknowledgement = message.acknowledgement().ok_or(ClientError::NoAcknowledgement)?;
        let code = acknowledgement.code.ok_or(ClientError::NoAcknowledgement)?;
        let control_id = String::from_utf8_lossy(acknowledgement.control_id).into_owned();
        let reason = message
            .segment(b"ERR")
            .map(|err| String::from_utf8_lossy(err.field(5).component(1).trimmed()).into_owned());
        Ok(Self { code, control_id, reason, raw })
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Longer acknowledgements are an error.
const MAX_FRAME_BYTES: usize = 2 << 20;
