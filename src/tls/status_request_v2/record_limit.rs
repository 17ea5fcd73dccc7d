//! The size of the records that a client can receive: `max_fragment_length` (RFC 6066 section 4) and
//! `record_size_limit` (RFC 8449).
//!
//! rustls knows neither extension. It splits what it sends at the size that its configuration gives, so a
//! client with a limit gets a configuration of its own. The acknowledgement is appended to the message that
//! answers the ClientHello. It is the only change that lengthens a message.

use std::sync::Arc;

use rustls::ServerConfig;

use super::hello::{ClientHello, HelloError, MAX_FRAGMENT_LENGTH, RECORD_SIZE_LIMIT, Version};
use super::messages::{ENCRYPTED_EXTENSIONS, SERVER_HELLO};
use super::wire::{Reader, message, put_vector};

/// The limit that a client has requested and the platform keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordLimit {
    /// Bytes of plaintext in a record at most, without the content type of TLS 1.3.
    content: usize,
    version: Version,
    /// The extension that acknowledges it, with its type and length.
    acknowledgement: Vec<u8>,
}

impl RecordLimit {
    /// The limit in a ClientHello. `None` if there is none, or if it excludes no record of the platform.
    ///
    /// # Errors
    /// When an extension has a value that is not defined.
    pub(super) fn from_hello(hello: &ClientHello<'_>, version: Version) -> Result<Option<Self>, HelloError> {
        // RFC 8449 section 5: record_size_limit takes precedence.
        match (hello.record_size_limit, hello.max_fragment_length) {
            (Some(limit), _) => Self::from_record_size_limit(limit, version),
            (None, Some(code)) => Self::from_max_fragment_length(code, version).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn from_record_size_limit(content: &[u8], version: Version) -> Result<Option<Self>, HelloError> {
        let [high, low] = *content else { return Err(HelloError::MalformedRecordLimit) };
        let limit = usize::from(u16::from_be_bytes([high, low]));
        if limit < MIN_RECORD_SIZE_LIMIT {
            return Err(HelloError::IllegalRecordLimit);
        }
        // In TLS 1.3 the limit includes the content type.
        let (limit, own) = match version {
            Version::Tls12 => (limit, MAX_PLAINTEXT),
            Version::Tls13 => (limit - 1, MAX_PLAINTEXT + 1),
        };
        let own = u16::try_from(own).unwrap_or(u16::MAX).to_be_bytes();
        Ok((limit < MAX_PLAINTEXT).then(|| Self::new(limit, version, RECORD_SIZE_LIMIT, &own)))
    }

    fn from_max_fragment_length(code: &[u8], version: Version) -> Result<Self, HelloError> {
        let [code] = *code else { return Err(HelloError::MalformedRecordLimit) };
        let content = match code {
            1 => 1 << 9,
            2 => 1 << 10,
            3 => 1 << 11,
            4 => 1 << 12,
            _ => return Err(HelloError::IllegalRecordLimit),
        };
        Ok(Self::new(content, version, MAX_FRAGMENT_LENGTH, &[code]))
    }

    fn new(content: usize, version: Version, kind: u16, value: &[u8]) -> Self {
        let mut acknowledgement = kind.to_be_bytes().to_vec();
        // A value of one or two bytes always fits.
        let _ = put_vector::<2>(&mut acknowledgement, value);
        Self { content, version, acknowledgement }
    }

    /// Bytes of plaintext in a record at most.
    pub(super) const fn content(&self) -> usize {
        self.content
    }

    /// The configuration for this client.
    pub(super) fn apply(&self, config: &ServerConfig) -> Arc<ServerConfig> {
        // In TLS 1.3 the acknowledgement is added to a record that rustls has filled.
        let spare = match self.version {
            Version::Tls12 => 0,
            Version::Tls13 => self.acknowledgement.len(),
        };
        let mut config = config.clone();
        // rustls counts the header of the record.
        config.max_fragment_size = Some(self.content + RECORD_HEADER - spare);
        Arc::new(config)
    }

    /// The message with the acknowledgement at its end, if this is the message that carries it: ServerHello
    /// in TLS 1.2, EncryptedExtensions in TLS 1.3.
    pub(super) fn acknowledge(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let mut whole = Reader::new(answer);
        let (kind, body) = whole.message()?;
        let head = match (kind, self.version) {
            (SERVER_HELLO, Version::Tls12) => {
                // RFC 5246 7.4.1.3
                let mut body = Reader::new(body);
                body.take(2 + 32)?; // server_version, random
                body.vector::<1>()?; // session_id
                body.take(2 + 1)?; // cipher_suite, compression_method
                body
            }
            (ENCRYPTED_EXTENSIONS, Version::Tls13) => Reader::new(body),
            _ => return None,
        };
        let (fixed, mut extensions) = (body.len() - head.rest().len(), head);
        // A ServerHello may have no extensions at all.
        let present = if extensions.is_empty() { &[] } else { extensions.vector::<2>()? };
        if !extensions.is_empty() || !whole.is_empty() {
            return None;
        }
        let mut changed = body.get(..fixed)?.to_vec();
        put_vector::<2>(&mut changed, &[present, &self.acknowledgement].concat())?;
        message(kind, &changed)
    }
}

/// The smallest limit that is allowed (RFC 8449 section 4).
const MIN_RECORD_SIZE_LIMIT: usize = 64;
/// Bytes of plaintext in a record without any limit (RFC 5246 section 6.2.1).
const MAX_PLAINTEXT: usize = 1 << 14;
/// Bytes of a record's header.
const RECORD_HEADER: usize = 5;
