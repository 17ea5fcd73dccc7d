//! OCSP stapling for each certificate of the chain, on a TLS library with one staple per chain. `// A10`
//!
//! rustls staples by RFC 6066: one OCSP response, for the end entity. The specification requires one for each
//! certificate: by RFC 6961 in TLS 1.2 (extension 17, `ocsp_multi`), and in the entry of each certificate in
//! TLS 1.3 (RFC 8446 section 4.4.2.1). The messages of rustls differ from the required ones in a few bytes of
//! two messages, and in no length. So rustls gets all responses in place of one, and its messages are
//! rewritten where they leave rustls: on the wire ([`RewritingStream`]; in TLS 1.3 the record protection), in
//! the transcript hash, and in the messages whose signature by the client is verified.
//!
//! `docs/explanation/stapling.md` describes the bytes, why this is safe, and the tests.
//!
//! The same layer keeps the limit of a client on the size of records (`record_limit`), which rustls does
//! not know.
//!
//! [`accept`] reads the ClientHello, decides what to rewrite, and leaves the handshake to rustls. The
//! handshake of a client that requests neither a status nor a limit is not rewritten at all.

pub mod client;
mod flight;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hello;
mod hello_patch;
mod hello_reader;
mod messages;
mod offer;
mod record_limit;
mod records;
mod reframer;
mod rewriter;
mod stream;
#[cfg(test)]
mod tests;
mod transcript;
mod wire;

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::sync::{Arc, LazyLock};

use rustls::{InvalidMessage, OtherError, PeerIncompatible, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;

pub(super) use flight::FlightProtection;
pub use hello::{ClientHello, HelloError, StatusRequest, StatusRequestItem, Version};
use hello_patch::HelloPatch;
use hello_reader::{MAX_READ, ReceivedHello};
pub use offer::hello_facts;
use record_limit::RecordLimit;
use rewriter::{REWRITER, Rewriter};
pub use stream::RewritingStream;
pub(super) use transcript::TranscriptHash;
pub(super) use wire::Reader;

use super::identity::ChainStaples;
use super::refusal::HandshakeError;
use super::server_stream::ServerStream;
use crate::model::Refusal;

/// A connection whose handshake has not begun.
#[derive(Debug)]
pub struct NewConnection<IO> {
    io: IO,
    received: ReceivedHello,
}

impl<IO: AsyncRead + Unpin> NewConnection<IO> {
    /// Reads the ClientHello, up to `MAX_READ_AHEAD` bytes of it. [`accept`] reads the rest of a longer
    /// one.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn read_hello(&mut self) -> io::Result<()> {
        self.received.read(&mut self.io, MAX_READ_AHEAD).await
    }

    /// The bytes that have been read.
    pub fn first_bytes(&self) -> &[u8] {
        &self.received.bytes
    }

    /// Whether the peer has sent no byte.
    pub const fn is_silent(&self) -> bool {
        self.received.bytes.is_empty()
    }
}

impl<IO> From<IO> for NewConnection<IO> {
    fn from(io: IO) -> Self {
        Self { io, received: ReceivedHello::default() }
    }
}

/// Performs the handshake of a server. `config` must use our [`provider`](super::provider::provider),
/// restricted to the TLS versions of `config`, and [`PlatformCertificates`](super::PlatformCertificates).
///
/// # Errors
/// When the handshake fails, after the alert has been written. The error includes the connection.
pub async fn accept<IO>(
    config: Arc<ServerConfig>,
    connection: impl Into<NewConnection<IO>>,
) -> Result<ServerStream<RewritingStream<IO>>, (io::Error, IO)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let NewConnection { mut io, mut received } = connection.into();
    if let Err(error) = read_all(&mut received, &mut io).await {
        return Err((error, io));
    }
    let planned = if received.is_too_long() {
        Some(Err((HelloError::TooLong, MAX_LEGACY_VERSION)))
    } else {
        received.take_message().map(|message| plan_rewriting(&config, &message))
    };
    let mut rewriter = match planned {
        Some(Ok(rewriter)) => rewriter,
        Some(Err((unacceptable, version))) => {
            // A failed write of the alert does not change the result.
            let _ = io.write_all(&unacceptable.alert(version)).await;
            return Err((io::Error::new(io::ErrorKind::InvalidData, unacceptable.error()), io));
        }
        None => Rewriter::default(),
    };
    rewriter.patch_hello(&mut received.bytes);
    let config = match rewriter.record_limit() {
        Some(limit) => limit.apply(&config),
        None => config,
    };
    let is_changed = rewriter.may_rewrite() && rewriter.is_flight_plaintext();
    let stream = RewritingStream::new(io, received.bytes, is_changed)
        .with_limit(rewriter.record_limit())
        .with_allowance(Arc::clone(&LARGE_HANDSHAKES));
    let handshake = ServerStream::accept(config, stream);
    REWRITER
        .scope(RefCell::new(rewriter), Box::pin(handshake))
        .await
        .map(|mut stream| {
            stream.io_mut().end_handshake();
            stream
        })
        .map_err(|(error, stream)| (error, stream.into_inner()))
}

/// Reads the whole ClientHello. A long one waits until few others are being read: a peer may take its time
/// over the rest, and thousands of peers could fill the memory.
async fn read_all<IO: AsyncRead + Unpin>(received: &mut ReceivedHello, io: &mut IO) -> io::Result<()> {
    received.read(io, MAX_READ_AHEAD).await?;
    if received.is_incomplete() {
        let _permit = LONG_HELLOS.acquire().await.map_err(io::Error::other)?;
        received.read(io, MAX_READ).await?;
    }
    Ok(())
}

/// The rewriter for this ClientHello. rustls refuses a ClientHello that cannot be parsed.
fn plan_rewriting(config: &ServerConfig, message: &[u8]) -> Result<Rewriter, (HelloError, u16)> {
    let Some(hello) = ClientHello::read(message) else { return Ok(Rewriter::default()) };
    let suites = &config.crypto_provider().cipher_suites;
    let tls13 = suites.iter().any(|suite| suite.tls13().is_some());
    let tls12 = suites.iter().any(|suite| suite.tls13().is_none());
    let request =
        hello.status_request(tls12, tls13).map_err(|unacceptable| (unacceptable, hello.legacy_version()))?;
    let limit = RecordLimit::from_hello(&hello, request.version)
        .map_err(|unacceptable| (unacceptable, hello.legacy_version()))?;
    let mapping = config.crypto_provider().signature_verification_algorithms.mapping;
    let schemes: Vec<_> = mapping.iter().map(|(scheme, _)| *scheme).collect();
    let is_known = |session: &[u8]| config.session_storage.get(session).is_some();
    let patch = HelloPatch::new(&hello, message, &request, &schemes, is_known);
    Ok(Rewriter::new(request, patch).with_limit(limit))
}

/// The OCSP response to hand to rustls for this chain, in the handshake of this task. Outside of [`accept`]
/// it is the response for the end entity, which rustls staples without help.
///
/// `certificates` is the length of the chain as it is sent.
pub(super) fn response_for_rustls(certificates: usize, staples: &ChainStaples) -> Option<Vec<u8>> {
    REWRITER
        .try_with(|rewriter| rewriter.borrow_mut().response_for_rustls(certificates, staples))
        .unwrap_or_else(|_| staples.leaf().map(|leaf| leaf.to_vec()))
}

/// Whether the handshake of this task is one of TLS 1.2. False outside of [`accept`].
pub(super) fn is_tls12_handshake() -> bool {
    REWRITER.try_with(|rewriter| rewriter.borrow().is_flight_plaintext()).unwrap_or(false)
}

/// The messages of a TLS 1.2 handshake as the client has seen them. Its CertificateVerify signs these
/// (RFC 5246 section 7.4.8).
pub(super) fn as_seen_by_client(messages: &[u8]) -> Cow<'_, [u8]> {
    REWRITER
        .try_with(|rewriter| {
            let rewriter = rewriter.borrow();
            rewriter.may_rewrite().then(|| rewriter.as_seen_by_client(messages))
        })
        .ok()
        .flatten()
        .map_or(Cow::Borrowed(messages), Cow::Owned)
}

impl HelloError {
    /// The alert, in a record of a version that the client supports (RFC 5246 section 7.2 and appendix E.1).
    fn alert(self, legacy_version: u16) -> [u8; 7] {
        let [major, minor] = legacy_version.clamp(0x0300, MAX_LEGACY_VERSION).to_be_bytes();
        let description = match self {
            Self::Renegotiation => 40,
            Self::IllegalRecordLimit => 47,
            Self::TooLong | Self::Malformed | Self::MalformedRecordLimit => 50,
            Self::TooOld => 70,
            Self::InappropriateFallback => 86,
        };
        [21, major, minor, 0, 2, 2, description]
    }

    /// The error that rustls returns in the same case.
    fn error(self) -> rustls::Error {
        match self {
            Self::TooLong => InvalidMessage::HandshakePayloadTooLarge.into(),
            Self::Malformed => InvalidMessage::TrailingData("CertificateStatusRequestListV2").into(),
            Self::MalformedRecordLimit | Self::IllegalRecordLimit => {
                InvalidMessage::TrailingData("RecordSizeLimit").into()
            }
            Self::TooOld => PeerIncompatible::ServerDoesNotSupportTls12Or13.into(),
            // rustls has no error for these.
            Self::InappropriateFallback => own_error(Refusal::InappropriateFallback),
            Self::Renegotiation => own_error(Refusal::ProtocolViolation),
        }
    }
}

fn own_error(refusal: Refusal) -> rustls::Error {
    rustls::Error::Other(OtherError(Arc::new(HandshakeError::new(refusal))))
}

/// The version in the records of TLS 1.2 and 1.3.
const MAX_LEGACY_VERSION: u16 = 0x0303;
/// Bytes that are read from a connection before it takes a handshake turn. Larger than the ClientHello of
/// every known client, and small enough for thousands of connections at once.
const MAX_READ_AHEAD: usize = 4 * 1024;

/// Handshakes that may read more than the chain of a device after the ClientHello at once. Each takes up to
/// 64 KiB for a message.
static LARGE_HANDSHAKES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(64)));

/// Connections that may read a ClientHello beyond `MAX_READ_AHEAD` at once. Each takes up to 256 KiB.
static LONG_HELLOS: Semaphore = Semaphore::const_new(MAX_LONG_HELLOS);
const MAX_LONG_HELLOS: usize = 64;
