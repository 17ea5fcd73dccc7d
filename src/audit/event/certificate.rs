//! Certificates in the details of events.

use serde_json::{Map, Value, json};

use crate::model::{DeviceId, Fingerprint};

/// The facts of a certificate that identify it at its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's Common Name, when there is exactly one.
    pub common_name: Option<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 over the DER.
    pub fingerprint: Fingerprint,
    /// What keeps it from being that of a device, if a CA of an installed root has issued it to a device of
    /// the directory for other uses.
    pub unfit: Option<UnfitUses>,
}

/// The uses for which a CA has issued a certificate, where those of a device's are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitUses {
    /// The device, as the directory spells it.
    pub device: DeviceId,
    /// Where the certificate says so.
    pub field: UsageField,
    /// The names of the uses, at most [`UnfitUses::MAX_CHARS`] characters; empty: none that has a name here.
    pub uses: String,
}

/// An extension that limits the uses of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageField {
    /// keyUsage (RFC 5280 4.2.1.3), without digitalSignature.
    KeyUsage,
    /// extKeyUsage (RFC 5280 4.2.1.12), without clientAuth.
    ExtendedKeyUsage,
}

/// The revocation status of one certificate, and its source: the evidence of A9.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// `good`, `revoked` or `undetermined`.
    pub verdict: &'static str,
    /// `ocsp`, `ocsp-cache`, `crl`, `crl-cache`, or `operator`: one of this platform has revoked it. `None`
    /// when no source answered.
    pub source: Option<&'static str>,
    /// When the status was established (thisUpdate).
    pub this_update: Option<String>,
    /// Until when it is valid (nextUpdate).
    pub next_update: Option<String>,
    /// The URL that it was fetched from.
    pub url: Option<String>,
    /// The signer.
    pub responder: Option<String>,
}

/// A certificate of the platform, or a root that it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its use.
    pub role: InstalledRole,
    /// SHA-256 over its DER, in hexadecimal.
    pub fingerprint: String,
    /// SHA-256 over its public key (the value of the BIT STRING), in hexadecimal: unchanged when a
    /// certificate is renewed for the same key.
    pub key: String,
    /// Its subject.
    pub subject: String,
    /// The serial number in hexadecimal.
    pub serial: String,
}

/// The use of an [`Installed`] certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstalledRole {
    /// The platform's own identity with an ECC key (A5).
    PlatformEcc,
    /// The platform's own identity with an RSA key (A5).
    PlatformRsa,
    /// A root that devices must chain to (A6).
    TrustAnchor,
    /// A root that the platform's own certificates chain to, and devices do not (A4).
    PlatformTrustAnchor,
}

impl Installed {
    pub(super) fn fields(&self) -> Value {
        json!({
            "role": self.role.code(),
            "fingerprint": self.fingerprint,
            "key": self.key,
            "subject": self.subject,
            "serial": self.serial,
        })
    }

    /// The installed certificates in the details of a row
    /// [`Event::CertificatesChanged`](super::Event::CertificatesChanged); `None` when they are unreadable.
    #[must_use]
    pub fn read(details: &str) -> Option<Vec<Self>> {
        let details: Value = serde_json::from_str(details).ok()?;
        let read = |entry: &Value| {
            let text = |key: &str| entry.get(key)?.as_str().map(str::to_owned);
            let role = text("role")?;
            Some(Self {
                role: InstalledRole::ALL.into_iter().find(|known| known.code() == role)?,
                fingerprint: text("fingerprint")?,
                key: text("key")?,
                subject: text("subject")?,
                serial: text("serial")?,
            })
        };
        details.get("new")?.as_array()?.iter().map(read).collect()
    }
}

impl InstalledRole {
    const ALL: [Self; 4] =
        [Self::PlatformEcc, Self::PlatformRsa, Self::TrustAnchor, Self::PlatformTrustAnchor];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PlatformEcc => "platform-ecc",
            Self::PlatformRsa => "platform-rsa",
            Self::TrustAnchor => "trust-anchor",
            Self::PlatformTrustAnchor => "platform-trust-anchor",
        }
    }
}

impl UnfitUses {
    /// Characters of [`Self::uses`]: an issuer decides how many uses there are, and how long their numbers.
    pub const MAX_CHARS: usize = 200;

    /// These uses of the certificate of this device.
    #[must_use]
    pub fn new(device: DeviceId, field: UsageField, uses: &str) -> Self {
        Self { device, field, uses: uses.chars().take(Self::MAX_CHARS).collect() }
    }
}

impl UsageField {
    /// The name in the trail and in the store.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyUsage => "key-usage",
            Self::ExtendedKeyUsage => "extended-key-usage",
        }
    }

    /// The field with this name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::KeyUsage, Self::ExtendedKeyUsage].into_iter().find(|field| field.code() == code)
    }
}

impl Certificate {
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        if let Some(name) = &self.common_name {
            insert_cut(&mut fields, "common-name", name);
        }
        insert_cut(&mut fields, "issuer", &self.issuer);
        insert_cut(&mut fields, "serial", &self.serial);
        fields.insert("fingerprint".to_owned(), self.fingerprint.to_string().into());
        if let Some(UnfitUses { field, uses, .. }) = &self.unfit {
            fields.insert(field.code().to_owned(), uses.as_str().into());
        }
        fields.into()
    }
}

impl CertificateStatus {
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        insert_cut(&mut fields, "serial", &self.serial);
        fields.insert("verdict".to_owned(), self.verdict.into());
        let optional = [
            ("source", self.source),
            ("this-update", self.this_update.as_deref()),
            ("next-update", self.next_update.as_deref()),
            ("url", self.url.as_deref()),
            ("responder", self.responder.as_deref()),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                insert_cut(&mut fields, key, value);
            }
        }
        fields.into()
    }
}

/// Inserts a text of a certificate. The peer decides its length: after [`MAX_TEXT_CHARS`] characters it is
/// cut, and the SHA-256 digest of the whole text is inserted as well.
fn insert_cut(fields: &mut Map<String, Value>, key: &str, text: &str) {
    let Some((end, _)) = text.char_indices().nth(MAX_TEXT_CHARS) else {
        fields.insert(key.to_owned(), text.into());
        return;
    };
    fields.insert(key.to_owned(), text.get(..end).unwrap_or_default().into());
    let digest = Fingerprint::sha256(text.as_bytes());
    fields.insert(format!("{key}-sha256"), digest.to_string().into());
}

/// Characters of a text in the details of a row.
const MAX_TEXT_CHARS: usize = 256;
