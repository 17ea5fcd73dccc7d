//! StapleRefresher for every certificate of the chain, under a TLS library that knows it for one. `// A10`
//!
//! rustls staples by RFC 6066: one OCSP response, that of the end entity. The specification wants one for
//! each certificate: by RFC 6961 in TLS 1.2 (extension 17, `ocsp_multi`), and in the entry of each
//! certificate in TLS 1.3 (RFC 8446 section 4.4.2.1). What rustls says and what it should say differ in a few
//! bytes of two messages, and in no length. So rustls is given all responses where it takes one, and whatever
//! it makes of them is put right where it leaves rustls: on the wire ([`RewritingStream`]; in TLS 1.3 the
//! record protection), in the transcript hash, and in the messages whose signature by the client is verified.
//!
//! `docs/stapling.md` has the bytes, the argument why this is safe, and what proves it.
//!
//! [`accept`] reads the ClientHello, decides what there is to do, and leaves the handshake to rustls. A client that asks
//! for no status gets a handshake of which no byte is touched.

mod flight;
mod hello;
mod hello_reader;
mod messages;
mod records;
mod rewriter;
mod stream;
#[cfg(test)]
mod tests;
mod transcript;
mod wire;

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use rustls::{InvalidMessage, PeerIncompatible, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(super) use flight::FlightProtection;
pub use hello::{ClientHello, HelloError, StatusRequest, StatusRequestItem, Version};
use hello_reader::ReceivedHello;
use records::RecordTracker;
use rewriter::{HelloPatch, REWRITER, Rewriter};
pub use stream::RewritingStream;
pub(super) use transcript::TranscriptHash;

use super::identity::ChainStaples;

/// Does the handshake of a server. `config` has to use our [`provider`](super::provider::provider), which has
/// suites of those versions only that `config` speaks, and
/// [`PlatformCertificates`](super::certificate_selection::PlatformCertificates).
///
/// # Errors
/// When the handshake fails, after the alert has been written; with the connection.
pub async fn accept<IO>(
    config: Arc<ServerConfig>,
    mut io: IO,
) -> Result<TlsStream<RewritingStream<IO>>, (io::Error, IO)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (mut received, message) = match ReceivedHello::read(&mut io).await {
        Ok(received) => received,
        Err(error) => return Err((error, io)),
    };
    let splice = match message.map(|message| understand(&config, &message)) {
        Some(Ok(splice)) => splice,
        Some(Err((unacceptable, version))) => {
            // That it cannot be written changes nothing.
            let _ = io.write_all(&unacceptable.alert(version)).await;
            return Err((io::Error::new(io::ErrorKind::InvalidData, unacceptable.error()), io));
        }
        None => Rewriter::default(),
    };
    if let Some(replacement) = splice.in_the_hello() {
        RecordTracker::default().replace(&mut received.bytes, &[replacement]);
    }
    let stream = RewritingStream::new(io, received.bytes, splice.anything() && splice.in_the_clear());
    let handshake = async { TlsAcceptor::from(config).accept(stream).into_fallible().await };
    REWRITER
        .scope(RefCell::new(splice), Box::pin(handshake))
        .await
        .map_err(|(error, stream)| (error, stream.into_inner()))
}

/// What there is to do for this ClientHello. One that cannot be read is for rustls to refuse.
fn understand(config: &ServerConfig, message: &[u8]) -> Result<Rewriter, (HelloError, u16)> {
    let Some(hello) = ClientHello::read(message) else { return Ok(Rewriter::default()) };
    let suites = &config.crypto_provider().cipher_suites;
    let tls13 = suites.iter().any(|suite| suite.tls13().is_some());
    let tls12 = suites.iter().any(|suite| suite.tls13().is_none());
    let asked = hello.asked(tls12, tls13).map_err(|unacceptable| (unacceptable, hello.legacy_version()))?;
    let exchanged = if asked.items.is_empty() { None } else { HelloPatch::in_place_of_v2(&hello, message) };
    Ok(Rewriter::new(asked, exchanged))
}

/// The response that rustls is to get for this chain, in the handshake of this task. Outside of [`accept`]
/// that is the end entity's, which rustls can handle alone.
///
/// `certificates` is the length of that chain as it is sent.
pub(super) fn response_for_rustls(certificates: usize, staples: &ChainStaples) -> Option<Vec<u8>> {
    REWRITER
        .try_with(|splice| splice.borrow_mut().answer(certificates, staples))
        .unwrap_or_else(|_| staples.leaf().map(|leaf| leaf.to_vec()))
}

/// The messages of a TLS 1.2 handshake as the client has seen them, which its CertificateVerify signs (RFC
/// 5246 section 7.4.8).
pub(super) fn as_seen_by_client(messages: &[u8]) -> Cow<'_, [u8]> {
    REWRITER
        .try_with(|splice| {
            let splice = splice.borrow();
            splice.anything().then(|| splice.seen(messages))
        })
        .ok()
        .flatten()
        .map_or(Cow::Borrowed(messages), Cow::Owned)
}

impl HelloError {
    /// The alert, in a record of a version that the client knows (RFC 5246 section 7.2 and appendix E.1).
    fn alert(self, legacy_version: u16) -> [u8; 7] {
        let [major, minor] = legacy_version.clamp(0x0300, 0x0303).to_be_bytes();
        let description = match self {
            Self::Malformed => 50,
            Self::TooOld => 70,
        };
        [21, major, minor, 0, 2, 2, description]
    }

    /// What rustls says in the same case.
    fn error(self) -> rustls::Error {
        match self {
            Self::Malformed => InvalidMessage::TrailingData("CertificateStatusRequestListV2").into(),
            Self::TooOld => PeerIncompatible::ServerDoesNotSupportTls12Or13.into(),
        }
    }
}
