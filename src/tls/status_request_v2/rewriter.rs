//! One handshake: what its client asked for, what rustls was given, and what has to look different.

use std::borrow::Cow;
use std::cell::RefCell;

use super::hello::{CLIENT_HELLO, ClientHello, STATUS_REQUEST, StatusRequest, StatusRequestItem, Version};
use super::messages::{
    CERTIFICATE, CERTIFICATE_STATUS, SERVER_HELLO, acknowledge_v2, composite, distribute, multiple_status,
    status_list,
};
use super::records::Replacement;
use super::wire::Reader;
use crate::tls::identity::ChainStaples;

tokio::task_local! {
    /// The handshake of this task: rustls calls everything of ours on the polling thread.
    pub(super) static REWRITER: RefCell<Rewriter>;
}

/// The difference between what rustls says and hears and what its client hears and says.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    asked: StatusRequest,
    /// The extension that rustls sees in place of the client's.
    hello: Option<HelloPatch>,
    given: ResponseForm,
    /// Bytes of the flight that the transcript has heard.
    flight: usize,
    /// What is different in the flight.
    replacements: Vec<Replacement>,
    /// Whether the flight's encrypter has been made (TLS 1.3).
    sealed: bool,
}

/// Bytes of the ClientHello, and as many others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HelloPatch {
    at: usize,
    clients: Vec<u8>,
    ours: Vec<u8>,
}

/// What rustls was given as the response for the end entity, where what it makes of that is not what a client
/// is to see.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum ResponseForm {
    /// Nothing, or what it is.
    #[default]
    Plain,
    /// What it is, asked for by extension 17.
    Single,
    /// The list of RFC 6961, for `ocsp_multi`.
    List(Vec<u8>),
    /// Those of all certificates, for TLS 1.3, in what rustls takes for the first one's.
    Each { staples: ChainStaples, composite: Vec<u8> },
}

impl Rewriter {
    pub(super) fn new(asked: StatusRequest, hello: Option<HelloPatch>) -> Self {
        Self { asked, hello, ..Self::default() }
    }

    /// Whether anything may have to look different.
    pub(super) fn anything(&self) -> bool {
        self.asked.anything()
    }

    /// What rustls is to see in the ClientHello.
    pub(super) fn in_the_hello(&self) -> Option<Replacement> {
        self.hello.as_ref().map(|hello| Replacement { at: hello.at, bytes: hello.ours.clone() })
    }

    /// Whether the flight passes in the clear.
    pub(super) fn in_the_clear(&self) -> bool {
        self.asked.version == Version::Tls12
    }

    /// What rustls gets as the response for the end entity. It acknowledges extension 5 and sends a
    /// CertificateStatus exactly if there is something and the client has asked.
    ///
    /// `certificates` is the length of the chain that rustls is going to send.
    pub(super) fn answer(&mut self, certificates: usize, staples: &ChainStaples) -> Option<Vec<u8>> {
        let (response, given) = self.choose(certificates, staples).unzip();
        self.given = given.unwrap_or_default();
        response
    }

    fn choose(&self, certificates: usize, staples: &ChainStaples) -> Option<(Vec<u8>, ResponseForm)> {
        let leaf = || staples.leaf().map(|leaf| leaf.to_vec());
        let plain = || Some((leaf().filter(|_| self.asked.plain)?, ResponseForm::Plain));
        // One place for each certificate; a list of nothing answers nothing.
        let listed =
            staples.responses().len() == certificates && staples.responses().iter().any(Option::is_some);
        if self.asked.version == Version::Tls13 {
            // Where they do not all fit, the end entity's alone, and only if that fits.
            let each = || {
                let composite = composite(staples.responses())?;
                Some((composite.clone(), ResponseForm::Each { staples: staples.clone(), composite }))
            };
            let alone = || Some((composite(staples.responses().get(..1)?)?, ResponseForm::Plain));
            return if self.asked.plain && listed { each().or_else(alone) } else { None };
        }
        // RFC 6961 2.2: extension 17 before 5, and of its items the first that can be answered.
        self.asked
            .items
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

    /// A handshake message as the client sees it; `None` where that is as it is. This is the one place that
    /// decides.
    fn rewrite(&self, message: &[u8]) -> Option<Vec<u8>> {
        match (message.first().copied()?, &self.given) {
            (CLIENT_HELLO, _) => self.hello.as_ref()?.restored(message),
            (SERVER_HELLO, ResponseForm::Single | ResponseForm::List(_)) => acknowledge_v2(message),
            (CERTIFICATE_STATUS, ResponseForm::List(list)) => multiple_status(message, list),
            (CERTIFICATE, ResponseForm::Each { staples, composite }) => {
                distribute(message, staples.responses(), composite)
            }
            _ => None,
        }
    }

    /// The next message of the transcript, as the client sees it. rustls takes a message into its transcript
    /// before it sends it: where it is different is noted for those who send.
    pub(super) fn hear<'a>(&mut self, message: &'a [u8]) -> Cow<'a, [u8]> {
        let seen = self.rewrite(message);
        match message.first() {
            // What follows is the server's, up to everything that is different.
            Some(&CLIENT_HELLO) => self.flight = 0,
            // The flight that is encrypted begins behind it.
            Some(&SERVER_HELLO) if !self.in_the_clear() => self.flight = 0,
            _ => {
                let at = self.flight;
                self.replacements.extend(seen.iter().map(|seen| Replacement { at, bytes: seen.clone() }));
                self.flight += message.len();
            }
        }
        seen.map_or(Cow::Borrowed(message), Cow::Owned)
    }

    /// All messages of a handshake, one behind the other, as the client sees them.
    pub(super) fn seen(&self, messages: &[u8]) -> Vec<u8> {
        let mut seen = Vec::with_capacity(messages.len());
        let mut rest = messages;
        let mut reader = Reader::new(messages);
        while reader.message().is_some() {
            let (message, behind) = rest.split_at(rest.len() - reader.rest().len());
            match self.rewrite(message) {
                Some(other) => seen.extend(other),
                None => seen.extend_from_slice(message),
            }
            rest = behind;
        }
        seen.extend_from_slice(rest);
        seen
    }

    /// Where the flight is different, as far as it has been heard.
    pub(super) fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    /// Whether the encrypter that is being made is that of a flight which is different. The next ones are
    /// those of the application data.
    pub(super) fn seals(&mut self) -> bool {
        matches!(self.given, ResponseForm::Each { .. }) && !std::mem::replace(&mut self.sealed, true)
    }
}

impl HelloPatch {
    /// For a client that sends extension 17 and not 5: a plain request of RFC 6066 in the same place and of
    /// the same length, so that rustls knows that it is asked. What is too much of it is in the request's
    /// extensions, which rustls does not read.
    pub(super) fn in_place_of_v2(hello: &ClientHello<'_>, message: &[u8]) -> Option<Self> {
        let place = hello.lone_v2()?;
        let clients = message.get(place.clone())?.to_vec();
        let length = u16::try_from(clients.len().checked_sub(4)?).ok()?;
        let spare = length.checked_sub(5)?;
        let mut ours = Vec::with_capacity(clients.len());
        ours.extend(STATUS_REQUEST.to_be_bytes());
        ours.extend(length.to_be_bytes());
        ours.extend([1, 0, 0]); // ocsp, no responder_id_list
        ours.extend(spare.to_be_bytes());
        ours.resize(clients.len(), 0);
        Some(Self { at: place.start, clients, ours })
    }

    /// The ClientHello as the client has sent it.
    fn restored(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut restored = message.to_vec();
        let place = restored.get_mut(self.at..)?.get_mut(..self.ours.len())?;
        (place == self.ours).then(|| place.copy_from_slice(&self.clients))?;
        Some(restored)
    }
}
