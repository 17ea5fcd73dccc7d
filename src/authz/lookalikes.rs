//! Names that look like one of a set.

use std::collections::HashMap;

use crate::hl7::by_every_set;
use crate::model::DeviceId;
use crate::pcd::{Claim, DeviceIdentity, Skeleton, skeletons, text_skeletons};

/// The names of entries by their [skeletons](Skeleton).
#[derive(Debug, Clone, Default)]
pub(super) struct Lookalikes {
    names: HashMap<Box<str>, Vec<DeviceId>>,
    eui64: HashMap<u64, Vec<DeviceId>>,
}

impl Lookalikes {
    /// Adds a Common Name.
    pub(super) fn add_name(&mut self, id: &DeviceId) {
        if let Some(identity) = DeviceIdentity::new(id.as_str(), "").filter(DeviceIdentity::is_eui64) {
            return self.add_identity(&identity, id);
        }
        skeletons(id.as_str(), |skeleton| {
            self.add(skeleton, id);
            false
        });
    }

    /// Adds an identity for which an entry speaks.
    pub(super) fn add_identity(&mut self, identity: &DeviceIdentity, id: &DeviceId) {
        identity.whole_skeletons(|skeleton| {
            self.add(skeleton, id);
            false
        });
    }

    fn add(&mut self, skeleton: Skeleton<'_>, id: &DeviceId) {
        let entries = match skeleton {
            Skeleton::Name(name) => self.names.entry(name.into()).or_default(),
            // A serial number of ten digits is no EUI-64 without its zeros.
            Skeleton::Eui64 { is_whole: false, .. } => return,
            Skeleton::Eui64 { number, .. } => self.eui64.entry(number).or_default(),
        };
        if !entries.contains(id) {
            entries.push(id.clone());
        }
    }

    /// The first entry that `counts` and has a name that an identity, or a part of it, looks like.
    pub(super) fn find(
        &self,
        identity: &DeviceIdentity,
        written: Option<&str>,
        counts: impl Fn(&DeviceId) -> bool,
    ) -> Option<&DeviceId> {
        let mut found = None;
        identity.skeletons(written, |skeleton| {
            found = self.with(skeleton, &counts);
            found.is_some()
        });
        found
    }

    fn with(&self, skeleton: Skeleton<'_>, counts: impl Fn(&DeviceId) -> bool) -> Option<&DeviceId> {
        let entries = match skeleton {
            Skeleton::Name(name) => self.names.get(name),
            Skeleton::Eui64 { number, .. } => self.eui64.get(&number),
        };
        entries?.iter().find(|id| counts(id))
    }

    /// The same of a claim, by whatever character set its bytes are read.
    pub(super) fn find_claimed(
        &self,
        claim: &Claim,
        counts: impl Fn(&DeviceId) -> bool,
    ) -> Option<&DeviceId> {
        let by_text = self.find(&claim.identity, claim.written.as_deref(), &counts);
        by_text.or_else(|| self.find_encoded(&claim.encoded.as_ref()?.bytes, counts))
    }

    /// The same of the bytes of a name.
    pub(super) fn find_encoded(
        &self,
        encoded: &[u8],
        counts: impl Fn(&DeviceId) -> bool,
    ) -> Option<&DeviceId> {
        by_every_set(encoded).iter().find_map(|text| {
            let mut found = None;
            text_skeletons(text, |skeleton| {
                found = self.with(skeleton, &counts);
                found.is_some()
            });
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::authz::{Device, Directory, rules};
    use crate::hl7::Message;
    use crate::pcd::{Claims, Transaction};
    use crate::store::fixtures::gateway;

    const OTHER: &str = "00A037EB2175780F";

    fn entry(id: &str, list: &[&str]) -> Device {
        Device { speaks_for: list.iter().map(|pattern| pattern.parse().unwrap()).collect(), ..gateway(id) }
    }

    fn check(device: &Device, others: &[Device], body: &str) -> Result<(), String> {
        let text = format!("MSH|^~\\&|{body}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut claims = Claims::read(&message, Transaction::of(&message), 64);
        let directory: Directory = others.iter().chain([device]).cloned().collect();
        claims.take_listed(|identity| directory.names(identity) || directory.lists(identity));
        rules::check(device, &directory, &claims).map_err(|violation| violation.claim.location.to_string())
    }

    /// Messages that name one device in a field for names.
    fn bodies(name: &str, own: &str) -> [String; 8] {
        let rest = "||||2026||ORU^R01^ORU_R01|1|P|2.6||||||UNICODE UTF-8";
        let equipment = "OBX|1|||||||||||||||||";
        let unit = "^mindray.com^DNS";
        [
            format!("{name}{rest}\r"),
            format!("A^{name}{rest}\r"),
            format!("A|{name}||{rest}\r").replace("||||||2026", "|||2026"),
            format!("A{rest}\r{equipment}{own}^{name}\r"),
            format!("A{rest}\r{equipment}{own}^^^{name}\r"),
            format!("A{rest}\r{equipment}F1^{name}{unit}\r"),
            format!("A{rest}\r{equipment}{name}^{unit}\r"),
            format!("A{rest}\rOBR|1||1^{name}\r"),
        ]
    }

    fn check_bytes(
        device: &Device,
        others: &[Device],
        body: &str,
        set: &str,
        name: &[u8],
    ) -> Result<(), String> {
        let text = format!("MSH|^~\\&|{body}").replace("UNICODE UTF-8", set);
        let (before, behind) = text.split_once("@NAME@").unwrap();
        let bytes = [before.as_bytes(), name, behind.as_bytes()].concat();
        let message = Message::parse(&bytes).unwrap();
        let mut claims = Claims::read(&message, Transaction::of(&message), 64);
        let directory: Directory = others.iter().chain([device]).cloned().collect();
        claims.take_listed(|identity| directory.names(identity) || directory.lists(identity));
        rules::check(device, &directory, &claims).map_err(|violation| violation.claim.location.to_string())
    }

    // Many receivers read UTF-8, or the set of their own country, whatever MSH-18 says.
    #[test]
    fn no_name_that_another_decoder_takes_for_another_device_is_accepted_anywhere() {
        let own = entry("GW", &["*^mindray.com^DNS"]);
        let others = [OTHER, "MONITOR-7", "ward 8", "Пост-7", "Süd"].map(|id| entry(id, &[]));
        let names: [&[u8]; 15] = [
            "MONITOR\u{2013}7".as_bytes(),
            "ward\u{A0}8".as_bytes(),
            "\u{41C}\u{41E}NITOR-7".as_bytes(),
            "Пост-7".as_bytes(),
            b"\xCC\xCENITOR-7",
            b"\xBC\xBENITOR-7",
            b"\xED\xEFNITOR-7",
            b"\xCF\xEE\xF1\xF2-7",
            b"\xA3\xCD\xA3\xCF\xA3\xCE\xA3\xC9\xA3\xD4\xA3\xCF\xA3\xD2\xA3\xAD\xA3\xB7",
            b"MONITOR\xAD7",
            b"MONITOR\x967",
            b"ward\xA08",
            b"S\xFCd",
            b"S\x9Fd",
            b"\xC1\x8DONITOR-7",
        ];
        for set in ["", "8859/1", "8859/5", "8859/7", "UNICODE UTF-8", "KS X 1001"] {
            for name in names {
                for body in bodies("@NAME@", "GW") {
                    let result = check_bytes(&own, &others, &body, set, name);
                    assert!(result.is_err(), "{set:?} {:?} {body:?}", String::from_utf8_lossy(name));
                }
            }
            for name in ["Müller Pumpe", "监护仪-12", "Монитор 7", "MONITOR\u{2013}8"] {
                let body = &bodies("@NAME@", "GW")[0];
                assert_eq!(check_bytes(&own, &others, body, set, name.as_bytes()), Ok(()), "{set:?} {name}");
            }
        }
        // A device may name itself, whatever others take that for.
        let own = entry("Süd", &[]);
        let others = [entry("SГјd", &[]), entry("GW", &[])];
        let body = &bodies("@NAME@", "Süd")[0];
        assert_eq!(check_bytes(&own, &others, body, "UNICODE UTF-8", "Süd".as_bytes()), Ok(()));
        assert_eq!(check_bytes(&own, &others, body, "8859/1", b"S\xFCd"), Ok(()));
    }

    // The sets of ISO 2022 in seven bits, as bytes and as the sequences of HL7.
    #[test]
    fn no_name_in_shifted_sets_that_is_read_as_another_device_is_accepted_anywhere() {
        let own = entry("GW", &["*^mindray.com^DNS"]);
        let others = [OTHER, "MONITOR-7", "Пост-7"].map(|id| entry(id, &[]));
        let names: [&[u8]; 10] = [
            b"\x1B$B#M\x1B(BONITOR-7",
            b"\x1B$@#M\x1B(JONITOR-7",
            b"MONITOR\x1B$B!]#7\x1B(B",
            b"\x1B$)C\x0E#M#O\x0FNITOR-7",
            b"\x1B$)A\x0E#M\x0FONITOR-7",
            b"\x1B.F\x1BNLONITOR-7",
            b"\x1B$B#M#O#N\x1B(BITOR-\x1B(B7",
            br"\M2442\#M\C2842\ONITOR-7",
            br"\m2442\\X234D\\c2842\ONITOR-7",
            br"MONITOR-\M2442\#7\C2842\",
        ];
        let sets = ["", "8859/1", "8859/1~ISO IR87", "UNICODE UTF-8", "UNICODE UTF-8~ISO IR87", "ISO IR87"];
        for set in sets {
            for name in names {
                for body in bodies("@NAME@", "GW") {
                    let result = check_bytes(&own, &others, &body, set, name);
                    assert!(result.is_err(), "{set:?} {:?} {body:?}", String::from_utf8_lossy(name));
                }
            }
            for name in [&b"\x1B$B#M\x1B(BONITOR-8"[..], b"\x1B$B<<\x1B(B 7", br"\M2442\<<\C2842\ 7"] {
                let body = &bodies("@NAME@", "GW")[0];
                assert_eq!(check_bytes(&own, &others, body, set, name), Ok(()), "{set:?} {name:?}");
            }
        }
    }

    // Such a name may be that of any device.
    #[test]
    fn no_name_in_a_set_without_a_decoder_is_accepted_anywhere() {
        let own = entry("GW", &["*^mindray.com^DNS"]);
        let others = [entry("MONITOR-7", &[])];
        let names: [&[u8]; 5] = [
            b"\x1B$(E*M\x1B(BONITOR-7",
            b"\x1B$*H\x1BN!!",
            b"\x1B)B\x0EMONITOR-7\x0F",
            b"\x1B(NX\x1B(BONITOR-7",
            br"\M2428 45\*M\C2842\ONITOR-7",
        ];
        for set in ["", "8859/1", "UNICODE UTF-8", "CNS 11643-1992", "ISO IR87"] {
            for name in names {
                for body in bodies("@NAME@", "GW") {
                    let result = check_bytes(&own, &others, &body, set, name);
                    assert!(result.is_err(), "{set:?} {:?} {body:?}", String::from_utf8_lossy(name));
                }
            }
            // The first plane of CNS 11643 has a decoder; a report may have sequences for a printer.
            for (name, is_allowed) in [(&b"\x1B$(G$M\x1B(BONITOR-7"[..], false), (b"\x1B$(GEf\x1B(B 7", true)]
            {
                let body = &bodies("@NAME@", "GW")[0];
                assert_eq!(
                    check_bytes(&own, &others, body, set, name).is_ok(),
                    is_allowed,
                    "{set:?} {name:?}"
                );
            }
            let body = "A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||UNICODE UTF-8\rNTE|1||@NAME@\r";
            let printed = b"\x1B(s0Bresult\x1B&l0O";
            assert_eq!(check_bytes(&own, &others, body, set, printed), Ok(()), "{set:?}");
        }
    }

    #[test]
    fn no_name_that_looks_like_another_device_is_accepted_anywhere() {
        let own = entry("GW", &["*^mindray.com^DNS"]);
        let uuid = "7a7a7a7a-1111-4222-8333-444444444444";
        let others = [OTHER, "MONITOR-7", "Bed 7", "KARL-1", uuid, "Пост-7"].map(|id| entry(id, &[]));
        for name in [
            "{00A037EB2175780F}",
            "EUI-64:00A037EB2175780F",
            "eui-00A037EB2175780F",
            "A037EB2175780F",
            "00A037EB2175780FH",
            "00/A0/37/EB/21/75/78/0F",
            "urn:eui64:00A037EB2175780F#1",
            "00\u{410}037EB2175780F",
            "MONITOR-7\0x",
            "MONI\u{1F}TOR-7",
            "\u{1F}MONITOR-7",
            "00A037EB\u{1F}2175780F",
            "Bed\u{3164}7",
            "MONITOR\u{30FC}7",
            "MONITOR\u{AD}7",
            "urn:ieee:eui64:00A037EB2175780F",
            "did:mac:00A037EB2175780F",
            "0x00A037EB2175780FL",
            "urn:eui64:%30%30A037EB2175780F",
            "urn:x:%2530%2530A037EB2175780F",
            "MONITOR%2D7",
            "urn:uuid:%37a7a7a7a-1111-4222-8333-444444444444",
            "\u{202E}7-ROTINOM\u{202C}",
            "MX\u{8}ONITOR-7",
            "MONITOR\u{2011}7",
            "\u{1D5E0}ONITOR-7",
            "MONITOR-7.",
            "Bed\u{A0}7",
            "Bed  7",
            "Bed\t7",
            "\u{212A}ARL-1",
            "{7a7a7a7a-1111-4222-8333-444444444444}",
            "7a7a7a7a\u{2010}1111\u{2010}4222\u{2010}8333\u{2010}444444444444",
            "\u{41F}\u{3BF}\u{441}\u{442}-7",
        ] {
            for body in bodies(name, "GW") {
                assert!(check(&own, &others, &body).is_err(), "{body:?}");
            }
        }
        for plain in ["MONITOR_7", "MONITOR-8", "Bed7", "Bed 70", "A037EB21757810", "Пост-8", "1234567890"]
        {
            for body in bodies(plain, "GW") {
                assert_eq!(check(&own, &others, &body), Ok(()), "{body:?}");
            }
        }
    }

    #[test]
    fn an_assigner_without_a_type_is_a_name_beside_the_own_identity() {
        let (own, others) = (entry("00A037FFFE000002", &[]), [entry("MONITOR-7", &[])]);
        for (name, is_allowed) in [("MONITOR-7", false), ("MONITOR\u{2011}7", false), ("MONITOR-8", true)] {
            for start in ["OBX|1|||||||||||||||||", "PRT|1|||||||||", "PRT|1|||||||||||||||"] {
                let body = format!(
                    "A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||UNICODE UTF-8\r{start}00A037FFFE000002^^{name}\r"
                );
                assert_eq!(check(&own, &others, &body).is_ok(), is_allowed, "{body:?}");
            }
        }
    }

    // Whatever other names the directory has.
    #[test]
    fn every_device_may_name_itself() {
        let names = [
            "MÜLLER-3",
            "MULLER-3",
            "Пост-7",
            "Θάλαμος 7",
            "ΑΒΕ-1",
            "АВЕ-1",
            "ABE-1",
            "Station Süd",
            "Station Sud",
            "Bed 7",
            "Bed\u{A0}7",
            "MONITOR-7",
            "MONITOR\u{2010}7",
            "Łódź 1",
            "病室 3",
            "6f1c1f1e-0b1c-4c1e-9c55-0242ac120002",
            OTHER,
        ];
        let all = names.map(|id| entry(id, &[]));
        for (at, own) in all.iter().enumerate() {
            let others: Vec<_> =
                all.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, one)| one.clone()).collect();
            let bodies = bodies(own.id.as_str(), own.id.as_str());
            // Not under a manufacturer, and not in place of its own type.
            for body in [0, 1, 2, 3, 7].map(|n| &bodies[n]) {
                assert_eq!(check(own, &others, body), Ok(()), "{body:?}");
            }
        }
    }

    #[test]
    fn a_list_that_spells_the_other_device_allows_what_looks_like_it() {
        let others = [entry(OTHER, &[]), entry("MONITOR-7", &[])];
        let own = entry("GW", &["*^mindray.com^DNS", OTHER, "MONITOR-7"]);
        for name in ["{00A037EB2175780F}", "MONITOR\u{2011}7"] {
            for body in bodies(name, "GW") {
                assert_eq!(check(&own, &others, &body), Ok(()), "{body:?}");
            }
        }
    }
}
