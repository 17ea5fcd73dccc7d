//! The client's side: the status of every certificate of a server. `// B18`
//!
//! rustls asks for one OCSP response and hands over one. In TLS 1.2 this layer adds extension 17 to the
//! ClientHello, and turns the answers of the server into those of extension 5, which rustls has offered. On
//! the wire stand the real messages, so the transcript hash and the messages that CertificateVerify signs
//! have them as well. In TLS 1.3 the responses stand in the entries of Certificate: the layer reads them from
//! the decrypted records and changes nothing.
//!
//! It is not the mirror image of the server's side: the ClientHello becomes longer, so the stream writes
//! other records. There is no resumption on this path: a resumed session shows no status, and a binder of TLS
//! 1.3 would cover the ClientHello.

mod certificate;
mod handshake;
mod messages;
mod signing;
mod stream;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) use certificate::StatusReader;
pub(super) use handshake::CLIENT;
use handshake::ClientHandshake;
#[cfg(test)]
pub(super) use messages::{offer_v2, without_v2};
pub(in crate::tls) use signing::WireKey;
pub use stream::OfferingStream;

/// Performs the handshake of a client. `config` must use our [`provider`](crate::tls::provider::provider),
/// `WireKey` for its key, and no resumption. `offers_v2`: the client offers TLS 1.2. In the handshake,
/// `staples` gives the responses to the verifier.
///
/// # Errors
/// When the handshake fails.
pub async fn connect<IO: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    offers_v2: bool,
    io: IO,
) -> io::Result<TlsStream<OfferingStream<IO>>> {
    let handshake = ClientHandshake::new(offers_v2);
    let connecting = TlsConnector::from(config).connect(name, OfferingStream::new(io));
    let mut stream = CLIENT.scope(RefCell::new(handshake), Box::pin(connecting)).await?;
    stream.get_mut().0.end_handshake();
    Ok(stream)
}

/// The responses that the server has stapled, in the order of its certificates; an empty one where there is
/// none. `given` is the one that rustls hands over. Outside of [`connect`] that is all there is.
pub(in crate::tls) fn staples(given: &[u8]) -> Vec<Vec<u8>> {
    let all = CLIENT.try_with(|client| client.borrow_mut().take_staples(given));
    all.ok().flatten().unwrap_or_else(|| vec![given.to_vec()])
}
