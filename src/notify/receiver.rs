//! A receiver that is ready: its secret and its roots are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::Notify;
use crate::filesystem::NotPrivate;
use crate::model::Clock;
use crate::tls::{WebConnector, WebTrustError};

/// A receiver of notifications.
pub struct Receiver {
    pub(super) settings: Notify,
    pub(super) secret: Option<Zeroizing<Vec<u8>>>,
    /// `None` for http.
    pub(super) tls: Option<WebConnector>,
    pub(super) clock: Clock,
}

/// Why a receiver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The secret cannot be read.
    #[error("cannot read the secret of the receiver \"{name}\" from {}: {source}", file.display())]
    Secret {
        /// The receiver.
        name: String,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The roots cannot be used.
    #[error("the roots of the receiver \"{name}\" cannot be used")]
    Trust {
        /// The receiver.
        name: String,
        /// What is wrong.
        source: WebTrustError,
    },
}

impl Receiver {
    /// Reads the secret and the roots.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn build(settings: &Notify, clock: &Clock) -> Result<Self, ReceiverError> {
        let name = || settings.name.clone();
        let secret = settings.secret_file.as_deref().map(|file| {
            let failed = |source| ReceiverError::Secret { name: name(), file: file.to_owned(), source };
            read_secret(file).map_err(failed)
        });
        let tls = settings.webhook.is_tls().then(|| {
            let failed = |source| ReceiverError::Trust { name: name(), source };
            WebConnector::build(&settings.trust_anchors, clock).map_err(failed)
        });
        Ok(Self {
            settings: settings.clone(),
            secret: secret.transpose()?,
            tls: tls.transpose()?,
            clock: clock.clone(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }
}

fn read_secret(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    if let Some(problem) = NotPrivate::find(&file.metadata()?) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem.to_string()));
    }
    let mut secret = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    file.take(MAX_SECRET as u64).read_to_end(&mut secret)?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    let is_long = (MIN_SECRET..MAX_SECRET).contains(&secret.len());
    let error = || io::Error::other(format!("a secret has {MIN_SECRET} to {MAX_SECRET} bytes"));
    is_long.then_some(secret).ok_or_else(error)
}

/// Without the secret.
impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("settings", &self.settings).finish_non_exhaustive()
    }
}

const MIN_SECRET: usize = 16;
const MAX_SECRET: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_private_and_has_a_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let write = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            read_secret(&file).map(|secret| secret.len())
        };
        assert_eq!(write("0123456789abcdef\n", 0o600).unwrap(), 16);
        assert!(write("0123456789abcdef\n", 0o644).is_err());
        assert!(write("0123456789abcde\n\n\n", 0o600).is_err());
        assert!(write(&"x".repeat(MAX_SECRET + 1), 0o600).is_err());
    }
}
