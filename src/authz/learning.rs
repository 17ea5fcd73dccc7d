//! Which identities a device may learn: those that no other entry has.
//!
//! While a device learns, its messages may name devices that are not in its list yet. An identity of another
//! entry is refused as ever: the holder of one enrolled certificate must not learn another device. So is one
//! in which readers may find different devices, or which looks like another one.

use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;

use super::rules::{self, Violation};
use super::{Device, Directory};
use crate::model::DeviceId;
use crate::pcd::{Claims, DeviceIdentity, IdentityPattern, Skeleton};

/// The entry of the directory that has an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'d> {
    /// It is the Common Name of this entry, or looks like it.
    Name(&'d DeviceId),
    /// The list of this entry has it, or one that it looks like.
    List(&'d DeviceId),
}

/// Why an identity is not learnt, and not allowed without an operator who spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlearnable<'d> {
    /// Another entry has it.
    Held(Holder<'d>),
    /// Its text is not [plain](DeviceIdentity::is_plain).
    NotPlain,
}

/// Whether the identities in messages of this device are learnt at this time. A device with a list is
/// enforced, and so is one whose time is over.
#[must_use]
pub fn is_learning(device: &Device, at: Timestamp) -> bool {
    device.speaks_for.is_empty() && device.learns_until.is_some_and(|until| at < until)
}

/// The first claim of a device that learns which it may not make all the same: the identity is not
/// [learnable](Directory::learnable), or only some readers would find it in the message.
///
/// # Errors
/// With that claim.
pub fn check(device: &Device, directory: &Directory, claims: &Claims) -> Result<(), Violation> {
    let open: HashSet<_> = claims.identities.iter().map(|claim| &claim.identity).collect();
    let is_open = |identity: &DeviceIdentity| open.contains(identity);
    let refused = rules::not_allowed(device, directory, claims)
        .find(|claim| !is_open(&claim.identity) || directory.learnable(&device.id, &claim.identity).is_err());
    match refused {
        Some(claim) => Err(Violation { claim: claim.clone() }),
        None => Ok(()),
    }
}

impl Directory {
    /// Whether the entry `id` may learn `identity`, and be proposed it.
    ///
    /// # Errors
    /// When another entry has it, or readers may see another device in its text.
    pub fn learnable(&self, id: &DeviceId, identity: &DeviceIdentity) -> Result<(), Unlearnable<'_>> {
        match self.holder(id, identity) {
            Some(holder) => Err(Unlearnable::Held(holder)),
            None if identity.is_plain() => Ok(()),
            None => Err(Unlearnable::NotPlain),
        }
    }

    /// Another entry than `id` that has `identity`, active or suspended. `--any` is not counted: it has every
    /// identity.
    #[must_use]
    pub fn holder(&self, id: &DeviceId, identity: &DeviceIdentity) -> Option<Holder<'_>> {
        self.other_name_or_alike(id, identity).map(Holder::Name).or_else(|| {
            let wide = self.wide().filter(|(_, pattern)| has_any_spelling(pattern, identity));
            let wide = wide.map(|(other, _)| other);
            let exact = self.listing(identity).chain(wide).find(|other| *other != id);
            exact.or_else(|| self.other_listing_alike(id, identity)).map(Holder::List)
        })
    }
}

/// Whether a pattern has the identity, or an EUI-64 that it spells.
fn has_any_spelling(pattern: &IdentityPattern, identity: &DeviceIdentity) -> bool {
    let has = |skeleton: Skeleton<'_>| match skeleton {
        Skeleton::Eui64 { number, .. } => pattern.allows(&DeviceIdentity::Eui64(number)),
        Skeleton::Name(_) => false,
    };
    pattern.allows(identity) || identity.skeletons(None, has)
}

impl fmt::Display for Unlearnable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(holder) => holder.fmt(f),
            Self::NotPlain => f.write_str(
                "readers may see another device in it, for it has characters besides ASCII letters, digits, \
                 blanks and . - _ : / ( ) + @",
            ),
        }
    }
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(id) => write!(f, "it is device {id} of the directory, or looks like it"),
            Self::List(id) => write!(f, "device {id} speaks for it, or for one that looks like it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;
    use crate::pcd::Transaction;
    use crate::store::fixtures::gateway;

    const OTHER: &str = "00A037EB2175780F";

    fn directory() -> (Device, Directory) {
        let until = Timestamp::from_second(4_000_000_000).ok();
        let entry = |id: &str, list: &[&str]| Device {
            speaks_for: list.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            ..gateway(id)
        };
        let learner = Device { learns_until: until, ..entry("GW", &[]) };
        let list = ["*^mindray.com^DNS", "0009FBFFFF059399", "001221*"];
        let others = [entry(OTHER, &[]), entry("PUMP-7", &[]), entry("UGW", &list)];
        (learner.clone(), others.into_iter().chain([learner]).collect())
    }

    fn learns(separators: &str, equipment: &str) -> Result<(), String> {
        let (device, directory) = directory();
        let text = format!(
            "MSH|{separators}|A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||UNICODE UTF-8\r\
             OBX|1|||||||||||||||||{equipment}\r"
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let claims = Claims::read(&message, Transaction::of(&message), 64);
        check(&device, &directory, &claims).map_err(|violation| violation.claim.identity.to_string())
    }

    // HAPI and most readers take the first subcomponent.
    #[test]
    fn an_identity_in_which_a_reader_may_find_another_device_is_not_learnt() {
        for equipment in [
            &format!("{OTHER}&Q^^^EUI-64"),
            &format!("{OTHER}&Q^EUI-64"),
            &format!("X^^{OTHER}&Q^EUI-64"),
            &format!("{OTHER}\\T\\Q^^^EUI-64"),
            "PUMP-7&x",
            "x&PUMP-7",
            "NEW&x",
            "F1^^mindray.com&x^DNS",
            "F1^^mindray.com.^DNS",
            "F1^^acme.example^DNS&x",
            "N*W",
            // Plain, but another entry speaks for it, or has its name.
            "EUI-64:0009FBFFFF059399",
            "9FBFFFF059399",
            "(PUMP-7)",
            "EUI-64:001221FFFE000001",
            // CYRILLIC CAPITAL LETTER A
            "00\u{410}037EB2175780F",
            "00\u{410}037EB2175780F^^^EUI-64",
            "P\u{dc}MP-8",
        ] {
            assert!(learns("^~\\&", equipment).is_err(), "{equipment}");
        }
        assert!(learns("^~\\#", "PUMP-7#x").is_err(), "other separators");
        assert!(learns("^~\\#", "NEW#x").is_err());
    }

    #[test]
    fn plain_identities_are_learnt() {
        for equipment in [
            "0009FBFFFF059322",
            "P1^^0009FBFFFF059322^EUI-64",
            "F1519^X^acme.example^DNS",
            "Ward 7 (east)",
            "080019FFFE3ED02D172.16.172.135",
            "e86c094f-f751-4acf-92b2-38f11c1f6f57-Device",
            "{e86c094f-f751-4acf-92b2-38f11c1f6f57}^^urn:oid:1.2.3^URN",
        ] {
            assert_eq!(learns("^~\\&", equipment), Ok(()), "{equipment}");
        }
    }
}
