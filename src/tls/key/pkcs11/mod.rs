//! Private keys in PKCS#11 tokens (A11): an HSM, a TPM, a smart card. The key never leaves the token.

mod backoff;
mod mechanism;
mod pool;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, SystemTime};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::backoff::Backoff;
use self::mechanism::{Curve, Scheme};
use self::pool::SessionPool;
use super::private_file::{self, PrivateFileError, Secret};
use crate::config::TokenUri;
use crate::model::{Clock, Wait, explained, while_waiting};

/// A token, or the key in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The PKCS#11 library cannot be loaded or initialized.
    #[error("cannot use the PKCS#11 library {}", module.display())]
    Module {
        /// The library.
        module: PathBuf,
        /// The error of the library.
        source: CryptokiError,
    },
    /// No token matches, or several do.
    #[error(
        "{found} tokens match {uri}; exactly one must match, see: pkcs11-tool --module {} -L",
        uri.module.display()
    )]
    Token {
        /// The URI of the token.
        uri: Box<TokenUri>,
        /// The number of matches.
        found: usize,
    },
    /// No key matches, or several do.
    #[error(
        "{found} private keys match {uri}; exactly one must match, see: pkcs11-tool --module {} --login -O",
        uri.module.display()
    )]
    Key {
        /// The URI of the key.
        uri: Box<TokenUri>,
        /// The number of matches.
        found: usize,
    },
    /// The token requires a PIN, and none is configured.
    #[error(
        "the token of {0} requires a PIN; put it into a private file and add pin-source=FILE after the question mark"
    )]
    NoPin(Box<TokenUri>),
    /// The file with the PIN cannot be read.
    #[error(transparent)]
    Pin(#[from] PrivateFileError),
    /// The login failed.
    #[error("the token of {uri} rejects the PIN")]
    Login {
        /// The URI of the token.
        uri: Box<TokenUri>,
        /// The error of the token.
        source: CryptokiError,
    },
    /// The token rejected this PIN before. It is not tried again, because that could lock the token.
    #[error("the token of {0} rejected the PIN before; correct the PIN in its file")]
    Locked(Box<TokenUri>),
    /// The token failed a short time ago.
    #[error("the token of {uri} failed; the next attempt follows in {} s", retry.as_secs() + 1)]
    Unavailable {
        /// The URI of the token.
        uri: Box<TokenUri>,
        /// The time until then.
        retry: Duration,
    },
    /// The token takes too long: all sessions stay in use, or a signature does not arrive.
    #[error("the token of {0} does not answer in time")]
    Busy(Box<TokenUri>),
    /// The key is neither RSA nor on a NIST curve.
    #[error("the key of {0} is neither an RSA key nor one on P-256, P-384 or P-521")]
    Kind(Box<TokenUri>),
    /// Another operation failed.
    #[error("the token of {uri} failed")]
    Failed {
        /// The URI of the token.
        uri: Box<TokenUri>,
        /// The error of the token.
        source: CryptokiError,
    },
}

impl TokenError {
    /// Whether the token rejects the PIN.
    pub(super) const fn rejects_pin(&self) -> bool {
        matches!(self, Self::Login { .. } | Self::Locked(_))
    }
}

/// The initialized libraries. A process may initialize each library once, so reloads reuse it.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Logs in to the token and finds the key.
pub(super) fn open(uri: &TokenUri) -> Result<Arc<dyn SigningKey>, TokenError> {
    let token = Token {
        module: module(&uri.module)
            .map_err(|source| TokenError::Module { module: uri.module.clone(), source })?,
        uri: Box::new(uri.clone()),
        sessions: SessionPool::new(),
        backoff: Backoff::new(Clock::system()),
        rejected_pin: Mutex::default(),
    };
    let curve = outside_the_runtime(|| {
        let ready = token.ready()?;
        let curve = token.curve(&ready);
        if let Some(mut lease) = token.sessions.lease(LEASE_TIMEOUT) {
            lease.replace(Some(ready));
        }
        curve
    })?;
    Ok(Arc::new(TokenKey { token: Arc::new(token), curve }))
}

/// Does work that may block. The runtime moves the other tasks of this thread elsewhere.
fn outside_the_runtime<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

/// Whether the token rejects the PIN, rather than being unable to check it.
fn is_rejection(error: &CryptokiError) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
    let CryptokiError::Pkcs11(error, _) = error else { return false };
    matches!(error, PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked)
}

fn module(file: &Path) -> Result<Pkcs11, CryptokiError> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(file) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(file)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    modules.insert(file.to_owned(), module.clone());
    Ok(module)
}

/// A token, and its sessions.
#[derive(Debug)]
struct Token {
    uri: Box<TokenUri>,
    module: Pkcs11,
    sessions: SessionPool<TokenSession>,
    backoff: Backoff,
    /// When the file with the PIN was last written, if the token rejected that PIN. Tokens lock after a few
    /// wrong PINs, so each is tried only once.
    rejected_pin: Mutex<Option<SystemTime>>,
}

/// A logged-in session, and its handle of the key.
#[derive(Debug)]
struct TokenSession {
    session: Session,
    key: ObjectHandle,
}

impl Token {
    /// Opens a session. A session makes one signature at a time, so concurrent handshakes open several.
    fn ready(&self) -> Result<TokenSession, TokenError> {
        let slot = self.slot()?;
        let failed = |source| self.failed(source);
        let session = self.module.open_ro_session(slot).map_err(failed)?;
        if self.module.get_token_info(slot).map_err(failed)?.login_required() {
            self.log_in(&session)?;
        }
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(self.uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
        template.extend(self.uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
        match session.find_objects(&template).map_err(failed)?.as_slice() {
            [key] => Ok(TokenSession { key: *key, session }),
            found => Err(TokenError::Key { uri: self.uri.clone(), found: found.len() }),
        }
    }

    fn slot(&self) -> Result<Slot, TokenError> {
        let failed = |source| self.failed(source);
        let mut matching = Vec::new();
        for slot in self.module.get_slots_with_initialized_token().map_err(failed)? {
            let info = self.module.get_token_info(slot).map_err(failed)?;
            let is = |wanted: &Option<String>, value: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == value.trim_end())
            };
            if is(&self.uri.token, info.label()) && is(&self.uri.serial, info.serial_number()) {
                matching.push(slot);
            }
        }
        match matching.as_slice() {
            [slot] => Ok(*slot),
            found => Err(TokenError::Token { uri: self.uri.clone(), found: found.len() }),
        }
    }

    fn log_in(&self, session: &Session) -> Result<(), TokenError> {
        let file = self.uri.pin.as_ref().ok_or_else(|| TokenError::NoPin(self.uri.clone()))?;
        let written = fs::metadata(file).and_then(|file| file.modified()).ok();
        let mut rejected = self.rejected_pin.lock().unwrap_or_else(PoisonError::into_inner);
        if rejected.is_some() && *rejected == written {
            return Err(TokenError::Locked(self.uri.clone()));
        }
        // The PIN is read for each login, so that it does not stay in memory between logins.
        let pin = private_file::read_line(file, Secret::Pin)?;
        let pin = AuthPin::from(String::from_utf8_lossy(&pin).as_ref());
        match session.login(UserType::User, Some(&pin)) {
            // A login is valid for all sessions of a process.
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *rejected = None;
                Ok(())
            }
            Err(source) if is_rejection(&source) => {
                *rejected = written;
                Err(TokenError::Login { uri: self.uri.clone(), source })
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// `None` for RSA.
    fn curve(&self, ready: &TokenSession) -> Result<Option<Curve>, TokenError> {
        let read = |attribute| {
            ready.session.get_attributes(ready.key, &[attribute]).map_err(|source| self.failed(source))
        };
        match read(AttributeType::KeyType)?.as_slice() {
            [Attribute::KeyType(KeyType::RSA)] => Ok(None),
            [Attribute::KeyType(KeyType::EC)] => match read(AttributeType::EcParams)?.as_slice() {
                [Attribute::EcParams(parameters)] => Curve::from_ec_params(parameters)
                    .map(Some)
                    .ok_or_else(|| TokenError::Kind(self.uri.clone())),
                _ => Err(TokenError::Kind(self.uri.clone())),
            },
            _ => Err(TokenError::Kind(self.uri.clone())),
        }
    }

    /// Makes a signature on a thread of its own, because a token may be slow, and may never answer.
    fn sign(self: &Arc<Self>, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (token, input) = (Arc::clone(self), scheme.input(message));
        let (sender, signature) = channel();
        let thread = Builder::new().name("token".to_owned()).spawn(move || {
            // After the timeout the signature is not used.
            let _ = sender.send(token.sign_blocking(scheme, &input));
        });
        let unanswered = |_| TokenError::Busy(self.uri.clone());
        thread.map_err(|_| TokenError::Busy(self.uri.clone()))?;
        while_waiting(Wait::Token, || outside_the_runtime(|| signature.recv_timeout(SIGN_TIMEOUT)))
            .map_err(unanswered)?
    }

    fn sign_blocking(&self, scheme: Scheme, input: &[u8]) -> Result<Vec<u8>, TokenError> {
        let sign = |ready: &TokenSession| ready.session.sign(&scheme.mechanism(), ready.key, input);
        let lease = self.sessions.lease(LEASE_TIMEOUT);
        let mut lease = lease.ok_or_else(|| TokenError::Busy(self.uri.clone()))?;
        if let Some(ready) = lease.session() {
            if let Ok(signature) = sign(ready) {
                return Ok(signature);
            }
            // The token may have been disconnected, which invalidates all open sessions.
            lease.replace(None);
            self.sessions.clear();
        }
        if let Some(retry) = self.backoff.remaining() {
            return Err(TokenError::Unavailable { uri: self.uri.clone(), retry });
        }
        let signed = self.ready().and_then(|ready| {
            let signature = sign(&ready).map_err(|source| self.failed(source))?;
            Ok((signature, ready))
        });
        match signed {
            Ok((signature, ready)) => {
                self.backoff.reset();
                lease.replace(Some(ready));
                Ok(signature)
            }
            Err(error) => {
                self.backoff.extend();
                Err(error)
            }
        }
    }

    fn failed(&self, source: CryptokiError) -> TokenError {
        TokenError::Failed { uri: self.uri.clone(), source }
    }
}

/// A key in a token, as a rustls signing key.
#[derive(Debug)]
struct TokenKey {
    token: Arc<Token>,
    /// `None` for RSA.
    curve: Option<Curve>,
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = Scheme::for_key(self.curve).iter().find(|scheme| offered.contains(&scheme.in_tls()))?;
        Some(Box::new(TokenSigner { token: Arc::clone(&self.token), scheme: *scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.curve {
            Some(_) => SignatureAlgorithm::ECDSA,
            None => SignatureAlgorithm::RSA,
        }
    }
}

/// Makes one signature.
#[derive(Debug)]
struct TokenSigner {
    token: Arc<Token>,
    scheme: Scheme,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signed = self.token.sign(self.scheme, message).map_err(|error| {
            // The fault is the platform's, not the peer's. One line for each attempt at the token: there may
            // be any number of handshakes between two.
            if matches!(error, TokenError::Unavailable { .. }) {
                tracing::debug!(error = %explained(&error), "PKCS#11 token did not sign");
            } else {
                tracing::error!(
                    error = %explained(&error),
                    "PKCS#11 token failed to sign; handshakes fail until the token recovers"
                );
            }
            rustls::Error::Other(OtherError(Arc::new(error)))
        })?;
        self.scheme
            .output(signed)
            .ok_or_else(|| rustls::Error::General("the token's signature is malformed".to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme.in_tls()
    }
}

/// How long a signature waits for a session.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a signature. The default of `handshake-timeout` is as long.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);
