//! What the client's side knows of one handshake, and the messages that it changes.

use std::cell::RefCell;

use super::messages::{offer_v2, status_entries, status_of_v1, status_of_v2, without_v2};
use crate::tls::status_request_v2::hello::CLIENT_HELLO;
use crate::tls::status_request_v2::messages::{CERTIFICATE_STATUS, SERVER_HELLO, acknowledge_v2};
use crate::tls::status_request_v2::wire::map_messages;

tokio::task_local! {
    /// The handshake of a client in this task. rustls calls our hooks on the polling thread.
    pub(in crate::tls::status_request_v2) static CLIENT: RefCell<ClientHandshake>;
}

/// What this layer knows of one handshake.
#[derive(Debug, Default)]
pub(in crate::tls::status_request_v2) struct ClientHandshake {
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

impl ClientHandshake {
    pub(super) fn new(offers_v2: bool) -> Self {
        Self { offers_v2, ..Self::default() }
    }

    /// The responses in the entries of Certificate.
    pub(super) fn note_entries(&mut self, entries: Option<Vec<Vec<u8>>>) {
        self.entries = entries;
    }

    /// The responses for all certificates, if there are more than `given`, which rustls hands over.
    pub(super) fn take_staples(&mut self, given: &[u8]) -> Option<Vec<Vec<u8>>> {
        let listed = self.listed.then(|| status_entries(given).unwrap_or_default());
        self.entries.take().or(listed)
    }

    /// A message of the client, or one of the server as rustls has seen it, as it is on the wire.
    /// `None` if it is the same.
    pub(super) fn on_wire(&self, message: &[u8]) -> Option<Vec<u8>> {
        match message.first().copied()? {
            CLIENT_HELLO if self.offers_v2 => offer_v2(message),
            SERVER_HELLO if self.acknowledged => acknowledge_v2(message),
            CERTIFICATE_STATUS if self.listed => status_of_v2(message),
            _ => None,
        }
    }

    /// A message of the server as rustls accepts it; `None` if it stays as it is.
    pub(super) fn for_rustls(&mut self, message: &[u8]) -> Option<Vec<u8>> {
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
    pub(in crate::tls::status_request_v2) fn all_on_wire(&self, messages: &[u8]) -> Vec<u8> {
        map_messages(messages, |message| self.on_wire(message))
    }

    /// Whether the transcript may differ from what rustls knows.
    pub(in crate::tls::status_request_v2) const fn changes_messages(&self) -> bool {
        self.offers_v2
    }

    /// Whether the decrypter that is being created is that of the server's flight: the first one.
    pub(in crate::tls::status_request_v2) const fn reads_with_next_decrypter(&mut self) -> bool {
        !std::mem::replace(&mut self.decrypter_made, true)
    }
}
