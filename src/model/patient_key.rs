//! The key under which a patient is named where the patient must not be shown.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

use super::hexadecimal;
use super::search_key::{SearchKey, Searched};

/// The key of the digits that stand for a patient's name or number. Without it they cannot be found by trying
/// all numbers of a hospital. All nodes of a store have the same one.
///
/// Clones share it: the state of an HMAC takes a kilobyte, and each session has the key.
#[derive(Clone)]
pub struct PatientKey {
    key: Option<Arc<hmac::Key>>,
    /// Whether another process finds by it what this one has stored.
    is_stored: bool,
}

impl PatientKey {
    /// The key with these bytes, which are stored.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { key: Some(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret))), is_stored: true }
    }

    /// A key of this process alone, for what is not stored.
    #[must_use]
    pub fn random() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok().map(Arc::new);
        Self { key, is_stored: false }
    }

    /// Whether it is that of the store, which all processes share.
    #[must_use]
    pub const fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// The first four bytes of the HMAC-SHA-256 of `text`, as eight hexadecimal digits; none if the machine
    /// had no random numbers for a key.
    #[must_use]
    pub fn digits(&self, text: &str) -> String {
        let Some(key) = &self.key else { return String::new() };
        let tag = hmac::sign(key, text.as_bytes());
        hexadecimal::encode(tag.as_ref().get(..DIGEST_BYTES).unwrap_or_default())
    }

    /// An id for this text that shows nothing of it: the first 16 bytes of an HMAC-SHA-256, as 32 hexadecimal
    /// digits; none if the machine had no random numbers for a key.
    #[must_use]
    pub fn opaque_id(&self, text: &str) -> String {
        self.tagged(OPAQUE_ID, text)
    }

    /// What shows that this process, or another one of the store, made a link with this text: 32 hexadecimal
    /// digits.
    #[must_use]
    pub fn link_tag(&self, text: &str) -> String {
        self.tagged(LINK, text)
    }

    fn tagged(&self, label: &[u8], text: &str) -> String {
        let Some(key) = &self.key else { return String::new() };
        let mut context = hmac::Context::with_key(key);
        context.update(label);
        context.update(text.as_bytes());
        hexadecimal::encode(context.sign().as_ref().get(..OPAQUE_ID_BYTES).unwrap_or_default())
    }

    /// The key under which messages with this number are found; `None` where nothing would find it again.
    #[must_use]
    pub fn search_key(&self, searched: Searched, text: &str) -> Option<SearchKey> {
        let key = self.key.as_ref().filter(|_| self.is_stored)?;
        let mut context = hmac::Context::with_key(key);
        context.update(searched.label());
        context.update(text.as_bytes());
        SearchKey::from_hash(context.sign().as_ref())
    }
}

/// Never the key.
impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey")
    }
}

/// Distinguishes ids from what else the key stands for.
const OPAQUE_ID: &[u8] = b"opaque-id\0";
const LINK: &[u8] = b"link\0";
const OPAQUE_ID_BYTES: usize = 16;
/// Bytes of the digits: they distinguish two patients of one device.
const DIGEST_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    // A number has few digits: a reader of the stand-in could try them all.
    #[test]
    fn no_digest_without_a_key_gives_the_digits() {
        let digest = crate::model::Fingerprint::sha256(b"4711").to_string();
        assert!(!digest.starts_with(&PatientKey::new(b"of this store").digits("4711")));
    }

    // printf '%s' '654321^L1^L' | openssl dgst -sha256 -hmac key
    #[test]
    fn the_digits_depend_on_the_key() {
        let (key, other) = (PatientKey::new(b"key"), PatientKey::random());
        assert_eq!(key.digits("654321^L1^L"), "70095641");
        assert_ne!(other.digits("654321^L1^L"), key.digits("654321^L1^L"));
        assert_eq!(other.clone().digits("1"), other.digits("1"));
        assert_eq!(format!("{key:?}"), "PatientKey");
    }

    // N001-9: the id of a Patient
    #[test]
    fn an_opaque_id_depends_on_the_key_and_is_no_other_stand_in() {
        let key = PatientKey::new(b"key");
        let id = key.opaque_id("4711");
        assert_eq!((id.len(), &id), (32, &PatientKey::new(b"key").opaque_id("4711")));
        assert_ne!(id, PatientKey::new(b"other").opaque_id("4711"));
        assert_ne!(id, key.opaque_id("4712"));
        assert!(!id.starts_with(&key.digits("4711")));
    }

    #[test]
    fn a_search_key_depends_on_the_key_and_on_what_is_searched_for() {
        let key = PatientKey::new(b"key");
        let of = |searched| key.search_key(searched, "4711").unwrap();
        assert_eq!(
            of(Searched::Patient),
            PatientKey::new(b"key").search_key(Searched::Patient, "4711").unwrap()
        );
        assert_ne!(of(Searched::Patient), of(Searched::Order));
        assert_ne!(
            PatientKey::new(b"other").search_key(Searched::Patient, "4711"),
            Some(of(Searched::Patient))
        );
        let shown = of(Searched::Patient).to_string();
        assert_eq!(shown.len(), 16);
        assert!(!shown.starts_with(&key.digits("4711")), "the digits in lists are no part of it");
        // Another process would not find what is stored under such a key.
        assert_eq!(PatientKey::random().search_key(Searched::Patient, "4711"), None);
    }
}
