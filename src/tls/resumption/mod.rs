//! The TLS sessions that devices may resume.

mod session_cache;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, StoresServerSessions};

use self::session_cache::SessionCache;
use super::status_request_v2::Reader;
use super::time::time_provider;
use super::verifier::{DECISION, PeerVerifier};
use crate::model::{Clock, Fingerprint};

/// Stores the newest `sessions` sessions for resumption, in memory only, and of each certificate only its
/// share: a device that connects again and again does not make the others perform full handshakes.
///
/// A session belongs to one device by construction. Only the two ends of its first handshake hold the secret
/// that resumes it, and rustls stores the certificate of that handshake with it. 0-RTT is off: it can be
/// replayed, and its data would be read before the handshake is complete.
pub(super) fn configure_resumption(
    server: &mut ServerConfig,
    sessions: usize,
    verifier: &Arc<PeerVerifier>,
    clock: &Clock,
) {
    server.max_early_data_size = 0;
    if sessions == 0 {
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        return;
    }
    server.session_storage = Arc::new(AdmittedSessions {
        sessions: SessionCache::new(sessions),
        verifier: Arc::clone(verifier),
        clock: clock.clone(),
    });
    // A device has one connection at a time, and gets a new ticket on each.
    server.send_tls13_tickets = 1;
}

/// Sessions that rustls gets only while their device may connect.
///
/// rustls resumes a session that it gets, and has no alert for a device that is refused afterwards. Without
/// the session it performs a full handshake: the device presents its current certificate, which may be a
/// renewed one, and a refusal sends its alert.
#[derive(Debug)]
struct AdmittedSessions {
    sessions: SessionCache,
    verifier: Arc<PeerVerifier>,
    clock: Clock,
}

impl AdmittedSessions {
    /// Decides about the certificate of a session, as in a full handshake but by what is in memory: the peer
    /// has not proved yet that the session is its own. The decision is the one of this handshake, unless
    /// rustls does not resume the session, and the verifier decides again.
    fn admit(&self, session: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let admission = session.as_deref().and_then(|session| {
            let chain = client_chain(session)?;
            let now = time_provider(&self.clock).current_time()?;
            self.verifier.verify_without_queries(&chain, now).ok()
        });
        let session = session.filter(|_| admission.is_some());
        let _ = DECISION.try_with(|slot| slot.replace(admission.map(Ok)));
        session
    }
}

impl StoresServerSessions for AdmittedSessions {
    fn put(&self, key: Vec<u8>, session: Vec<u8>) -> bool {
        // Each handshake has a client certificate.
        let Some(certificate) = client_chain(&session).and_then(|chain| chain.into_iter().next()) else {
            return false;
        };
        self.sessions.put(Fingerprint::sha256(&certificate), key, session);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.admit(self.sessions.get(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.admit(self.sessions.take(key))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// The client's certificates in a session, as rustls encodes it: the server name, version, suite, secret,
/// the extended master secret, the chain, and more. `None` for any other encoding; the session is not resumed
/// then.
fn client_chain(session: &[u8]) -> Option<Vec<CertificateDer<'_>>> {
    let mut session = Reader::new(session);
    if session.uint::<1>()? == 1 {
        session.vector::<1>()?;
    }
    session.take(2 + 2)?;
    session.vector::<1>()?;
    session.take(1)?;
    if session.uint::<1>()? != 1 {
        return None;
    }
    let mut chain = Reader::new(session.vector::<3>()?);
    let mut certificates = Vec::new();
    while !chain.is_empty() {
        certificates.push(CertificateDer::from(chain.vector::<3>()?));
    }
    Some(certificates)
}
