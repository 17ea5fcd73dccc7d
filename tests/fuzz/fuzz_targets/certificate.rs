//! Certificates of peers, before anything is verified: the outline, the whole contents, and names in the form
//! that is compared. No panic, and no input costs more than its length.

#![no_main]

#[path = "cost.rs"]
mod cost;

use libfuzzer_sys::fuzz_target;
use pcd_platform::x509::{CertificateFacts, CertificateOutline, ComparableName, CrlFacts, DistinguishedName};

fuzz_target!(|bytes: &[u8]| {
    cost::bounded(bytes.len(), || {
        if let Ok(outline) = CertificateOutline::read(bytes) {
            let _ = outline.key();
            for name in [outline.issuer, outline.subject] {
                let name = ComparableName::new(name);
                assert!(name.matches(name.as_der()));
            }
        }
        if let Ok(facts) = CertificateFacts::read(bytes) {
            let _ = (facts.device_id(), facts.subject.to_string());
            assert!(CertificateOutline::read(bytes).is_ok());
        }
        let _ = CrlFacts::read(bytes);
        if let Some(name) = DistinguishedName::read(bytes) {
            let _ = (name.device_id(), name.to_string());
            assert_eq!(name.comparable(), ComparableName::new(bytes));
        }
    });
});
