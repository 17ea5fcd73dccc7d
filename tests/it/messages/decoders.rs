//! Text that decoders read differently, and honest text in the same character sets.

use super::impersonation::{MARK, expect, obx, own, scene, sent, verdict};
use super::{NAME, OTHER};

/// Hides the other device from readers of bytes: one field early, or in the segment behind.
fn hidden(bytes: &[u8], in_next_segment: bool) -> Vec<u8> {
    let (field, next) = (format!("||||||R|||||||M^^{OTHER}^EUI-64\r"), "NTE|||||||||||||");
    let tail = if in_next_segment { format!("\r{next}M^^{OTHER}^EUI-64\r") } else { format!("|{field}") };
    [&b"OBX|1|ST|1^X|1.0.0.1|1"[..], bytes, tail.as_bytes()].concat()
}

// Each of these is one character, or a malformed one with what follows it, for a decoder of Java or Python.
#[test]
fn what_a_decoder_swallows_hides_no_device() {
    let mut scene = scene();
    for (set, bytes) in [
        ("SHIFT JIS", &b"\xEC\x81"[..]),
        ("SHIFT JIS", b"\xF9\x81"),
        ("BIG-5", b"\x8E\xC4"),
        ("BIG-5", b"\x88\xA1"),
        ("GB 18030-2000", b"I\xA1\x8E"),
        ("GB 18030-2000", b"\x810"),
        ("KS X 1001", b"\x81"),
        ("ISO IR87", b"\x81"),
        ("ISO IR87", b"\x0E"),
        ("ISO-2022-KR", b"\x0E"),
        ("8859/1", b"\x81"),
        ("UNICODE UTF-8", b"\xE2\x82"),
        ("", b"\x1B$B"),
        ("", b"~{"),
    ] {
        for in_next_segment in [false, true] {
            let message = sent("S-1", &own(), set, &hidden(bytes, in_next_segment));
            let found = verdict(&mut scene, &message);
            assert_eq!(found.0, "CR", "{set} {} {in_next_segment}", bytes.escape_ascii());
            assert!(["identity-mismatch", "ambiguous-structure"].contains(&&*found.1), "{}", found.1);
        }
    }
    let coded = sent("S-2", &own(), "UTF-7", &obx(MARK, b"+AA0-OBX", &format!("M^^{NAME}^EUI-64")));
    assert_eq!(verdict(&mut scene, &coded), expect("CR", "ambiguous-structure"));
}

// Decoders remove the shift, and then a segment or a header stands behind a line break.
#[test]
fn a_shift_before_a_segment_hides_no_device() {
    let mut scene = scene();
    let header = format!("MSH|^~\\&|A^{OTHER}^EUI-64");
    let observation = format!("OBX|2|ST|1^X||5||||||R|||||||M^^{OTHER}^EUI-64");
    for shift in [&b"\x1B$)C"[..], b"\x1B(B", b"\x1B-A", b"\x1B$+I", b"\x1BN", b"~}", b"\x1B(B\x1B$)C"] {
        for line_break in [0x0C, 0x1C, 0x85] {
            for segment in [&header, &observation] {
                let hidden =
                    [&b"OBX|1|ST|1^X|1.0.0.1|"[..], &[line_break], shift, segment.as_bytes()].concat();
                let message = sent("H-1", &own(), "GB 18030-2000", &[&hidden[..], b"\r"].concat());
                let found = verdict(&mut scene, &message);
                assert_eq!(found.0, "CR", "{}", hidden.escape_ascii());
                let reasons = ["identity-mismatch", "ambiguous-structure"];
                assert!(reasons.contains(&&*found.1), "{}", found.1);
            }
        }
    }
}

#[test]
fn honest_text_of_every_character_set_is_accepted() {
    let mut scene = scene();
    let equipment = format!("M^^{NAME}^EUI-64");
    for (at, (set, text)) in [
        ("", &b"J\xC3\xBCrg Sant\xC3\xA9"[..]),
        ("8859/1", b"J\xFCrg Sant\xE9"),
        ("8859/5", b"\xB0\xB1\xE0"),
        ("UNICODE UTF-8", "心拍 ℃ пульс µ°".as_bytes()),
        ("GB 18030-2000", b"\xC4\xE3\xBA\xC3"),
        ("BIG-5", b"\xA7\x41\xA6\x6E"),
        ("SHIFT_JIS", b"\x90\x53\x94\x8F\xB1"),
        ("KS X 1001", b"\xB0\xA1\xB3\xAA"),
        ("ISO IR87", b"\x1B$B;3ED\x1B(B"),
        ("ISO IR87", b"\x1B(IYPM\x1B(J"),
    ]
    .into_iter()
    .enumerate()
    {
        // At the end of every field that holds text, also before a carriage return.
        // The acknowledgement repeats MSH-4, and this peer reads UTF-8 only.
        let facility = if std::str::from_utf8(text).is_ok() { text } else { b"WARD" };
        let header = String::from_utf8(sent(&format!("H-{at}"), &own(), set, b"")).unwrap();
        let parts: Vec<&str> = header.split("WARD|").collect();
        let receiver = b"|PLATFORM^0000000000000009^EUI-64";
        let mut message = [parts[0].as_bytes(), facility, receiver, b"", parts[1].as_bytes()].concat();
        message.extend_from_slice(&obx(MARK, text, &equipment));
        message.extend_from_slice(&[b"NTE|1||", text, b"\r"].concat());
        message.extend_from_slice(&obx(MARK, b"5", &equipment));
        message.extend_from_slice(&[b"OBX|9|ST|1^", text, b"^MDC|1.0.0.2|", text, b"\r"].concat());
        message.extend_from_slice(&[b"NTE|2||", text, b"\r"].concat());
        assert_eq!(verdict(&mut scene, &message), expect("CA", ""), "{set}");
    }
}

// Certificates and the directory compare Common Names exactly.
#[test]
fn a_device_does_not_speak_for_one_whose_name_differs_in_case() {
    use crate::harness::{Site, Wire};
    use pcd_platform::pki::KeyType;
    let site = Site::new();
    let platform = site.start();
    platform.admit("gw-1", &[]);
    platform.admit("GW-1", &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate("gw-1", KeyType::Ecc));
    let mut ask = |application: &str, equipment: &str| {
        let header =
            format!("MSH|^~\\&|{application}||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|||AL|NE\r");
        wire.write(&crate::harness::framed(&[header.as_bytes(), &obx(MARK, b"5", equipment)].concat()));
        crate::harness::field(&wire.answer().expect("an acknowledgement"), "MSA", 1).to_owned()
    };
    assert_eq!(ask("GW-1", "gw-1"), "CR");
    assert_eq!(ask("A", "GW-1"), "CR");
    assert_eq!(ask("gw-1", "gw-1"), "CA");
}
