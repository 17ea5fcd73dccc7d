//! The device identities that a message claims, in every reading.

use std::collections::HashSet;

use super::claim::Claim;
use super::device_identity::DeviceIdentity;
use super::distinct::Findings;
use super::every_reader::EveryReader;
use super::reader::Reader;
use crate::hl7::{EscapeReading, Message};
use crate::pcd::Transaction;

impl Claim {
    /// Every claim of a message, in message order.
    ///
    /// A claim that repeats the one of the previous segment is left out.
    #[must_use]
    pub fn all_of(message: &Message<'_>, transaction: Option<Transaction>) -> Vec<Self> {
        Claims::read(message, transaction, usize::MAX).identities
    }
}

/// What a message says about devices.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The identities, in message order.
    pub identities: Vec<Claim>,
    /// Names beside them: MSH-3.1, MSH-3.2 that is no EUI-64, and what stands beside an identifier. Most are
    /// names of products. A name is an identity only where it is the Common Name of a device, MSH-3.2 also
    /// where the list of some entry has it.
    pub names: Vec<Claim>,
    /// EUI-64, and units of an assigner, that only other readers find: [`Message::other_readings`],
    /// [`Message::every_reading`], [`EscapeReading`], [`Message::decoded_first`],
    /// [`Message::with_usual_separators`]. Their other findings are names. Also names in a set of ISO 2022
    /// for which there is no decoder.
    pub hidden: Vec<Claim>,
    /// Whether the message has more distinct identities or names than the limit; the others are left out.
    pub exceeds_limit: bool,
}

impl Claims {
    /// Reads the claims of a message: at most `limit` distinct identities, and as many names.
    #[must_use]
    pub fn read(message: &Message<'_>, transaction: Option<Transaction>, limit: usize) -> Self {
        let characters = message.header().text_encoding();
        let read = |reading: &Message<'_>, escapes| {
            Reader::new(characters, escapes, limit).read(reading, transaction)
        };
        let Findings { identities, names, exceeds_limit, has_escapes } =
            read(message, EscapeReading::Decoded);
        let mut claims = Self { identities, names, hidden: Vec::new(), exceeds_limit };
        if has_escapes {
            EscapeReading::OTHERS.iter().for_each(|how| claims.add_hidden(read(message, *how)));
        }
        let decoded = message.decoded_first();
        let decoded: Vec<_> = decoded.iter().filter_map(|decoded| Message::parse(decoded).ok()).collect();
        let usual = message.with_usual_separators();
        for other in message.other_readings().iter().chain(&usual).chain(&decoded) {
            let found = read(other, EscapeReading::Decoded);
            let has_escapes = found.has_escapes;
            claims.add_hidden(found);
            if has_escapes {
                EscapeReading::OTHERS.iter().for_each(|how| claims.add_hidden(read(other, *how)));
            }
        }
        claims.refuse_unreadable();
        let Findings { identities, names, exceeds_limit, .. } =
            EveryReader::read(message, transaction, limit);
        claims.hidden.extend(identities);
        claims.names.extend(names);
        claims.exceeds_limit |= exceeds_limit;
        claims.keep_each_once();
        claims
    }

    /// A name in a set that cannot be decoded may be that of any device. Texts that are only perhaps a name
    /// stay: a report may have sequences for a printer in it.
    fn refuse_unreadable(&mut self) {
        let is_unreadable =
            |claim: &Claim| claim.encoded.as_ref().is_some_and(|encoded| encoded.has_unknown_set);
        self.hidden.extend(self.names.extract_if(.., |claim| is_unreadable(claim)));
    }

    /// Each name is compared once, and each text by every character set once, however many readers find it.
    fn keep_each_once(&mut self) {
        if self.names.len() > MANY_NAMES {
            let mut names = HashSet::new();
            self.names.retain(|claim| {
                let Claim { place, location, identity, written, encoded } = claim;
                names.insert((*place, location.component, identity.clone(), written.clone(), encoded.clone()))
            });
        }
        let mut seen = HashSet::new();
        for claim in self.names.iter_mut().chain(&mut self.identities).chain(&mut self.hidden) {
            claim.encoded = claim.encoded.take().filter(|encoded| seen.insert(encoded.clone()));
        }
    }

    /// Takes each MSH-3.2 that the directory lists for an identity.
    pub fn take_listed(&mut self, is_listed: impl Fn(&DeviceIdentity) -> bool) {
        let is_device = |claim: &Claim| claim.is_universal_id() && is_listed(&claim.identity);
        // Claims of other readings have no component.
        let (open, hidden): (Vec<_>, Vec<_>) = (self.names.extract_if(.., |claim| is_device(claim)))
            .partition(|claim| claim.location.component.is_some());
        self.identities.extend(open);
        self.hidden.extend(hidden);
    }

    fn add_hidden(&mut self, read: Findings) {
        self.exceeds_limit |= read.exceeds_limit;
        let (eui64, others): (Vec<_>, Vec<_>) =
            read.identities.into_iter().partition(|claim| claim.identity.eui64_parts().next().is_some());
        let parts = eui64.iter().flat_map(|claim| {
            let Claim { place, location, ref identity, .. } = *claim;
            identity.eui64_parts().map(move |identity| Claim {
                place,
                location,
                identity,
                written: None,
                encoded: None,
            })
        });
        self.hidden.extend(parts);
        self.names.extend(others.into_iter().chain(read.names));
    }
}

/// Names of a message that are looked through for duplicates: fewer are compared in less time than that
/// takes.
const MANY_NAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(msh3: &str, msh4: &str, rest: &str) -> Vec<(&'static str, String)> {
        let text = format!("MSH|^~\\&|{msh3}|{msh4}|||2026||ORU^R01^ORU_R01|1|P|2.6\r{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        Claim::all_of(&message, Transaction::of(&message))
            .into_iter()
            .map(|claim| (claim.place.code(), format!("{} {}", claim.location, claim.identity)))
            .collect()
    }

    fn expect(place: &'static str, claim: &str) -> Vec<(&'static str, String)> {
        vec![(place, claim.to_owned())]
    }

    #[test]
    fn the_sending_application_and_its_misplaced_forms() {
        let sent = "sending-application";
        assert_eq!(
            claims("ACME^00a037eb2175780f^EUI64", "", ""),
            expect(sent, "MSH[1]-3.2 00A037EB2175780F")
        );
        for product in
            ["ACME^1.2.3^ISO", "^Product", "Vendor^Gateway 3.2", "A^acme.example^DNS", "A^urn:x:7^URN"]
        {
            assert_eq!(claims(product, "F^1.2.4^ISO", ""), [], "{product}");
        }
        for eui64 in
            ["A^00A037EB2175780F", "A^00A037EB2175780F^ISO", "^urn:eui64:00-A0-37-EB-21-75-78-0F^URN"]
        {
            assert_eq!(claims(eui64, "", ""), expect(sent, "MSH[1]-3.2 00A037EB2175780F"), "{eui64}");
        }
        assert_eq!(claims("A^7F^EUI-64", "", ""), expect(sent, "MSH[1]-3.2 7F^EUI-64"));
        assert_eq!(claims("00A037EB2175780F", "", ""), expect(sent, "MSH[1]-3.1 00A037EB2175780F"));
        let facility = claims("ACME", "F^00A037EB2175780F^EUI-64", "");
        assert_eq!(facility, expect("sending-facility", "MSH[1]-4.2 00A037EB2175780F"));
        let both = claims("A^0030E60000000001^EUI-64", "F~G^00A037EB2175780F^EUI-64", "");
        assert_eq!(both[1..], facility, "beside an identity in MSH-3, and in a repetition");
        assert_eq!(claims("PAT_DEVICE_PHILIPS_C", "Philips", ""), []);
        assert_eq!(claims("A^\"\"", "", ""), []);
        let typed = expect(sent, "MSH[1]-3.1 0030E60000000001");
        for form in ["0030E60000000001^EUI-64", "0030E60000000001^^EUI-64", "0030E60000000001&x"] {
            assert_eq!(claims(form, "", ""), typed, "{form}");
        }
        assert_eq!(claims("ACME", "F^2.16.840.1.113883.6.40^ISO", ""), [], "an OID of 16 digits");
        assert_eq!(claims("A~B^0030E60000000001^EUI-64", "", "").len(), 1, "a second repetition");
    }

    #[test]
    fn the_filler_but_not_the_number_of_its_order() {
        let filler =
            claims("A", "", "OBR|1|X^^FFFFFFFFFFFFFFFF^EUI-64|AB12345^ACME^ACDE48234567ABCD^EUI-64\r");
        assert_eq!(filler, expect("filler", "OBR[1]-3.3 ACDE48234567ABCD"));
        assert_eq!(claims("A", "", "OBR|1||201512218265601\rOBR|2||12345-2^LIVEDATA\r"), []);
    }

    /// Counters and dates can have 16 hexadecimal digits. A monitor with such alert numbers must not count as
    /// another device.
    #[test]
    fn an_order_number_that_looks_like_an_eui64_names_no_device() {
        let of = |filler: &str| claims("A", "", &format!("OBR|1||{filler}\r"));
        for number in ["ACDE48234567ABCD", "2015122182656010", "20151221-82656-010", "0000000B00000000^ACME"]
        {
            assert_eq!(of(number), [], "{number}");
        }
        let assigned = |id: &str| format!("0000000B00000000^^{id}^EUI-64");
        assert_eq!(of(&assigned("0009FBFFFF059322")), expect("filler", "OBR[1]-3.3 0009FBFFFF059322"));
        // An assigner that is not an EUI-64 is compared as text, whatever its type.
        assert_eq!(of(&assigned("ACME-7")), expect("filler", "OBR[1]-3.3 ACME-7^EUI-64"));
        assert_eq!(of("0000000B00000000^ACME^1.2.3^ISO"), expect("filler", "OBR[1]-3.3 1.2.3^ISO"));
        // Its type says that it is one.
        for typed in ["ACDE48234567ABCD^EUI-64", "ACDE48234567ABCD^^^EUI64"] {
            assert_eq!(of(typed), expect("filler", "OBR[1]-3.1 ACDE48234567ABCD"), "{typed}");
        }
        assert_eq!(of("E1^EUI-64"), [], "a type does not make it one");
    }

    // IHE PCD TF vol. 2, B.7: the assigner of OBR-3 is one universal id.
    #[test]
    fn a_bed_in_place_of_the_assigner_is_no_device() {
        let of = |filler: &str| claims("A", "", &format!("OBR|1||{filler}\r"));
        assert_eq!(of("56EB^GE_Mural^ICU&B1&B1&LAB"), []);
        let device = expect("filler", "OBR[1]-3.3 0009FBFFFF059322");
        assert_eq!(of("56EB^GE_Mural^ICU&0009FBFFFF059322"), device, "an EUI-64 counts wherever it stands");
        assert_eq!(of("56EB^GE_Mural^ICU"), expect("filler", "OBR[1]-3.3 ICU"));
    }

    #[test]
    fn no_assigner_hides_behind_an_order_number() {
        let rest = "OBR|1||0000000000000001^EUI-64^0000000000000002^EUI-64\r";
        assert_eq!(claims("A", "", rest), expect("filler", "OBR[1]-3.3 0000000000000002"));
    }

    #[test]
    fn the_equipment_in_every_observation_and_repetition() {
        let obx = |equipment: &str| format!("OBX|1|NM|1^X^MDC|1.0.0.1|5||||||R|||2026||||{equipment}\r");
        let one = |equipment: &str| claims("A", "", &obx(equipment));
        assert_eq!(
            one("P6013^^0012210000000000^EUI-64"),
            expect("equipment", "OBX[1]-18.3 0012210000000000")
        );
        assert_eq!(one("0123456789ABCDEF^EUI-64"), expect("equipment", "OBX[1]-18.1 0123456789ABCDEF"));
        assert_eq!(one("0600dc750001"), expect("equipment", "OBX[1]-18.1 0600DCFFFE750001"));
        assert_eq!(
            one("F1519EFX^X^mindray.com^DNS"),
            expect("equipment", "OBX[1]-18.3 F1519EFX^MINDRAY.COM^DNS")
        );
        assert_eq!(one("^^mindray.com^DNS"), expect("equipment", "OBX[1]-18.3 MINDRAY.COM^DNS"));
        assert_eq!(one("7^X^1.2.3^ISO"), expect("equipment", "OBX[1]-18.3 7^1.2.3^ISO"));
        assert_eq!(one("7^^urn:oid:1.2^URN"), expect("equipment", "OBX[1]-18.3 7^URN:OID:1.2^URN"));
        let own = expect("equipment", "OBX[1]-18.1 0123456789ABCDEF");
        assert_eq!(one("0123456789ABCDEF^^mindray.com^DNS"), own);
        assert_eq!(one("e86c-Device"), expect("equipment", "OBX[1]-18.1 E86C-DEVICE"));

        let repeated = one("a^^0000000000000001^EUI-64~b^^0000000000000002^EUI64");
        assert_eq!(repeated.len(), 2);
        let first = obx("a^^0000000000000001^EUI-64");
        let other = obx("a^^0000000000000002^EUI-64");
        let (second, again) = (claims("A", "", &format!("{first}{first}{other}")), claims("A", "", &first));
        assert_eq!((second.len(), again.len()), (2, 1), "the same again says nothing new");
        assert_eq!(second[1].1, "OBX[3]-18.3 0000000000000002");
    }

    // Text of a report stands where some reader may see a name, behind a byte that may swallow a delimiter.
    #[test]
    fn a_name_in_other_letters_is_compared_once_and_text_of_a_report_is_no_name() {
        let read = |line: &dyn Fn(u32) -> String| {
            let mut text = String::from("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\r");
            (0..300).for_each(|n| text += &line(n));
            Claims::read(&Message::parse(text.as_bytes()).unwrap(), None, 1024)
        };
        let encoded = |claims: &Claims| claims.names.iter().filter(|claim| claim.encoded.is_some()).count();
        let same = read(&|n| format!("OBX|{n}|||||||||||||||||监护仪 12\r"));
        assert_eq!((encoded(&same), same.exceeds_limit), (1, false));
        let report = read(&|n| format!("OBX|{n}|TX|1^X||{}\r", "病人无不适，监护中。".repeat(40)));
        assert!(!report.exceeds_limit);
    }

    // IHE PCD TF vol. 2, B.10.3
    #[test]
    fn a_udi_names_no_device() {
        for agency in ["2.16.840.1.113883.3.3719^ISO", "2.51.1.1^ISO"] {
            let found = claims("A", "", &format!("PRT|1|||||||||||||||00812345^GS1^{agency}\r"));
            assert_eq!(found, [], "{agency}");
        }
    }

    #[test]
    fn names_are_no_identities_by_themselves() {
        let text = "MSH|^~\\&|ACME^0000000000000001^EUI-64||||2026||ORU^R01^ORU_R01|1|P|2.6\r\
                    OBX|1|||||||||||||||||PUMP-7^^0000000000000001^EUI-64\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let claims = Claims::read(&message, None, 8);
        let names: Vec<_> = claims.names.iter().map(|claim| claim.identity.to_string()).collect();
        assert_eq!((names, claims.identities.len()), (vec!["ACME".to_owned(), "PUMP-7".to_owned()], 2));
    }

    #[test]
    fn distinct_identities_are_limited_and_repeated_ones_are_not() {
        let read = |devices: u32| {
            let mut text = String::from("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\r");
            for n in 0..1000 {
                text += &format!("OBX|{n}|||||||||||||||||^^{:016X}^EUI-64\r", n % devices);
            }
            let message = Message::parse(text.as_bytes()).unwrap();
            Claims::read(&message, None, 16)
        };
        assert!(!read(16).exceeds_limit);
        let many = read(17);
        assert!(many.exceeds_limit && many.identities.len() == 16);
    }

    #[test]
    fn no_second_identifier_hides_behind_the_first() {
        let rest = "OBX|1|||||||||||||||||0000000000000002^^0000000000000001^EUI-64\r";
        let found = claims("0000000000000003^0000000000000001^EUI-64", "", rest);
        let found: Vec<_> = found.iter().map(|(_, claim)| claim.as_str()).collect();
        assert_eq!(
            found,
            [
                "MSH[1]-3.2 0000000000000001",
                "MSH[1]-3.1 0000000000000003",
                "OBX[1]-18.3 0000000000000001",
                "OBX[1]-18.1 0000000000000002",
            ]
        );
    }

    #[test]
    fn a_system_id_given_as_a_value() {
        for code in [
            "67972^MDC_ATTR_SYS_ID^MDC",
            "67972",
            "^MDC_ATTR_SYS_ID",
            "1^X^L^67972",
            "1^X^L^^mdc_attr_sys_id",
            r"\X3637\972",
            "1^X~67972",
            "67972&1",
            "-67972",
            "67972#",
            "67972-MDC_ATTR_SYS_ID",
            "1^x^L^2^y^L^^^MDC_ATTR_SYS_ID",
        ] {
            let found = claims("A", "", &format!("OBX|1|ST|{code}|1.0.0.1|00-A0-37-EB-21-75-78-0F\r"));
            assert_eq!(found, expect("system-id", "OBX[1]-5.1 00A037EB2175780F"), "{code}");
        }
        assert_eq!(claims("A", "", "OBX|1|ST|67973^X|1.0.0.1|00A037EB2175780F\r"), []);
        for (encoding, data) in
            [("Hex", "30304130333745423231373537383046"), ("Base64", "MDBBMDM3RUIyMTc1NzgwRg==")]
        {
            let obx = format!("OBX|1|ED|67972|1.0.0.1|^TEXT^^{encoding}^{data}\r");
            assert_eq!(claims("A", "", &obx), expect("system-id", "OBX[1]-5.5 00A037EB2175780F"), "{obx}");
        }
    }

    #[test]
    fn participations_name_devices_but_for_the_phone_in_pcd_05() {
        let prt = "PRT|1|||||||||P1^^0000000000000001^EUI-64||||||D2^^0000000000000002^EUI-64|20260101|20270101|LOT7|S20\r";
        let found = claims("A", "", prt);
        let found: Vec<_> = found.iter().map(|(_, claim)| claim.as_str()).collect();
        assert_eq!(
            found,
            ["PRT[1]-10.3 0000000000000001", "PRT[1]-16.3 0000000000000002", "PRT[1]-20.1 S20"]
        );

        let text = "MSH|^~\\&|A||||2026||ORU^R41^ORU_R41|1|P|2.6\rPRT|1|||||||||5551234\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(Claim::all_of(&message, Transaction::of(&message)), []);
    }

    #[test]
    fn an_escaped_identifier_is_the_identifier() {
        let found = claims(r"A^00A037EB\X32313735\780F^EUI-64", "", "");
        assert_eq!(found, expect("sending-application", "MSH[1]-3.2 00A037EB2175780F"));
    }

    // IHE PCD TF vol. 2, B.10.3: EI-3 of a UDI is the agency that issued it.
    #[test]
    fn a_udi_names_no_device_whatever_assigns_it() {
        let prt = |n: usize, value: &str| claims("A", "", &format!("OBR|1\rPRT{}{value}\r", "|".repeat(n)));
        for n in [10, 16] {
            for udi in [
                "(01)00643169001763^^2.51.1.1^ISO",
                "F1519EFX^^1.2.3^ISO",
                "00643169001763^^2.16.840.1.113883.3.3719^ISO",
            ] {
                assert_eq!(prt(n, udi), [], "PRT-{n} {udi}");
            }
            assert_eq!(prt(n, "F1519EFX^^mindray.com^DNS").len(), 1, "PRT-{n}");
        }
        let equipment =
            |value: &str| claims("A", "", &format!("OBX|1|NM|1^X^MDC|1.0.0.1|5||||||R|||2026||||{value}\r"));
        assert_eq!(equipment("(01)00643169001763^^2.51.1.1^ISO"), []);
    }

    #[test]
    fn the_phone_of_a_person_in_an_answer_to_an_alert_is_no_device() {
        let of = |kind: &str| {
            let phone = "PRT||||||||||0012210000000000^^^EUI-64\r";
            let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6\r{phone}");
            let message = Message::parse(text.as_bytes()).unwrap();
            Claim::all_of(&message, Transaction::of(&message)).len()
        };
        assert_eq!((of("ORA^R41^ORA_R41"), of("ORU^R01^ORU_R01")), (0, 1));
    }
}
