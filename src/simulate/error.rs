//! Why a simulation cannot begin.

use std::io;
use std::path::PathBuf;

use crate::pki::PkiError;
use crate::revocation::RevocationError;
use crate::tls::ConnectError;

/// A simulation cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The PKI cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The roots or a key cannot be used.
    #[error(transparent)]
    Tls(#[from] ConnectError),
    /// The evaluation of stapled responses cannot begin.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// A file of the PKI cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The pool of keys is empty.
    #[error("no key could be made")]
    Keys,
    /// The process may not open so many connections.
    #[error(
        "{devices} devices need {needed} open files, and this process may have {allowed}; raise the hard limit \
         (`ulimit -Hn`, LimitNOFILE= of systemd, /etc/security/limits.conf), or simulate fewer devices"
    )]
    OpenFiles {
        /// Simulated devices.
        devices: u32,
        /// Files that they need.
        needed: u64,
        /// The hard limit.
        allowed: u64,
    },
}
