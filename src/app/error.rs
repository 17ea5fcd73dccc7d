//! Why the platform does not start, or has stopped.

use crate::finding::{Code, SetupCode};
use crate::gateway::SetupError;
use crate::http::SocketError;
use crate::interface_a::PassedSocketError;
use crate::model::{BindError, Task};
use crate::notify::ReceiverError;
use crate::revocation::RevocationError;
use crate::store::StoreError;
use crate::tls::{AcceptorError, ConnectError};
use crate::view::help_of;

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
    /// A root of people's certificates, or the certificate of the admin listener.
    #[error("the roots of people, or the certificate of the admin listener, cannot be used")]
    People(#[source] AcceptorError),
    /// A trust community, or the certificate of the listener for hospital systems.
    #[error("the trust communities of [api], or the certificate of its listener, cannot be used")]
    Api(#[source] AcceptorError),
    /// The identity or the trust anchors for the Audit Record Repository.
    #[error("the configuration of the audit record repository cannot be used")]
    Repository(#[from] ConnectError),
    /// The certificate, the key or the roots for the platform of a gateway.
    #[error("the configuration of the gateway cannot be used")]
    Gateway(#[from] SetupError),
    /// A receiver of notifications.
    #[error("a receiver of notifications cannot be used")]
    Notify(#[from] ReceiverError),
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Socket activation passes a socket that is not for devices.
    #[error(transparent)]
    Passed(#[from] PassedSocketError),
    /// The socket for people that is configured cannot be served.
    #[error(transparent)]
    Socket(#[from] SocketError),
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

impl PlatformError {
    /// The code of its help page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        let code = match self {
            Self::Store(error) => return help_of(error),
            Self::Task(_) => return Code::TaskFailed.code(),
            Self::Revocation(_) => SetupCode::RevocationDataUnusable,
            Self::Tls(_) | Self::Gateway(_) => SetupCode::IdentityUnusable,
            Self::People(_) => SetupCode::PeopleUnusable,
            Self::Api(_) => SetupCode::CommunitiesUnusable,
            Self::Repository(_) => SetupCode::RepositoryUnusable,
            Self::Notify(_) => SetupCode::ReceiverUnusable,
            Self::Bind(_) => SetupCode::AddressInUse,
            Self::Socket(_) => SetupCode::SocketUnusable,
            Self::Passed(_) => SetupCode::AddressInUse,
            Self::Metrics(_) | Self::Threads(_) | Self::Signals(_) => SetupCode::Fault,
        };
        code.code()
    }
}
