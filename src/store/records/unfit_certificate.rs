//! Devices whose certificates are not issued for what devices do.

use jiff::Timestamp;

use crate::audit::UnfitUses;

/// A device of the directory with a certificate that is issued for other uses, as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitCertificate {
    /// The device, and the uses.
    pub unfit: UnfitUses,
    /// SHA-256 over the certificate, in hexadecimal.
    pub fingerprint: String,
    /// Whether it was admitted, because `tls.key-usage-exceptions` names the device.
    pub admitted: bool,
    /// When.
    pub at: Timestamp,
}
