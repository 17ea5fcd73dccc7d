//! What follows from the peer of a completed handshake.

use super::registry::{SessionInfo, is_revoked};
use crate::authz::Directory;
use crate::contact::Connected;
use crate::model::{Refusal, SessionId};
use crate::revocation::{Engine, issuer_keys};
use crate::tls::Peer;

/// Whether the peer of a completed handshake may still connect: the decision about its certificate may be as
/// old as the handshake timeout.
pub(super) fn readmit(peer: &Peer, directory: &Directory, revocation: &Engine) -> Result<(), Refusal> {
    directory.admit(&peer.device().id, issuer_keys(peer.path()))?;
    if is_revoked(revocation, peer.path()) {
        return Err(Refusal::Revoked);
    }
    Ok(())
}

/// The connection, as it is remembered.
pub(super) fn connected(session: SessionId, peer: &Peer, at: jiff::Timestamp) -> Connected {
    Connected {
        device: peer.device().id.clone(),
        session,
        peer: peer.address(),
        version: peer.version(),
        suite: peer.suite(),
        certificate: peer.shown_certificate().clone(),
        at,
    }
}

/// The session, as it is listed.
pub(super) fn info(id: SessionId, peer: &Peer, since: jiff::Timestamp) -> SessionInfo {
    SessionInfo {
        id,
        device: peer.device().id.clone(),
        peer: peer.address(),
        since,
        version: peer.version(),
        suite: peer.suite(),
    }
}
