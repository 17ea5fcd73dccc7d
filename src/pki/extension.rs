//! Certificate extensions that rcgen does not write.

use rcgen::CustomExtension;

use crate::x509::der::{SEQUENCE, element};

/// authorityInfoAccess (RFC 5280 4.2.2.1) with one OCSP description for each URL.
pub(super) fn ocsp_access(urls: &[String]) -> CustomExtension {
    let describe = |url: &String| {
        let location = element(URI, url.as_bytes());
        element(SEQUENCE, &[OCSP, &location].concat())
    };
    let descriptions: Vec<u8> = urls.iter().flat_map(describe).collect();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], element(SEQUENCE, &descriptions))
}

/// The TLS feature extension (RFC 7633) for status_request and status_request_v2.
pub(super) fn must_staple() -> CustomExtension {
    let features = [[0x02, 0x01, 5], [0x02, 0x01, 17]].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], element(SEQUENCE, &features))
}

/// uniformResourceIdentifier, \[6\] IMPLICIT IA5String.
const URI: u8 = 0x86;
/// id-ad-ocsp, 1.3.6.1.5.5.7.48.1, as an OBJECT IDENTIFIER.
const OCSP: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
