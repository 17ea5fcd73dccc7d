//! Trust bundles: PKCS#7 with certificates and without signers (`.p7b`; RFC 5652 section 5, RFC 8551 3.8).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der::{
    Element, INTEGER, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE, constructed, element, sequence,
};
use super::error::X509Error;
use super::pem;

/// The certificates of a file, in DER: of a PKCS#7 bundle in DER or PEM, else as
/// [`pem::certificates`].
///
/// # Errors
/// When there is none, the file is malformed, or a bundle is signed.
pub fn certificates(contents: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    if let Some(bundle) = is_bundle(contents).then(|| contents.to_vec()).or_else(|| armoured(contents)) {
        return in_bundle(&bundle).map_err(|Malformed| X509Error::Bundle);
    }
    pem::certificates(contents)
}

/// A bundle of these certificates, in DER: a "certs-only" message (RFC 8551 section 3.8).
#[must_use]
pub fn encode<'c>(certificates: impl IntoIterator<Item = &'c [u8]>) -> Vec<u8> {
    let certificates: Vec<&[u8]> = certificates.into_iter().collect();
    let signed = sequence(&[
        &element(INTEGER, &[1]),
        &element(SET, &[]),
        &sequence(&[&element(OBJECT_IDENTIFIER, DATA)]),
        &element(constructed(0), &certificates.concat()),
        &element(SET, &[]),
    ]);
    sequence(&[&element(OBJECT_IDENTIFIER, SIGNED_DATA), &element(constructed(0), &signed)])
}

/// Whether it is a ContentInfo with signed data, in DER.
fn is_bundle(contents: &[u8]) -> bool {
    let content = |der| Element::whole(der, SEQUENCE)?.reader().expect(OBJECT_IDENTIFIER);
    content(contents).is_ok_and(|kind| kind.content == SIGNED_DATA)
}

/// The bundle in a PEM file.
fn armoured(contents: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(contents).ok()?;
    let section = ["PKCS7", "CMS"].iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        rest.split_once(&format!("-----END {label}-----")).map(|(section, _)| section)
    })?;
    let digits: String = section.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    // What is no base64 is no bundle either, and is refused as one.
    Some(STANDARD.decode(digits).unwrap_or_default())
}

fn in_bundle(der: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut info = Element::whole(der, SEQUENCE)?.reader();
    info.expect(OBJECT_IDENTIFIER)?;
    let mut signed = info.expect(constructed(0))?.reader().expect(SEQUENCE)?.reader();
    info.finish()?;
    signed.expect(INTEGER)?; // version
    signed.expect(SET)?; // digestAlgorithms
    signed.expect(SEQUENCE)?; // encapContentInfo
    let certificates = signed.expect(constructed(0))?;
    signed.optional(constructed(1))?; // crls
    let signers = signed.expect(SET)?;
    signed.finish()?;
    // A signature that is not verified must not look as if it counted.
    if !signers.content.is_empty() {
        return Err(Malformed);
    }
    let mut reader = Reader::new(certificates.content);
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(reader.expect(SEQUENCE)?.raw.to_vec());
    }
    if found.is_empty() { Err(Malformed) } else { Ok(found) }
}

/// id-signedData, 1.2.840.113549.1.7.2.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// id-data, 1.2.840.113549.1.7.1.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SET: u8 = 0x31;

#[cfg(test)]
mod tests {
    use super::*;
    fn bundle(certificates: &[&[u8]], signers: &[u8]) -> Vec<u8> {
        let data = element(OBJECT_IDENTIFIER, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]);
        let signed = sequence(&[
            &element(INTEGER, &[1]),
            &element(SET, &[]),
            &sequence(&[&data]),
            &element(constructed(0), &certificates.concat()),
            &element(SET, signers),
        ]);
        sequence(&[&element(OBJECT_IDENTIFIER, SIGNED_DATA), &element(constructed(0), &signed)])
    }

    #[test]
    fn n001_2_a_bundle_has_certificates_and_no_signer() {
        let [one, two] = [sequence(&[&element(INTEGER, &[1])]), sequence(&[&element(INTEGER, &[2])])];
        let both = bundle(&[&one, &two], &[]);
        assert_eq!(encode([one.as_slice(), two.as_slice()]), both);
        assert_eq!(certificates(&both), Ok(vec![one.clone(), two.clone()]));
        let text = STANDARD.encode(&both);
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("a title\n-----BEGIN PKCS7-----\n{}\n-----END PKCS7-----\n", lines.join("\n"));
        assert_eq!(certificates(pem.as_bytes()), Ok(vec![one.clone(), two]));
        assert_eq!(certificates(&bundle(&[&one], &one)), Err(X509Error::Bundle));
        assert_eq!(certificates(&bundle(&[], &[])), Err(X509Error::Bundle));
        let broken = pem.replace(lines[0], "?");
        assert_eq!(certificates(broken.as_bytes()), Err(X509Error::Bundle));
        for length in 0..both.len() {
            assert!(certificates(&both[..length]).is_err());
        }
    }
}
