//! Connects to a platform, sends messages and reads what it answers.

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

/// The largest acknowledgement that is read.
const MAX_FRAME: usize = 2 << 20;

/// A connection to a platform.
#[derive(Debug)]
pub struct Client {
    frames: Framed<SecuredStream, Codec>,
    patience: Duration,
}

/// One acknowledgement of the platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// MSA-2: the MSH-10 of the message that is answered.
    pub control_id: String,
    /// ERR-5.1, the platform's own code of what is wrong, when something is.
    pub reason: Option<String>,
    /// The acknowledgement as it came.
    pub raw: Bytes,
}

/// Why a message was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nobody at that address.
    #[error("cannot connect to {to}")]
    Tcp {
        /// Host and port.
        to: String,
        /// Why.
        source: io::Error,
    },
    /// The TLS handshake failed, or the platform refused us.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The message itself cannot be sent.
    #[error("the message cannot be read as HL7 v2: {0}")]
    Message(#[from] crate::hl7::Unreadable),
    /// The connection broke, or the platform closed it with an alert.
    #[error("the connection failed")]
    Frame(#[from] FrameError),
    /// The platform closed the connection before it answered.
    #[error("the platform closed the connection before it answered")]
    Closed,
    /// What came is no acknowledgement.
    #[error("what the platform sent is no acknowledgement")]
    NoAcknowledgement,
    /// Nothing came in time.
    #[error("the platform did not answer within {0:?}")]
    Timeout(Duration),
}

impl Client {
    /// Connects to `host`:`port` (B12); `patience` bounds the connection and every later wait for an answer.
    ///
    /// # Errors
    /// When nobody is there, or the handshake fails on either side.
    pub async fn connect(
        connector: &Connector,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let connecting = async {
            let tcp = TcpStream::connect((host, port))
                .await
                .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
                .map_err(|source| ClientError::Tcp { to: format!("{host}:{port}"), source })?;
            Ok::<_, ClientError>(connector.connect(host, tcp).await?)
        };
        let stream = tokio::time::timeout(patience, connecting)
            .await
            .map_err(|_| ClientError::Timeout(patience))??;
        Ok(Self { frames: Framed::new(stream, Codec::new(MAX_FRAME)), patience })
    }

    /// Sends one message and waits for every acknowledgement that it asks for (MSH-15, MSH-16).
    ///
    /// # Errors
    /// When it cannot be sent, or is not answered.
    pub async fn send(&mut self, message: Bytes) -> Result<Vec<Answer>, ClientError> {
        let wanted = wanted(&message)?;
        self.frames.send(message).await?;
        let mut answers = Vec::with_capacity(wanted);
        while answers.len() < wanted {
            let answer = self.answer().await?;
            let negative = !answer.code.is_positive();
            answers.push(answer);
            // What was refused is not processed: nothing follows (HL7 2.6 ch. 2, 2.9.3.1).
            if negative {
                break;
            }
        }
        Ok(answers)
    }

    /// Says goodbye with close_notify.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub async fn close(mut self) -> Result<(), ClientError> {
        Ok(self.frames.close().await?)
    }

    /// The next acknowledgement. The connection has two directions: what the platform sends of itself meanwhile is refused,
    /// since nobody here could do what it says, and its sender should know that.
    async fn answer(&mut self) -> Result<Answer, ClientError> {
        let patience = self.patience;
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
        tokio::time::timeout(patience, answering).await.map_err(|_| ClientError::Timeout(patience))?
    }
}

/// The acknowledgements that the message asks for when it is refused.
fn refusals(message: &Message<'_>) -> Vec<Bytes> {
    let header = message.header();
    let text = |field: Field<'_>| String::from_utf8_lossy(field.raw()).into_owned();
    let sender = Sender {
        application: text(header.receiving_application()),
        facility: text(header.receiving_facility()),
    };
    let now = Clock::system().now();
    let request = AcknowledgementRequest::of(&header, AcknowledgeAs::AsAsked);
    let refusal = |code| {
        let acknowledgement = Acknowledgement {
            sender: &sender,
            control_id: &MessageId::at(now).to_string(),
            at: &now.to_zoned_datetime(TimeZone::UTC),
            code,
            rejection: Some(&Rejection::UnsupportedType),
        };
        acknowledgement.render(Some((&header, message.separators()))).into()
    };
    request.answers(Outcome::Rejected).iter().map(refusal).collect()
}

fn wanted(message: &[u8]) -> Result<usize, ClientError> {
    let message = Message::parse(message)?;
    let request = AcknowledgementRequest::of(&message.header(), AcknowledgeAs::AsAsked);
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
