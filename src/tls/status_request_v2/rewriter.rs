//! The rewriting of one handshake: the client's request, the response that rustls got, and the changed bytes.

use std::borrow::Cow;
use std::cell::RefCell;

use super::hello::{CLIENT_HELLO, ClientHello, StatusRequest, StatusRequestItem, Version};
use super::hello_patch::HelloPatch;
use super::messages::{
    CERTIFICATE, CERTIFICATE_STATUS, SERVER_HELLO, acknowledge_v2, composite, distribute, multiple_status,
    status_list,
};
use super::record_limit::RecordLimit;
use super::records::Replacement;
use super::wire::{Reader, map_messages};
use crate::tls::identity::ChainStaples;

tokio::task_local! {
    /// The rewriter of the handshake in this task. rustls calls our hooks on the polling thread.
    pub(super) static REWRITER: RefCell<Rewriter>;
}

/// Translates between the handshake of rustls and the handshake that the client sees.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    request: StatusRequest,
    /// What rustls sees in place of the client's ClientHello.
    hello_patch: Option<HelloPatch>,
    /// The same for the ClientHello that answers a HelloRetryRequest.
    second_patch: Option<HelloPatch>,
    /// The client's limit on the size of records.
    record_limit: Option<RecordLimit>,
    response_form: ResponseForm,
    /// Bytes of the server's flight that have passed the transcript hash.
    flight_length: usize,
    /// The rewritten parts of the flight.
    replacements: Vec<Replacement>,
    /// Whether the encrypter of the flight has been created (TLS 1.3).
    encrypter_made: bool,
}

/// The form of the response that rustls got for the end entity. It decides which messages are rewritten.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum ResponseForm {
    /// No response, or that of the end entity for extension 5. Nothing is rewritten.
    #[default]
    Plain,
    /// The response for the end entity, requested by extension 17.
    Single,
    /// The list of RFC 6961, for `ocsp_multi`.
    List(Vec<u8>),
    /// The responses for all certificates, for TLS 1.3, combined into one that rustls puts into the first
    /// entry.
    PerCertificate { staples: ChainStaples, composite: Vec<u8> },
}

impl Rewriter {
    pub(super) fn new(request: StatusRequest, hello_patch: Option<HelloPatch>) -> Self {
        Self { request, hello_patch, ..Self::default() }
    }

    /// This rewriter, which also acknowledges the client's limit on records.
    pub(super) fn with_limit(self, record_limit: Option<RecordLimit>) -> Self {
        Self { record_limit, ..self }
    }

    /// The client's limit on the size of records.
    pub(super) const fn record_limit(&self) -> Option<&RecordLimit> {
        self.record_limit.as_ref()
    }

    /// Whether a message may have to be rewritten.
    pub(super) fn may_rewrite(&self) -> bool {
        self.request.has_request() || self.record_limit.is_some() || self.hello_patch.is_some()
    }

    /// Puts the ClientHello for rustls into the records that were received.
    pub(super) fn patch_hello(&mut self, received: &mut Vec<u8>) {
        let applied = self.hello_patch.as_ref().and_then(|patch| patch.apply(received));
        if applied.is_none() {
            self.hello_patch = None;
        }
    }

    /// Whether the answer to a HelloRetryRequest has to be changed too. It repeats what is unusable in the
    /// first ClientHello (RFC 8446 section 4.1.2).
    pub(super) fn changes_second_hello(&self) -> bool {
        self.request.version == Version::Tls13 && self.hello_patch.is_some()
    }

    /// Puts the second ClientHello for rustls into the records that were received. The transcript has the
    /// client's own.
    pub(super) fn patch_second_hello(&mut self, message: &[u8], received: &mut Vec<u8>) {
        let patch = ClientHello::read(message).and_then(|hello| HelloPatch::of_second(&hello, message));
        self.second_patch = patch.filter(|patch| patch.apply(received).is_some());
    }

    /// Whether the server's flight is sent unencrypted.
    pub(super) fn is_flight_plaintext(&self) -> bool {
        self.request.version == Version::Tls12
    }

    /// The response to hand to rustls for the end entity. rustls acknowledges extension 5 and sends a
    /// CertificateStatus if and only if there is a response and the client has requested it.
    ///
    /// `certificates` is the length of the chain that rustls will send.
    pub(super) fn response_for_rustls(
        &mut self,
        certificates: usize,
        staples: &ChainStaples,
    ) -> Option<Vec<u8>> {
        let (response, given) = self.select_response(certificates, staples).unzip();
        self.response_form = given.unwrap_or_default();
        response
    }

    fn select_response(
        &self,
        certificates: usize,
        staples: &ChainStaples,
    ) -> Option<(Vec<u8>, ResponseForm)> {
        let leaf = || staples.leaf().map(|leaf| leaf.to_vec());
        let plain = || Some((leaf().filter(|_| self.request.status_request)?, ResponseForm::Plain));
        // One entry for each certificate. A list without a response is not an answer.
        let listed =
            staples.responses().len() == certificates && staples.responses().iter().any(Option::is_some);
        if self.request.version == Version::Tls13 {
            // If the responses do not all fit, only that for the end entity, if that fits.
            let all = || {
                let composite = composite(staples.responses())?;
                Some((
                    composite.clone(),
                    ResponseForm::PerCertificate { staples: staples.clone(), composite },
                ))
            };
            let alone = || Some((composite(staples.responses().get(..1)?)?, ResponseForm::Plain));
            return if self.request.status_request && listed { all().or_else(alone) } else { None };
        }
        // RFC 6961 2.2: extension 17 takes precedence over 5, and of its items the first that can be answered
        // counts.
        self.request
            .v2_items
            .iter()
            .find_map(|item| match item {
                StatusRequestItem::Ocsp => Some((leaf()?, ResponseForm::Single)),
                StatusRequestItem::OcspMulti => {
                    let list = status_list(staples.responses()).filter(|_| listed)?;
                    Some((list.clone(), ResponseForm::List(list)))
                }
            })
            .or_else(plain)
    }

    /// A handshake message as the client sees it; `None` if it stays as it is. All rewriting is decided here.
    pub(super) fn rewrite(&self, message: &[u8]) -> Option<Vec<u8>> {
        let changed = match (message.first().copied()?, &self.response_form) {
            (CLIENT_HELLO, _) => {
                let patches = self.hello_patch.iter().chain(&self.second_patch);
                patches.filter_map(|patch| patch.restore(message)).next()
            }
            (SERVER_HELLO, ResponseForm::Single | ResponseForm::List(_)) => acknowledge_v2(message),
            (CERTIFICATE_STATUS, ResponseForm::List(list)) => multiple_status(message, list),
            (CERTIFICATE, ResponseForm::PerCertificate { staples, composite }) => {
                distribute(message, staples.responses(), composite)
            }
            _ => None,
        };
        let limit = self.record_limit.as_ref();
        limit.and_then(|limit| limit.acknowledge(changed.as_deref().unwrap_or(message))).or(changed)
    }

    /// The next message of the transcript, as the client sees it. rustls hashes a message before it sends it,
    /// so this also records the replacements for the sending side.
    pub(super) fn observe<'a>(&mut self, message: &'a [u8]) -> Cow<'a, [u8]> {
        let seen = self.rewrite(message);
        match message.first() {
            // The server's flight follows.
            Some(&CLIENT_HELLO) => self.flight_length = 0,
            // The encrypted flight follows.
            Some(&SERVER_HELLO) if !self.is_flight_plaintext() => self.flight_length = 0,
            _ => {
                let offset = self.flight_length;
                // `acknowledge` changes EncryptedExtensions on the wire, because it becomes longer.
                let same_length = seen.iter().filter(|seen| seen.len() == message.len());
                self.replacements.extend(same_length.map(|seen| Replacement { offset, bytes: seen.clone() }));
                self.flight_length += message.len();
            }
        }
        seen.map_or(Cow::Borrowed(message), Cow::Owned)
    }

    /// The concatenated messages of a handshake, as the client sees them.
    pub(super) fn as_seen_by_client(&self, messages: &[u8]) -> Vec<u8> {
        map_messages(messages, |message| self.rewrite(message))
    }

    /// The replacements in the flight, as far as it has passed the transcript hash.
    pub(super) fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    /// Acknowledges the limit on records in the first handshake record of an encrypted flight, which begins
    /// with EncryptedExtensions.
    pub(super) fn acknowledge(&self, content: &mut Vec<u8>) {
        let mut reader = Reader::new(content);
        let Some(limit) = self.record_limit.as_ref().filter(|_| reader.message().is_some()) else { return };
        let (message, rest) = content.split_at(content.len() - reader.rest().len());
        if let Some(seen) = limit.acknowledge(message) {
            *content = [&seen, rest].concat();
        }
    }

    /// Whether the encrypter that is being created must rewrite the flight. Only the first encrypter does;
    /// later ones are for application data.
    pub(super) fn wraps_next_encrypter(&mut self) -> bool {
        let is_changed = matches!(self.response_form, ResponseForm::PerCertificate { .. })
            || (self.record_limit.is_some() && !self.is_flight_plaintext());
        is_changed && !std::mem::replace(&mut self.encrypter_made, true)
    }
}
