//! What `check` says about the certificates of known devices, as they were seen last.

use super::text::{counted, printable};
use crate::audit::{UnfitUses, UsageField};
use crate::store::UnfitCertificate;

/// One sentence for each device whose certificate is not issued for what devices do.
pub(super) fn unfit_devices(known: &[UnfitCertificate]) -> Vec<String> {
    let mut sentences: Vec<String> = known.iter().take(LISTED).map(sentence).collect();
    let others = known.len().saturating_sub(LISTED);
    if others > 0 {
        let devices = counted(u64::try_from(others).unwrap_or(u64::MAX), "further device");
        sentences.push(format!("{devices} with such certificates: the audit trail names them"));
    }
    sentences
}

fn sentence(UnfitCertificate { unfit, fingerprint, admitted, at }: &UnfitCertificate) -> String {
    let UnfitUses { device, field, uses } = unfit;
    let (allows, lacks) = match field {
        UsageField::KeyUsage => ("key usage", "digitalSignature"),
        UsageField::ExtendedKeyUsage => ("extended key usage", "clientAuth"),
    };
    let uses = if uses.is_empty() { "other uses" } else { uses };
    let then = match (field, admitted) {
        (_, true) => {
            "it was admitted because tls.key-usage-exceptions names it: issue a new certificate, and remove it \
             from there afterwards"
        }
        (UsageField::KeyUsage, false) => {
            "it was refused (wrong-purpose): issue a new certificate, and admit it until then by \
             tls.key-usage-exceptions"
        }
        (UsageField::ExtendedKeyUsage, false) => "it was refused (wrong-purpose): issue a new certificate",
    };
    format!(
        "{}: the {allows} of its certificate {fingerprint} is {} and lacks {lacks}, seen at {at}; {then}",
        printable(device.as_str()),
        printable(uses)
    )
}

/// How many devices are listed by name: more of them have one cause, such as a template of a CA.
const LISTED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: usize, field: UsageField, admitted: bool) -> UnfitCertificate {
        let device = format!("PUMP-{number}").parse().unwrap();
        UnfitCertificate {
            unfit: UnfitUses::new(device, field, "keyEncipherment"),
            fingerprint: "c0ffee".to_owned(),
            admitted,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_sentence_says_what_to_do_with_the_certificate_of_a_device() {
        use UsageField::{ExtendedKeyUsage, KeyUsage};
        let of = |field, admitted| unfit_devices(&[known(1, field, admitted)]).remove(0);
        assert_eq!(
            of(KeyUsage, false),
            "PUMP-1: the key usage of its certificate c0ffee is keyEncipherment and lacks digitalSignature, seen at \
             1970-01-01T00:00:00Z; it was refused (wrong-purpose): issue a new certificate, and admit it until then by \
             tls.key-usage-exceptions"
        );
        assert!(of(KeyUsage, true).contains("admitted because tls.key-usage-exceptions names it"));
        let purpose = of(ExtendedKeyUsage, false);
        assert!(purpose.contains("lacks clientAuth") && purpose.ends_with("issue a new certificate"));
    }

    #[test]
    fn many_devices_are_counted() {
        let all: Vec<_> = (0..LISTED + 2).map(|number| known(number, UsageField::KeyUsage, false)).collect();
        let sentences = unfit_devices(&all);
        assert_eq!(sentences.len(), LISTED + 1);
        assert!(sentences[LISTED].starts_with("2 further devices"), "{}", sentences[LISTED]);
    }
}
