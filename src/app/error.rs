//! Why the platform does not start, or has stopped.

use crate::model::{BindError, Task};
use crate::revocation::RevocationError;
use crate::store::StoreError;
use crate::tls::{AcceptorError, ConnectError};

/// Why the platform does not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The store cannot be opened, read or written.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// An installed CRL, a configured responder, or the folder of fetched responses and CRLs.
    #[error("the revocation data cannot be used")]
    Revocation(#[from] RevocationError),
    /// A trust anchor, a certificate or a key.
    #[error("the TLS identities and roots cannot be used")]
    Tls(#[from] AcceptorError),
    /// The identity or the trust anchors for the Audit Record Repository.
    #[error("the configuration of the audit record repository cannot be used")]
    Repository(#[from] ConnectError),
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Two metrics have one name: a fault of the platform.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// A running part that the platform cannot do without has ended.
    #[error("the running part \"{0}\" has ended before the shutdown; the log says why")]
    Task(Task),
    /// The operating system refuses the threads for handshakes.
    #[error("the threads for handshakes could not be started")]
    Threads(#[source] std::io::Error),
    /// The operating system refuses to deliver signals.
    #[error("the signal handlers could not be installed")]
    Signals(#[source] std::io::Error),
}
