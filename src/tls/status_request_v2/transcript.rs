//! The transcript hash (RFC 5246 section 7.4.9, RFC 8446 section 4.4.1) over the messages as they are on the
//! wire.

use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};

use super::client::CLIENT;
use super::rewriter::REWRITER;

/// The hash of a suite. rustls updates it with one handshake message at a time. Finished, the extended master
/// secret (RFC 7627) and the key schedule of TLS 1.3 all depend on it.
pub(in crate::tls) struct TranscriptHash(pub(in crate::tls) &'static dyn Hash);

impl Hash for TranscriptHash {
    fn start(&self) -> Box<dyn Context> {
        let context = self.0.start();
        if REWRITER.try_with(|rewriter| rewriter.borrow().may_rewrite()).unwrap_or(false) {
            Box::new(TranscriptContext(context))
        } else if CLIENT.try_with(|client| client.borrow().changes_messages()).unwrap_or(false) {
            Box::new(ClientContext(context))
        } else {
            context
        }
    }

    fn hash(&self, data: &[u8]) -> Output {
        self.0.hash(data)
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct TranscriptContext(Box<dyn Context>);

impl Context for TranscriptContext {
    fn fork_finish(&self) -> Output {
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> Output {
        self.0.finish()
    }

    fn update(&mut self, message: &[u8]) {
        let updated = REWRITER.try_with(|rewriter| self.0.update(&rewriter.borrow_mut().observe(message)));
        // Without a rewriter, which cannot happen in `accept`, the message is hashed unchanged.
        if updated.is_err() {
            self.0.update(message);
        }
    }
}

/// The transcript of a client. rustls updates it with one message, or with those that it has kept until it
/// knew the hash.
struct ClientContext(Box<dyn Context>);

impl Context for ClientContext {
    fn fork_finish(&self) -> Output {
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> Output {
        self.0.finish()
    }

    fn update(&mut self, messages: &[u8]) {
        match CLIENT.try_with(|client| client.borrow().all_on_wire(messages)) {
            Ok(real) => self.0.update(&real),
            // Cannot happen in `connect`.
            Err(_) => self.0.update(messages),
        }
    }
}
