//! The state of the PKI: `ca/index.toml`.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::error::PkiError;
use super::file::{self, Access};
use super::reason::RevocationReason;

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Index {
    /// The URL of the OCSP responder and the CRLs, without a trailing slash.
    pub(super) base_url: String,
    /// The number of the last CRLs. All CAs share the counter, so that no CRL number is used twice.
    pub(super) crl_number: u64,
    /// In order of revocation.
    #[serde(default)]
    pub(super) revoked: Vec<Revoked>,
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Revoked {
    /// The CA that issued it.
    pub(super) issuer: Authority,
    /// The content octets of its serial number, in hexadecimal.
    #[serde(with = "octets")]
    pub(super) serial: Vec<u8>,
    /// The reason.
    pub(super) reason: RevocationReason,
    /// The time of revocation, in seconds since 1970.
    pub(super) revoked_at: i64,
}

/// The index under an exclusive lock, which is that of the folder of the CAs.
#[derive(Debug)]
pub(super) struct LockedIndex {
    pub(super) index: Index,
    path: PathBuf,
    _lock: File,
}

impl Index {
    pub(super) const fn new(base_url: String) -> Self {
        Self { base_url, crl_number: 0, revoked: Vec::new() }
    }

    pub(super) fn load(dir: &Path) -> Result<Self, PkiError> {
        let path = path(dir);
        if !path.exists() {
            return Err(PkiError::NotFound(path));
        }
        toml::from_str(&file::read(&path)?).map_err(|source| PkiError::Index { path, source })
    }

    pub(super) fn store(&self, dir: &Path) -> Result<(), PkiError> {
        self.write(&path(dir))
    }

    fn write(&self, path: &Path) -> Result<(), PkiError> {
        let text = toml::to_string(self).map_err(PkiError::Serialize)?;
        file::replace(path, text.as_bytes(), Access::Public)
    }
}

impl LockedIndex {
    /// Waits for the lock and reads the index.
    pub(super) fn open(dir: &Path) -> Result<Self, PkiError> {
        let ca = dir.join("ca");
        let lock = File::open(&ca).map_err(PkiError::read(&ca))?;
        lock.lock().map_err(PkiError::read(&ca))?;
        Ok(Self { index: Index::load(dir)?, path: path(dir), _lock: lock })
    }

    pub(super) fn store(&self) -> Result<(), PkiError> {
        self.index.write(&self.path)
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("ca").join("index.toml")
}

/// Octets as hexadecimal text.
mod octets {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octet = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        };
        let octets: Option<Vec<u8>> = text.as_bytes().chunks(2).map(octet).collect();
        octets.ok_or_else(|| D::Error::custom("a serial number is an even number of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_survives_a_round_trip_and_damage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ca")).unwrap();
        let mut index = Index::new("http://pki.example".to_owned());
        index.revoked.push(Revoked {
            issuer: Authority::PlatformCaEcc,
            serial: vec![0x00, 0xa3],
            reason: RevocationReason::KeyCompromise,
            revoked_at: 1_780_000_000,
        });
        index.store(dir.path()).unwrap();
        assert_eq!(Index::load(dir.path()).unwrap(), index);

        let text = file::read(&path(dir.path())).unwrap();
        assert!(
            text.contains("issuer = \"platform-ca-ecc\"") && text.contains("reason = \"key-compromise\""),
            "{text}"
        );
        for (good, bad) in [("00a3", "00a"), ("00a3", "00ä"), ("00a3", "zz"), ("crl-number", "crl-numbre")] {
            std::fs::write(path(dir.path()), text.replace(good, bad)).unwrap();
            assert!(matches!(Index::load(dir.path()), Err(PkiError::Index { .. })), "{bad}");
        }
    }
}
