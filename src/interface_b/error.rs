//! Why a client could not connect, or got no acknowledgement.

use std::io;
use std::time::Duration;

use super::Answer;
use crate::mllp::FrameError;
use crate::tls::{ConnectError, ReceivedAlert};

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
    /// The TLS handshake failed, or one side refused the other.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The message cannot be parsed.
    #[error("the message cannot be read as HL7 v2: {0}")]
    Message(#[from] crate::hl7::Unreadable),
    /// The connection was lost, or the message to send cannot be framed.
    #[error(transparent)]
    Frame(FrameError),
    /// The platform ended the connection with a TLS alert. In TLS 1.3 a refusal of the client arrives like
    /// this, at the first read.
    #[error("the platform refused the connection: {0}")]
    Refused(ReceivedAlert),
    /// The connection ended without close_notify: a cable, a firewall or a killed process; or a platform that
    /// has not taken everything that was sent.
    #[error("the connection was cut")]
    Cut,
    /// The connection was reset: what was under way on it is discarded.
    #[error("the connection was reset")]
    Reset,
    /// The platform closed the connection before it acknowledged the message.
    #[error("the platform closed the connection before it acknowledged the message")]
    Closed,
    /// The platform sent something that is neither a message nor an acknowledgement.
    #[error("the response of the platform is no acknowledgement")]
    NoAcknowledgement,
    /// A frame of the platform was cut off, or is UTF-16; what follows can be read.
    #[error("a frame of the platform cannot be read")]
    Broken,
    /// The timeout expired.
    #[error("the platform did not respond within {0:?}")]
    Timeout(Duration),
    /// The platform acknowledged the message, and an acknowledgement that the message requests did not come.
    /// The message has arrived: sending it again would repeat it.
    #[error(
        "the platform answered {}, and the {missing} that the message requests did not come: {cause}",
        codes(.answers)
    )]
    Incomplete {
        /// What came, in this order.
        answers: Vec<Answer>,
        /// The acknowledgement that is missing.
        missing: &'static str,
        /// Why the client waits no longer.
        cause: Box<Self>,
    },
}

fn codes(answers: &[Answer]) -> String {
    answers.iter().map(|answer| answer.code.as_str()).collect::<Vec<_>>().join(", ")
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        let FrameError::Io(io) = &error else { return Self::Frame(error) };
        if let Some(alert) = ReceivedAlert::of(io) {
            return Self::Refused(alert);
        }
        match io.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Reset,
            _ => Self::Frame(error),
        }
    }
}
