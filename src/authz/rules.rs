//! Whether a certificate may speak for the identities in a message.

use super::{Device, Directory};
use crate::hl7::Rejection;
use crate::model::DeviceId;
use crate::pcd::{Claim, Claims, DeviceIdentity, IdentityPattern, Vendors};

/// A message names a device that its certificate may not speak for.
///
/// The text does not repeat the identity; the audit row contains it, from the claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message speaks for a device at {} that the certificate may not speak for", claim.location)]
pub struct Violation {
    /// The first claim that is not allowed.
    pub claim: Claim,
}

/// Checks that the certificate may make every claim of a message: its own Common Name, or identities that the
/// directory lists for it.
///
/// # Errors
/// The first claim that it may not make.
pub fn check(device: &Device, directory: &Directory, claims: &Claims) -> Result<(), Violation> {
    match not_allowed(device, directory, claims).next() {
        Some(claim) => Err(Violation { claim: claim.clone() }),
        None => Ok(()),
    }
}

/// The claims that the certificate may not make, in message order. A name counts where it is the Common Name
/// of another device or looks like it ([`Skeleton`](crate::pcd::Skeleton)), MSH-3.2 also where the directory
/// lists it. A pattern for many identities has none that is the name of another entry or looks like it: the
/// list has to spell it.
pub fn not_allowed<'c>(
    device: &Device,
    directory: &Directory,
    claims: &'c Claims,
) -> impl Iterator<Item = &'c Claim> {
    let own = own_identity(device);
    let is_exact = directory.has_case_variant(&device.id);
    // Its list may spell the other device.
    let is_foreign = |other: &DeviceId| *other != device.id && !spells(device, other);
    let is_alike = move |claim: &Claim| directory.alike(claim, is_foreign).is_some();
    let is_device = move |claim: &&Claim| {
        directory.names(&claim.identity)
            || claim.is_universal_id() && directory.lists(&claim.identity)
            || is_alike(claim)
    };
    let names = claims.names.iter().filter(is_device);
    let all = claims.identities.iter().chain(&claims.hidden).chain(names);
    let named = || claims.identities.iter().map(|claim| &claim.identity);
    let listed = device.speaks_for.iter().map(|pattern| (pattern, pattern.vendors(named())));
    let listed: Vec<_> = listed.collect();
    all.filter(move |claim| {
        let is_listed = |(pattern, vendors): &(&IdentityPattern, Vendors<'_>)| {
            pattern.allows_beside(&claim.identity, vendors)
                && !(pattern.is_wide()
                    && (directory.names_other(&device.id, &claim.identity) || is_alike(claim)))
        };
        let is_own = || own.as_ref().is_some_and(|own| is_same(own, &claim.identity));
        // Common Names are compared exactly: another device has the same name in another case.
        let is_written =
            || !is_exact || claim.written.as_deref().is_none_or(|written| written == device.id.as_str());
        !(is_own() && is_written() || listed.iter().any(is_listed))
    })
}

/// Whether the entry has `identity`, by its name or its list. Whether a message may carry it depends on the
/// other entries and on the rest of the message too.
#[must_use]
pub fn may_speak_for(device: &Device, identity: &DeviceIdentity) -> bool {
    own_identity(device).is_some_and(|own| is_same(&own, identity))
        || device.speaks_for.iter().any(|pattern| pattern.allows(identity))
}

/// Whether an entry sends for this device no longer: neither its name nor its list has the device, or only a
/// pattern for many has it, and the device has an entry of its own. `false` where that does not follow from
/// the identity alone, or is not decided by the list: for one that is no EUI-64, and while the entry learns.
#[must_use]
pub fn is_behind_no_longer(device: &Device, directory: &Directory, identity: &DeviceIdentity) -> bool {
    identity.is_eui64() && device.learns_until.is_none() && !speaks_for(device, directory, identity)
}

/// Whether messages of the device may carry `identity`, as far as that follows from the entries: a pattern
/// for many identities speaks for none that has an entry of its own.
#[must_use]
pub fn speaks_for(device: &Device, directory: &Directory, identity: &DeviceIdentity) -> bool {
    let allows =
        |wide| device.speaks_for.iter().any(|pattern| pattern.is_wide() == wide && pattern.allows(identity));
    let is_own = own_identity(device).is_some_and(|own| is_same(&own, identity));
    is_own || allows(false) || allows(true) && !directory.names_other(&device.id, identity)
}

/// Whether the list of a device has the name of another one, not only by a pattern.
fn spells(device: &Device, other: &DeviceId) -> bool {
    let identity = DeviceIdentity::new(other.as_str(), "");
    let has = |pattern: &IdentityPattern| {
        !pattern.is_wide() && identity.as_ref().is_some_and(|identity| pattern.allows(identity))
    };
    device.speaks_for.iter().any(has)
}

fn own_identity(device: &Device) -> Option<DeviceIdentity> {
    DeviceIdentity::new(device.id.as_str(), "")
}

/// Devices write their own name in place of the assigner's too.
fn is_same(own: &DeviceIdentity, identity: &DeviceIdentity) -> bool {
    own.stands_for(identity) || identity.assigner().is_some_and(|assigner| own.stands_for(&assigner))
}

impl From<&Violation> for Rejection {
    fn from(violation: &Violation) -> Self {
        Self::IdentityMismatch(Some(violation.claim.location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{DeviceKind, DeviceStatus};
    use crate::hl7::{AcknowledgeAs, Message};
    use crate::model::DeviceId;
    use crate::pcd::Transaction;

    fn check_message(cn: &str, speaks_for: &[&str], msh3: &str, rest: &str) -> Result<(), String> {
        let text = format!("MSH|^~\\&|{msh3}||||2026||ORU^R01^ORU_R01|1|P|2.6\r{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let device = Device {
            id: DeviceId::parse(cn).unwrap(),
            kind: DeviceKind::Gateway,
            status: DeviceStatus::Active,
            issuers: Vec::new(),
            speaks_for: speaks_for.iter().map(|text| IdentityPattern::from_stored(text).unwrap()).collect(),
            acknowledge: AcknowledgeAs::AsAsked,
            silent_after: None,
            expected: false,
            receives_orders: true,
            note: String::new(),
            learns_until: None,
            about: crate::authz::About::default(),
        };
        let claims = Claims::read(&message, Transaction::of(&message), 8);
        let listed = ["PUMP-9", "1.2.9^ISO"].map(|text| text.parse().unwrap()).to_vec();
        let other = Device { id: DeviceId::parse("PUMP-7").unwrap(), speaks_for: listed, ..device.clone() };
        let further = [OTHER_EUI64, OTHER_UUID].map(|id| Device {
            id: DeviceId::parse(id).unwrap(),
            speaks_for: Vec::new(),
            ..device.clone()
        });
        let directory = [device.clone(), other].into_iter().chain(further);
        check(&device, &directory.collect(), &claims)
            .map_err(|violation| violation.claim.location.to_string())
    }

    const OTHER_EUI64: &str = "00A0370000000042";
    const OTHER_UUID: &str = "46637152-3159-5f31-be9c-86e104aaf384";
    const EQUIPMENT: &str = "OBX|1|NM|1^X|1.0.0.1|5|||||||||||||A^^00A037EB21757810^EUI-64\r";

    // Each UUID needs the vendor beside it, wherever that stands in the message.
    #[test]
    fn the_cost_of_many_uuids_of_a_vendor_is_linear() {
        let patterns = ["uuid:*^001221*", "uuid:*^mindray.com^DNS"];
        let patterns = patterns.map(|pattern| pattern.parse().unwrap()).to_vec();
        let device = Device { speaks_for: patterns, ..crate::store::fixtures::gateway("GW") };
        let directory: Directory = std::iter::once(device.clone()).collect();
        crate::model::work::assert_linear("UUIDs", |parts| {
            let mut text = String::from("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\r");
            for n in 0..parts {
                text += &format!("OBX|{n}|||||||||||||||||{n:08}-59d7-54b7-b500-8d716e5ca2cb\r");
            }
            let vendor = "OBX|0|||||||||||||||||F1^^0012210000000000^EUI-64\r";
            for (text, refused) in [(format!("{text}{vendor}"), false), (text, true)] {
                let message = Message::parse(text.as_bytes()).unwrap();
                let claims = Claims::read(&message, None, usize::MAX);
                assert_eq!(not_allowed(&device, &directory, &claims).count() >= parts, refused);
            }
        });
    }

    #[test]
    fn a_device_speaks_for_itself() {
        assert_eq!(check_message("00A037EB2175780F", &[], "ACME^00-A0-37-EB-21-75-78-0F^EUI64", ""), Ok(()));
        assert_eq!(check_message("ward-7.example", &[], "ACME^WARD-7.example^DNS", ""), Ok(()));
        assert_eq!(check_message("ward-7", &[], "A name", ""), Ok(()), "a name claims nothing");
    }

    #[test]
    fn a_device_does_not_speak_for_another() {
        let refused = Err("MSH[1]-3.2".to_owned());
        assert_eq!(check_message("00A037EB2175780F", &[], "ACME^00A037EB21757810^EUI-64", ""), refused);
        assert_eq!(check_message("00A037EB2175780F", &[], "ACME^00A037EB2175780F00^EUI-64", ""), refused);
        let own = "ACME^00A037EB2175780F^EUI-64";
        assert_eq!(check_message("00A037EB2175780F", &[], own, EQUIPMENT), Err("OBX[1]-18.3".to_owned()));
    }

    #[test]
    fn the_name_of_another_device_is_an_identity() {
        let own = "00A037EB2175780F";
        let equipment = |name: &str| format!("OBX|1|||||||||||||||||{name}^^{own}^EUI-64\r");
        assert_eq!(check_message(own, &[], "PUMP", &equipment("PUMP-8")), Ok(()));
        assert_eq!(check_message(own, &[], "PUMP", &equipment("pump-7")), Err("OBX[1]-18.1".to_owned()));
        assert_eq!(check_message(own, &[], "PUMP-7", ""), Err("MSH[1]-3.1".to_owned()));
        assert_eq!(check_message(own, &["PUMP-7"], "PUMP-7", &equipment("PUMP-7")), Ok(()));
    }

    #[test]
    fn a_manufacturer_does_not_stand_for_its_devices() {
        let unit = "OBX|1|||||||||||||||||F1519^X^mindray.com^DNS\r";
        let refused = Err("OBX[1]-18.3".to_owned());
        assert_eq!(check_message("1", &["mindray.com^DNS"], "A", unit), refused);
        assert_eq!(check_message("1", &["F1519^mindray.com^DNS"], "A", unit), Ok(()));
        assert_eq!(check_message("1", &["*^mindray.com^DNS"], "A", unit), Ok(()));
        assert_eq!(check_message("mindray.com", &[], "A", unit), Ok(()), "its own name as the assigner");
    }

    #[test]
    fn a_product_in_msh_3_2_is_no_device_unless_it_is_listed() {
        for product in ["^Product", "Vendor^Gateway 3.2", "A^1.2.3^ISO", "A^acme.example^DNS", "A^x^L"] {
            assert_eq!(check_message("1", &[], product, ""), Ok(()), "{product}");
        }
        let refused = Err("MSH[1]-3.2".to_owned());
        for device in ["A^PUMP-7", "A^pump-7^DNS", "A^PUMP-9^L", "A^1.2.9^ISO", "A^PUM\\H\\P-7^DNS"] {
            assert_eq!(check_message("1", &[], device, ""), refused, "{device}");
        }
        assert_eq!(check_message("1", &["PUMP-9", "1.2.9^ISO"], "A^1.2.9^ISO", ""), Ok(()));
        for hidden in
            ["A^00A037EB21757810^ISO", "A^00A037EB21757810&x^DNS", "^urn:eui64:00A037EB21757810^URN"]
        {
            assert_eq!(check_message("1", &[], hidden, ""), refused, "{hidden}");
        }
    }

    // Common Names are compared exactly.
    #[test]
    fn a_name_in_another_case_is_that_of_another_device() {
        let equipment = |name: &str| format!("OBX|1|||||||||||||||||{name}^^{name}^DNS\r");
        let refused = Err("OBX[1]-18.3".to_owned());
        assert_eq!(check_message("pump-7", &[], "A", &equipment("PUMP-7")), refused);
        assert_eq!(check_message("pump-7", &[], "A", &equipment("pump-7")), Ok(()));
        assert_eq!(check_message("pump-7", &[], "PUMP-7", ""), Err("MSH[1]-3.1".to_owned()));
        assert_eq!(check_message("PUMP-7", &[], "A", &equipment("pump-7")), Ok(()), "there is no other");
        assert_eq!(check_message("pump-7", &["PUMP-7"], "PUMP-7", ""), Ok(()), "the operator allows it");
    }

    // A wrapped header is joined, but not by every reader.
    #[test]
    fn an_identity_that_only_other_readers_find_counts() {
        let own = "00A037EB2175780F0001";
        assert_eq!(check_message(own, &[own], "A^00A037EB2175780F\r0001", ""), Err("MSH[1]-3.2".to_owned()));
    }

    // Readers of lines break them at more than a carriage return (Python's splitlines, Java's Scanner).
    #[test]
    fn an_observation_behind_any_line_break_counts() {
        let own = "00A037EB2175780F";
        let breaks = [
            "\n", "\u{B}", "\u{C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{1F}", "\u{85}", "\u{2028}", "\u{2029}",
        ];
        for end in breaks {
            let hidden = format!("NTE|1||a note{end}OBX|2|||||||||||||||||X^^{OTHER_EUI64}^EUI-64\r");
            assert!(check_message(own, &[], "A", &hidden).is_err(), "{end:?}");
            let text = format!("NTE|1||a note{end}of two lines\r");
            assert_eq!(check_message(own, &[], "A", &text), Ok(()), "{end:?}");
        }
    }

    #[test]
    fn a_gateway_speaks_for_its_listed_devices() {
        let own = "GATEWAY^0000000000000001^EUI-64";
        for listed in ["00A037EB21757810", "00A037*", "*"] {
            assert_eq!(check_message("0000000000000001", &[listed], own, EQUIPMENT), Ok(()), "{listed}");
        }
        let refused = check_message("0000000000000001", &["00A038*"], own, EQUIPMENT);
        assert_eq!(refused, Err("OBX[1]-18.3".to_owned()));
    }

    /// A stolen certificate of a gateway must not become that of every device of a manufacturer.
    #[test]
    fn no_pattern_has_the_name_of_another_entry() {
        let equipment = |entity: &str| format!("OBX|1|||||||||||||||||{entity}\r");
        let system = |uuid: &str| format!("OBX|1|ST|67972^MDC_ATTR_SYS_ID^MDC|1.1.0.9|{uuid}\r");
        let refused = Err("OBX[1]-18.3".to_owned());
        let other = equipment(&format!("X^^{OTHER_EUI64}^EUI-64"));
        assert_eq!(check_message("1", &["00A037*"], "A", &other), refused);
        assert_eq!(check_message("1", &["00A037*", OTHER_EUI64], "A", &other), Ok(()), "the list spells it");
        assert_eq!(check_message("1", &["*"], "A", &other), Ok(()), "--any is every device");
        // Its EUI-64 and its name, dressed up as units.
        let mac = equipment(&format!("{OTHER_EUI64}^^acme.example^DNS"));
        assert_eq!(check_message("1", &["*^acme.example^DNS"], "A", &mac), Err("OBX[1]-18.1".to_owned()));
        let unit = equipment("PUMP-7^^acme.example^DNS");
        assert!(check_message("1", &["*^acme.example^DNS"], "A", &unit).is_err());
        assert!(check_message("1", &["*^PUMP-7^DNS"], "A", &equipment("X^^PUMP-7^DNS")).is_err());
        assert_eq!(
            check_message("1", &["*^acme.example^DNS"], "A", &equipment("X^^acme.example^DNS")),
            Ok(())
        );
        let vendor = "OBX|2|||||||||||||||||I5^^0012210000000000^EUI-64\r";
        let list = ["0012210000000000", "uuid:*^001221*"];
        let own = system(OTHER_UUID) + vendor;
        assert_eq!(check_message("1", &list, "A", &own), Err("OBX[1]-5.1".to_owned()));
        let new = system("3107c7c4-59d7-54b7-b500-8d716e5ca2cb");
        assert_eq!(check_message("1", &list, "A", &(new.clone() + vendor)), Ok(()));
        assert_eq!(check_message("1", &list, "A", &new), Err("OBX[1]-5.1".to_owned()), "without the vendor");
    }

    /// A UUID of another entry is protected in every spelling, in every component and subcomponent.
    #[test]
    fn no_pattern_has_a_spelling_of_the_uuid_or_the_namespace_name_of_another_entry() {
        let equipment = |entity: &str| format!("OBX|1|||||||||||||||||{entity}\r");
        let list = ["0012210000000001", "uuid:*^001221*", "uuid:*^mindray.com^DNS", "*^mindray.com^DNS"];
        let check = |entity: &str| check_message("1", &list, "A", &equipment(entity));
        let plain = OTHER_UUID.replace('-', "");
        let spellings = [
            OTHER_UUID.to_owned(),
            OTHER_UUID.to_uppercase(),
            plain.clone(),
            format!("{{{OTHER_UUID}}}"),
            format!("urn:uuid:{OTHER_UUID}"),
            format!("3107c7c4-59d7-54b7-b500-8d716e5ca2cb&{OTHER_UUID}"),
            format!("3107c7c4-59d7-54b7-b500-8d716e5ca2cb&x&{plain}"),
        ];
        for uuid in &spellings {
            for entity in [
                format!("{uuid}^^0012210000000001^EUI-64"),
                format!("{uuid}^^mindray.com^DNS"),
                format!("F1^{uuid}^mindray.com^DNS"),
                format!("F1^^mindray.com^DNS^{uuid}"),
                format!("F1^^mindray.com&{uuid}^DNS"),
            ] {
                assert!(check(&entity).is_err(), "{entity}");
            }
        }
        for entity in
            ["F1^PUMP-7^mindray.com^DNS", "F1^x&pump-7^mindray.com^DNS", "F1^^mindray.com^DNS^PUMP-7"]
        {
            assert!(check(entity).is_err(), "{entity}");
        }
        let filler = "OBR|1||1^PUMP-7^0012210000000001^EUI-64\r";
        assert_eq!(check_message("1", &list, "A", filler), Err("OBR[1]-3.2".to_owned()));
        let new = "3107c7c459d754b7b5008d716e5ca2cb";
        for entity in [format!("{new}^X^0012210000000001^EUI-64"), format!("{{{new}}}^X^mindray.com^DNS")] {
            assert_eq!(check(&entity), Ok(()), "{entity}");
        }
        // The entry itself may use any spelling.
        for uuid in &spellings[..5] {
            assert_eq!(check_message(OTHER_UUID, &[], "A", &equipment(uuid)), Ok(()), "{uuid}");
        }
    }

    #[test]
    fn a_violation_is_reported_without_the_identity() {
        let identity = DeviceIdentity::new("SECRET", "").unwrap();
        let location = crate::hl7::Location::component(*b"MSH", 1, 3, 2);
        let claim =
            Claim { place: crate::pcd::Place::Filler, location, identity, written: None, encoded: None };
        let violation = Violation { claim };
        assert!(!violation.to_string().contains("SECRET"));
        let rejection = Rejection::from(&violation);
        assert_eq!((rejection.code(), rejection.error_code().0), ("identity-mismatch", "207"));
    }
}
