//! Keys and certificate requests for another CA. The key is generated here and stays here.

use std::path::{Path, PathBuf};

use rcgen::CertificateParams;

use super::certify;
use super::error::PkiError;
use super::file::{self, Access};
use super::key::{self, KeyFamily, KeyType};
use super::subject::Subject;
use crate::model::DeviceId;

/// The specification of a PKCS#10 request and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrder {
    /// The Common Name.
    pub common_name: DeviceId,
    /// The rest of the subject.
    pub subject: Subject,
    /// The family of the key to generate.
    pub key: KeyFamily,
    /// DNS names and IP addresses for subjectAltName.
    pub sans: Vec<String>,
}

/// The files of a request and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The request, PEM: for the CA.
    pub request: PathBuf,
    /// The key, PKCS#8 PEM, mode 0600: stays here.
    pub key: PathBuf,
}

impl RequestOrder {
    /// Generates the key and the request as `CN.KEY.key` and `CN.KEY.csr` in `folder`. Never overwrites a
    /// key, because a certificate for it may be pending.
    ///
    /// # Errors
    /// When the key exists, the folder cannot be written, or a name is neither a DNS name nor an IP address.
    pub fn make(&self, folder: &Path) -> Result<Requested, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = self.subject.with_common_name(&self.common_name);
        params.subject_alt_names =
            self.sans.iter().map(|name| certify::alt_name(name)).collect::<Result<_, _>>()?;
        let kind = KeyType::from(self.key);
        let pair = key::generate(kind)?;
        let request = params.serialize_request(&pair).and_then(|request| request.pem());
        let request = request.map_err(PkiError::make("a certificate request"))?;

        file::folder(folder)?;
        let stem = format!("{}.{}", file::file_stem(&[self.common_name.as_str()]), kind.as_str());
        let requested = Requested {
            request: folder.join(format!("{stem}.csr")),
            key: folder.join(format!("{stem}.key")),
        };
        file::create(&requested.key, key::pem(&pair).as_bytes(), Access::Private)?;
        file::replace(&requested.request, request.as_bytes(), Access::Public)?;
        Ok(requested)
    }
}
