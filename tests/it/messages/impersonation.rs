//! Messages whose bytes can be read to name another device than their sender.

use serde_json::Value;

use super::{NAME, OTHER, Scene, text};
use crate::harness::{Site, eventually, field, framed};

/// A PCD-01 of [`NAME`] with this MSH-3, MSH-18 and these segments; not always UTF-8.
pub(super) fn sent(id: &str, application: &str, set: &str, segments: &[u8]) -> Vec<u8> {
    let header = format!(
        "MSH|^~\\&|{application}|WARD|||20260101120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||AL|NE||{set}\r\
         PID|||1^^^Demo Hospital^PI||Patient^Imaginary\r\
         OBR|1|{id}^M^{NAME}^EUI-64|{id}^M^{NAME}^EUI-64|182777000^monitoring of patient^SCT|||20260101120000+0000\r"
    );
    [header.as_bytes(), segments].concat()
}

/// An observation with this OBX-3, OBX-5 and OBX-18.
pub(super) fn obx(term: &str, value: &[u8], equipment: &str) -> Vec<u8> {
    let start = format!("OBX|1|ST|{term}|1.0.0.1|");
    let end = format!("||||||R|||20260101120000+0000||||{equipment}\r");
    [start.as_bytes(), value, end.as_bytes()].concat()
}

pub(super) fn own() -> String {
    format!("DEMO^{NAME}^EUI-64")
}

/// Sends bytes that have one answer; MSA-1 and the code of ERR-5.
pub(super) fn verdict(scene: &mut Scene, bytes: &[u8]) -> (String, String) {
    scene.wire.write(&framed(bytes));
    let answer = scene.wire.answer().expect("an acknowledgement");
    let reason = field(&answer, "ERR", 5).split('^').next().unwrap_or_default().to_owned();
    (field(&answer, "MSA", 1).to_owned(), reason)
}

pub(super) fn expect(code: &str, reason: &str) -> (String, String) {
    (code.to_owned(), reason.to_owned())
}

/// A platform whose sessions survive many violations.
pub(super) fn scene() -> Scene {
    Scene::new(Site::new().with("devices", "max-violations = 1000"))
}

pub(super) const MARK: &str = "1^MDC_X^MDC";

// A line feed inside a segment is content: it hides no segment from the checks, and no text from its reader.
#[test]
fn a_line_feed_inside_a_segment_hides_nothing() {
    let mut scene = scene();
    let equipment = format!("M^^{NAME}^EUI-64");
    let honest = sent("LF-1", &own(), "", &obx(MARK, b"Low SpO2\ncheck the sensor", &equipment));
    assert_eq!(verdict(&mut scene, &honest), expect("CA", ""));
    let row = scene.listed(&[])[0].clone();
    assert!(row["warnings"].as_array().unwrap().contains(&Value::from("line-feed-in-segment")), "{row}");
    let shown = scene.platform.cli().run(&["message", "show", "--tree", row["id"].as_str().unwrap()]);
    assert!(shown.contains("check the sensor"), "{shown}");

    let hidden = format!("5\nOBX|2|ST|1^X|1.0.0.2|6||||||R|||||||M^^{OTHER}^EUI-64\rNTE|1||x");
    let second = String::from_utf8(sent("LF-3", &format!("DEMO^{OTHER}^EUI-64"), "", b"")).unwrap();
    for (id, value) in [
        ("LF-2", hidden.as_bytes()),
        ("LF-4", format!("5\n{second}").as_bytes()),
        ("FF-1", format!("5\x0C \t{second}").as_bytes()),
    ] {
        let message = sent(id, &own(), "", &obx(MARK, value, &equipment));
        let (code, reason) = verdict(&mut scene, &message);
        assert!(
            code == "CR" && ["identity-mismatch", "ambiguous-structure"].contains(&&*reason),
            "{id} {reason}"
        );
    }
    // The header in the text was no message of its own: everything was answered, and nothing more comes.
    assert_eq!(verdict(&mut scene, text(NAME, "LF-5").as_bytes()), expect("CA", ""));
    assert_eq!(scene.listed(&["--rejected"]).len(), 3);
}

// In some character sets the second byte of a character is a delimiter's.
#[test]
fn the_second_byte_of_a_character_is_no_delimiter() {
    let mut scene = scene();
    let equipment = format!("M^^{NAME}^EUI-64");
    for (set, name) in [
        ("GB 18030-2000", &b"\x81|\x81^\x81~"[..]),
        ("BIG-5", b"\xB3|\xB3^\xA5\x5C"),
        ("ISO IR87", b"\x1B$B||^~\x1B(B"),
    ] {
        let message = sent(&format!("D-{set}"), &own(), set, &obx(MARK, name, &equipment));
        assert_eq!(verdict(&mut scene, &message), expect("CA", ""), "{set}");
        // For a reader of bytes this OBX-18 is the sender's; for one of characters it is the other's.
        let hidden = name.iter().filter(|byte| **byte == b'|').count();
        let (before, behind) = ("|".repeat(13 - hidden), "|".repeat(hidden));
        let shifted = format!("{before}M^^{NAME}^EUI-64{behind}M^^{OTHER}^EUI-64\r");
        let spoofed = [&b"OBX|1|ST|1^X|1.0.0.1|"[..], name, shifted.as_bytes()].concat();
        let message = sent(&format!("S-{set}"), &own(), set, &spoofed);
        assert_eq!(verdict(&mut scene, &message), expect("CR", "identity-mismatch"), "{set}");
    }
    // Text that decoders split differently.
    let message = sent("D-X", &own(), "BIG-5", &obx(MARK, b"\x87|", &equipment));
    assert_eq!(verdict(&mut scene, &message), expect("CR", "ambiguous-structure"));
}

#[test]
fn every_place_and_spelling_of_an_identity_is_checked() {
    let mut scene = scene();
    scene.platform.admit("PUMP-7", &[]);
    let own_equipment = format!("M^^{NAME}^EUI-64");
    let plain = |equipment: &str| obx(MARK, b"5", equipment);
    let system_id = |term: &str| obx(term, OTHER.as_bytes(), &own_equipment);
    for (at, (application, segments, code)) in [
        (own(), plain(&own_equipment), "CA"),
        // MDC_ATTR_SYS_ID as the alternate term, and escaped.
        (own(), system_id("67972^MDC_ATTR_SYS_ID^MDC"), "CR"),
        (own(), system_id("1^X^L^67972^MDC_ATTR_SYS_ID^MDC"), "CR"),
        (own(), system_id("1^X^L^^MDC_ATTR_SYS_ID"), "CR"),
        (own(), system_id(r"\X3637\972"), "CR"),
        // Names that are no EUI-64, of a device in the directory and of none.
        (own(), plain(&format!("PUMP-7^^{NAME}^EUI-64")), "CR"),
        (own(), plain(&format!("PUMP-8^^{NAME}^EUI-64")), "CA"),
        (format!("pump-7^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        (own(), plain(&format!("PUMP-7&x^^{NAME}^EUI-64")), "CR"),
        (own(), plain(&format!("PUM\\H\\P-7^^{NAME}^EUI-64")), "CR"),
        (format!("PUMP-7\0^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        // An identifier in a component that has another meaning.
        (own(), obx("67972^MDC_ATTR_SYS_ID^MDC", format!("H^{OTHER}").as_bytes(), &own_equipment), "CR"),
        // The device of an assigner.
        (own(), plain("F1519^X^mindray.com^DNS"), "CR"),
        (own(), plain(&format!("{NAME}^X^mindray.com^DNS")), "CA"),
        (own(), b"PRT|1||||||||||||||||00812345^GS1^2.51.1.1^ISO\r".to_vec(), "CA"),
        // Names of segments that only lenient readers recognise.
        (own(), [b"\x1C", &plain(&format!("M^^{OTHER}^EUI-64"))[..]].concat(), "CR"),
        (own(), [b"OBX1", &plain(&format!("M^^{OTHER}^EUI-64"))[3..]].concat(), "CR"),
        (own(), [b"OBX1", &plain(&own_equipment)[3..]].concat(), "CA"),
        (own(), [b"OBX5", &plain(&format!("M^^{OTHER}^EUI-64"))[5..]].concat(), "CR"),
        (own(), [b"OBX\n", &plain(&format!("M^^{OTHER}^EUI-64"))[3..]].concat(), "CR"),
        (own(), [b"O\xFFB", &plain(&format!("M^^{OTHER}^EUI-64"))[2..]].concat(), "CR"),
        (own(), format!("OBX|1|ST|1^X|1.0.0.1|5||||||R||||\rADD||||M^^{OTHER}^EUI-64\r").into_bytes(), "CR"),
        (own(), obx("1^MDC_ATTR_SYS\n_ID^MDC", OTHER.as_bytes(), &own_equipment), "CR"),
        // Units of an assigner, where only lenient readers find them.
        (own(), [b"obx", &plain("F1519^X^mindray.com^DNS")[3..]].concat(), "CR"),
        (own(), [b"NTE|1||x\xE2\x80\xA8", &plain(&format!("F^^urn:eui64:{OTHER}^URN"))[..]].concat(), "CR"),
        // Every component of an equipment, under any type.
        (own(), plain(&format!("{NAME}^^{OTHER}^ISO")), "CR"),
        (own(), plain(&format!("{NAME}^{OTHER}^{NAME}^EUI-64")), "CR"),
        // Characters that have no glyph, that some decoders drop, and an escape sequence without an end.
        (format!("PUMP\u{34F}-7\u{FE0F}^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        (format!("PUMP\u{FF}-7^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        (format!("PUMP-7\\x^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        (format!("PUMP-7\n^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        // A UDI names a product, whatever its assigner is.
        (own(), b"PRT|1|AD||EQUIP||||||(01)00643169001763(17)160712(21)21A11F4855\r".to_vec(), "CA"),
        (own(), b"PRT|1|||||||||||||||(01)00643169001763(21)2^^1.3.160^ISO\r".to_vec(), "CA"),
        (own(), b"PRT|1|||||||||||||||0100643169001763^X^2.16.840.1.113883.6.40^ISO\r".to_vec(), "CA"),
        (own(), format!("PRT|1|||||||||||||||M^^{OTHER}^EUI-64\r").into_bytes(), "CR"),
        (own(), b"PRT|1|||||||||||||||PUMP-7\r".to_vec(), "CR"),
        (own(), [b"NTE|1||x\x0C", &plain(&format!("M^^{OTHER}^EUI-64"))[..]].concat(), "CR"),
        // The type in place of the identifier.
        (format!("{NAME}^EUI-64"), plain(&own_equipment), "CA"),
        (format!("{OTHER}^EUI-64"), plain(&own_equipment), "CR"),
    ]
    .into_iter()
    .enumerate()
    {
        let (found, reason) = verdict(&mut scene, &sent(&format!("P-{at}"), &application, "", &segments));
        assert_eq!((&*found, reason.is_empty()), (code, code == "CA"), "{at} {reason}");
    }
    // In MSH-4, beside the own identity in MSH-3; also the name of another device.
    for at in [
        "W^@^EUI-64",
        "@",
        "W^^@^EUI-64",
        "@^^^EUI-64",
        "W^urn:eui64:@^URI",
        "W^^^^@",
        "PUMP-7",
        "PUMP-7^PUMP-7^L",
        "W^pump-7^EUI-64",
    ] {
        let facility = String::from_utf8(sent("F-1", &own(), "", &plain(&own_equipment))).unwrap();
        let facility = facility.replace("|WARD|", &format!("|{}|", at.replace('@', OTHER)));
        assert_eq!(verdict(&mut scene, facility.as_bytes()), expect("CR", "identity-mismatch"), "{at}");
    }

    let manufacturer = ["--speaks-for", "mindray.com^DNS", "--speaks-for", "7^mindray.com^DNS"];
    scene.platform.cli().run(&[&["device", "change", NAME], &manufacturer[..]].concat());
    let unit = |n: u32| sent(&format!("M-{n}"), &own(), "", &plain("7^X^mindray.com^DNS"));
    let mut sequence = 0..;
    eventually("the change of the directory is applied", || {
        verdict(&mut scene, &unit(sequence.next().unwrap())).0 == "CA"
    });
    for (unit, code) in [("7", "CA"), ("8", "CR")] {
        let message = sent(&format!("U-{unit}"), &own(), "", &plain(&format!("{unit}^X^mindray.com^DNS")));
        assert_eq!(verdict(&mut scene, &message).0, code, "{unit}");
    }
}

// Our own display, readers that drop or decode sequences of formatting, of a vendor or of a later version,
// and readers that decode before they split or know the usual separators only: none of them sees another
// device.
#[test]
fn an_escape_sequence_hides_no_term_and_no_identity() {
    let mut scene = scene();
    scene.platform.admit("PUMP-7", &[]);
    let own_equipment = format!("M^^{NAME}^EUI-64");
    let plain = |equipment: &str| obx(MARK, b"5", equipment);
    let system_id = |term: &str| obx(term, OTHER.as_bytes(), &own_equipment);
    let filler = |filler: &str| format!("OBR|2|X|{}|1^X\r", filler.replace('@', OTHER)).into_bytes();
    let mut cases = Vec::new();
    for sequence in [
        r"\H\",
        r"\N\",
        r"\.br\",
        r"\.sp+2\",
        r"\X00\",
        r"\Z1\",
        r"\C2842\",
        r"\M2442\",
        r"\q\",
        r"\70\",
        r"\x\",
        r"\\",
        r"\Z a local sequence that is longer than every other one\",
    ] {
        cases.push((own(), system_id(&format!("679{sequence}72^^MDC")), "CR"));
        cases.push((own(), system_id(&format!("1^MDC_ATTR{sequence}_SYS_ID^MDC")), "CR"));
        cases.push((own(), system_id(&format!("1^X^L^67972{sequence}")), "CR"));
        cases.push((own(), plain(&format!("M^^{OTHER}^EUI{sequence}-64")), "CR"));
        cases.push((own(), plain(&format!("{}{sequence}{}", &OTHER[..8], &OTHER[8..])), "CR"));
        cases.push((own(), plain(&format!("F1519^X^mindray.com^D{sequence}NS")), "CR"));
        cases.push((format!("PUM{sequence}P-7^{NAME}^EUI-64"), plain(&own_equipment), "CR"));
        cases.push((own(), filler(&format!("@^^^EUI{sequence}-64")), "CR"));
        cases.push((own(), filler(&format!("@^EUI{sequence}-64")), "CR"));
        cases.push((own(), obx(&format!("1^X{sequence}^MDC"), b"5", &own_equipment), "CA"));
    }
    cases.extend([
        (own(), system_id("067972^^MDC"), "CR"),
        (own(), system_id("+67972.0^^MDC"), "CR"),
        (own(), system_id(r"1^X^L^\S\67972"), "CR"),
        (format!("PUM\\x50\\-7^{NAME}^EUI-64"), plain(&own_equipment), "CR"),
        (format!("X^^^^{OTHER}"), plain(&own_equipment), "CR"),
        (format!(r"X\S\{OTHER}\S\EUI-64"), plain(&own_equipment), "CR"),
        (format!(r"{NAME}\T\{OTHER}"), plain(&own_equipment), "CR"),
        (own(), filler(r"@\S\\S\\S\EUI-64"), "CR"),
        (own(), filler(r"@\S\EUI-64"), "CR"),
        (own(), obx(MARK, format!("x\\X0D\\OBX|3|EI|67972|1|{OTHER}").as_bytes(), ""), "CR"),
        // Honest texts with sequences, also with the separator of fields.
        (own(), obx(MARK, br"a\F\b\F\c\F\d\F\e\.br\f\T\g \H\h\N\ C:\x", &own_equipment), "CA"),
        (own(), plain(&format!(r"Bed \T\ Ward^^{NAME}^EUI-64")), "CA"),
    ]);
    for (at, (application, segments, code)) in cases.into_iter().enumerate() {
        let message = sent(&format!("E-{at}"), &application, "", &segments);
        let (found, reason) = verdict(&mut scene, &message);
        assert_eq!((&*found, reason.is_empty()), (code, code == "CA"), "{at} {}", segments.escape_ascii());
    }
    // Other separators, and what readers of the usual ones see.
    let other = |id: &str, change: &dyn Fn(String) -> String| {
        let honest = sent(id, &own(), "", &plain(&own_equipment));
        change(String::from_utf8(honest).unwrap().replace('^', "$"))
    };
    let last = format!("OBX|2|ST|67972^MDC_ATTR_SYS_ID^MDC|1.0.0.0|{OTHER}||||||R\r");
    let spoofed = [
        other("S-1", &|text| text.replace(&format!("DEMO${NAME}$"), &format!("X^{OTHER}^"))),
        other("S-2", &|text| text.replace(&format!("DEMO${NAME}$EUI-64"), "PUMP-7^x")),
        other("S-3", &|text| text + &last),
        other("S-4", &|text| text.replace('|', "*") + &last),
    ];
    for text in &spoofed {
        scene.wire.write(&framed(text.as_bytes()));
        let answer = scene.wire.answer().expect("an acknowledgement");
        assert!(answer.contains("identity-mismatch"), "{text} {answer}");
    }
    assert_eq!(verdict(&mut scene, other("S-5", &|text| text).as_bytes()), expect("CA", ""));
}

// Row 4.1: the work of the writer for one message is bounded.
#[test]
fn a_message_with_too_many_identities_is_refused_and_stored() {
    let mut scene = scene();
    let repetitions = |count: u32| {
        let all: Vec<_> = (0..count).map(|n| format!("^^{n:016X}^EUI-64")).collect();
        all.join("~")
    };
    let most = sent("I-1", &own(), "", &obx(MARK, b"5", &repetitions(1023)));
    assert_eq!(verdict(&mut scene, &most), expect("CR", "identity-mismatch"));
    let more = sent("I-2", &own(), "", &obx(MARK, b"5", &repetitions(60_000)));
    assert_eq!(verdict(&mut scene, &more), expect("CR", "too-many-identities"));
    let row = scene.listed(&["--rejected"])[0].clone();
    let raw = scene.platform.cli().run(&["message", "show", "--raw", row["id"].as_str().unwrap()]);
    assert_eq!(raw.len(), more.len(), "every byte is stored");
    assert_eq!(verdict(&mut scene, text(NAME, "I-3").as_bytes()), expect("CA", ""));
}

// Row 4.2: HL7 2.6 ch. 2, 2.14.9.10.
#[test]
fn a_long_control_id_is_refused_and_stored() {
    let mut scene = scene();
    let message = |length: usize| sent(&"7".repeat(length), &own(), "", b"");
    for (length, expected) in [(199, expect("CA", "")), (200, expect("CR", "long-control-id"))] {
        assert_eq!(verdict(&mut scene, &message(length)), expected, "{length}");
    }
    // The control id stands in OBR-2 and OBR-3 too.
    let huge = message(150_000);
    scene.wire.write(&framed(&huge));
    let answer = scene.wire.answer().expect("an acknowledgement");
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "ERR", 3).split('^').next()), ("CR", Some("102")));
    assert!(answer.len() < 1000, "{} bytes", answer.len());
    let listed = scene.listed(&["--rejected"]);
    assert!(listed.iter().all(|row| row.to_string().len() < 2000), "columns are bounded");
    let raw = scene.platform.cli().run(&["message", "show", "--raw", listed[0]["id"].as_str().unwrap()]);
    assert_eq!(raw.as_bytes(), huge, "byte for byte");
}
