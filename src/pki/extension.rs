//! The extensions that rcgen cannot write.

use rcgen::CustomExtension;

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

/// One DER element: tag, definite length in its shortest form, content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        // A usize has at most eight octets, so their count fits the seven bits that X.690 8.1.3.5 has for it.
        long => {
            out.push(0x80 | long.iter().fold(0_u8, |count, _| count.saturating_add(1)));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

const SEQUENCE: u8 = 0x30;
/// uniformResourceIdentifier, \[6\] IMPLICIT IA5String.
const URI: u8 = 0x86;
/// id-ad-ocsp, 1.3.6.1.5.5.7.48.1, as an OBJECT IDENTIFIER.
const OCSP: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        assert_eq!(element(4, &[]), [4, 0]);
        assert_eq!(element(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }
}
