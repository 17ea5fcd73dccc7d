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

use super::hello::CLIENT_HELLO;
use super::messages::{CERTIFICATE_STATUS, SERVER_HELLO, acknowledge_v2};
use super::wire::map_messages;
pub(super) use certificate::StatusReader;
pub(super) use messages::{offer_v2, without_v2};
use messages::{status_entries, status_of_v1, status_of_v2};
pub(in crate::tls) use signing::WireKey;
pub use stream::OfferingStream;

tokio::task_local! {
    /// The handshake of a client in this task. rustls calls our hooks on the polling thread.
    pub(super) static CLIENT: RefCell<ClientHandshake>;
}

/// What this layer knows of one handshake.
#[derive(Debug, Default)]
pub(super) struct ClientHandshake {
    /// Whether the ClientHello offers extension 17.
    offers_v2: bool,
    /// Whether the server has acknowledged extension 17.
    acknowledged: bool,
    /// Whether its CertificateStatus is a list.
    listed: bool,
    /// Whether the decrypter of the server's flight has been made (TLS 1.3).
    decrypter_made: bool,
    /// The responses in the entries of Certificate (TLS 1.3).
    entries: Option<Vec<Vec<u8>>>,
}

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
    let handshake = ClientHandshake { offers_v2, ..ClientHandshake::default() };
    let connecting = TlsConnector::from(config).connect(name, OfferingStream::new(io));
    let mut stream = CLIENT.scope(RefCell::new(handshake), Box::pin(connecting)).await?;
    stream.get_mut().0.end_handshake();
    Ok(stream)
}

/// The responses that the server has stapled, in the order of its certificates; an empty one where there is
/// none. `given` is the one that rustls hands over. Outside of [`connect`] that is all there is.
pub(in crate::tls) fn staples(given: &[u8]) -> Vec<Vec<u8>> {
    let all = CLIENT.try_with(|client| {
        let mut client = client.borrow_mut();
        let listed = client.listed.then(|| status_entries(given).unwrap_or_default());
        client.entries.take().or(listed)
    });
    all.ok().flatten().unwrap_or_else(|| vec![given.to_vec()])
}

impl ClientHandshake {
    /// A message of the client, or a message of the server as rustls has seen it, as it is on the wire.
    /// `None` if it is the same.
    fn on_wire(&self, message: &[u8]) -> Option<Vec<u8>> {
        match message.first().copied()? {
            CLIENT_HELLO if self.offers_v2 => offer_v2(message),
            SERVER_HELLO if self.acknowledged => acknowledge_v2(message),
            CERTIFICATE_STATUS if self.listed => status_of_v2(message),
            _ => None,
        }
    }

    /// A message of the server as rustls accepts it; `None` if it stays as it is.
    fn for_rustls(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        match message.first().copied()? {
            SERVER_HELLO if self.offers_v2 => {
                let changed = without_v2(message)?;
                self.acknowledged = true;
                Some(changed)
            }
            CERTIFICATE_STATUS if self.acknowledged => {
                let changed = status_of_v1(message)?;
                self.listed = true;
                Some(changed)
            }
            _ => None,
        }
    }

    /// Concatenated messages as they are on the wire.
    pub(super) fn all_on_wire(&self, messages: &[u8]) -> Vec<u8> {
        map_messages(messages, |message| self.on_wire(message))
    }

    /// Whether the transcript may differ from what rustls knows.
    pub(super) const fn changes_messages(&self) -> bool {
        self.offers_v2
    }

    /// Whether the decrypter that is being created is that of the server's flight: the first one.
    pub(super) const fn reads_with_next_decrypter(&mut self) -> bool {
        !std::mem::replace(&mut self.decrypter_made, true)
    }
}
