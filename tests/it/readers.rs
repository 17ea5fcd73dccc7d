//! No bytes that another reader takes for the identity of another device are accepted.
//!
//! The other readers are the crate `hl7-parser`, strict and with lenient line ends, and Python's `hl7`
//! package (tests/peers/hl7_claims.py). Each reads the text by MSH-18, and as bytes; the latter also with
//! each other decoder of Python. All decoders of Java (tests/peers/DecodersOfJava.java) are asked what they
//! take for a part of a character.

use std::fmt::Write as _;
use std::path::Path;

use encoding_rs::{BIG5, Encoding, GB18030, ISO_2022_JP, SHIFT_JIS, UTF_8, WINDOWS_1252};
use pcd_platform::authz::{Device, DeviceKind, DeviceStatus, Directory, rules};
use pcd_platform::hl7::{AcknowledgeAs, Message, Warning, batch};
use pcd_platform::model::DeviceId;
use pcd_platform::pcd::{Claims, DeviceIdentity, Transaction};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::harness::{command_at, finish, java};

const OWN: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";

/// The names of MSH-18, and the decoders of Rust and Python.
const SETS: [(&str, &Encoding, &str); 6] = [
    ("", WINDOWS_1252, "latin-1"),
    ("UNICODE UTF-8", UTF_8, "utf-8"),
    ("GB 18030-2000", GB18030, "gb18030"),
    ("BIG-5", BIG5, "big5"),
    ("SHIFT_JIS", SHIFT_JIS, "shift_jis"),
    ("ISO IR87", ISO_2022_JP, "iso2022_jp"),
];

/// The decoders of Python that keep ASCII.
const PYTHON_DECODERS: [&str; 19] = [
    "cp932",
    "shift_jis",
    "shift_jis_2004",
    "euc_jp",
    "gbk",
    "gb2312",
    "gb18030",
    "big5",
    "big5hkscs",
    "cp950",
    "euc_kr",
    "johab",
    "cp949",
    "iso2022_jp",
    "iso2022_jp_3",
    "iso2022_kr",
    "hz",
    "utf-8",
    "latin-1",
];

/// A message, and its character set as an index of [`SETS`].
#[derive(Debug, Clone)]
struct Case {
    bytes: Vec<u8>,
    set: usize,
}

/// A message of this device, with bytes in its texts that some readers take for structure.
fn case() -> impl Strategy<Value = Case> {
    const PIECES: [&[u8]; 50] = [
        b"\x81\x30",
        b"\xEC\x81",
        b"\x8E\xC4",
        b"\xFF",
        b"\x8F\xA1",
        b"\x0E",
        b"\x0F",
        b"~{",
        b"~}",
        b"\x1B$)C",
        b"\x1B-A",
        b"\x1B$+I",
        b"|||||||||||||",
        b"|||||||||||x^^00A037FFFE000002^EUI-64",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\r",
        b"\x0C",
        b" ",
        b"|",
        b"||||||",
        b"^",
        b"^^",
        b"~",
        b"&",
        b"\\",
        b"\\T\\",
        b"\\X0D\\",
        b"\x81",
        b"\xA1",
        b"\xB3",
        b"\x87",
        b"\xE0",
        b"\x83",
        b"\xC3",
        b"\xE2\x80\xA8",
        b"\x1B$B",
        b"\x1B(B",
        b"\x1B(I",
        b"$\"",
        b"text",
        b"67972^MDC_ATTR_SYS_ID^MDC",
        b"00A037FFFE000002^EUI-64",
        b"x^^00A037FFFE000002^EUI-64",
        b"00A037FFFE",
        b"000002",
        b"OBX|2|ST|1^X||5||||||R|||||||x^^00A037FFFE000002^EUI-64",
        b"MSH|^~\\&|A^00A037FFFE000002^EUI-64",
        b"OBX|2|ST|67972||00A037FFFE000002",
    ];
    let junk = |most| prop::collection::vec(prop::sample::select(&PIECES[..]), 0..most);
    let ends = prop::sample::select(&["\r", "\r", "\n", "\r\n"][..]);
    (0..SETS.len(), ends, junk(2), junk(2), junk(7), junk(4), junk(4)).prop_map(
        |(set, end, application, facility, value, method, last)| {
            let name = SETS[set].0;
            let own = format!("^{OWN}^EUI-64|");
            let control =
                format!("|||2026||ORU^R01^ORU_R01|1|P|2.6||||||{name}{end}OBX|1|ST|1^X^MDC|1.0.0.1|");
            let note = format!("|M^^{OWN}^EUI-64{end}NTE|1||");
            let parts: [&[u8]; 10] = [
                b"MSH|^~\\&|A",
                &application.concat(),
                own.as_bytes(),
                &facility.concat(),
                control.as_bytes(),
                &value.concat(),
                b"||||||R|||2026|||",
                &method.concat(),
                note.as_bytes(),
                &[&last.concat(), end.as_bytes()].concat(),
            ];
            Case { bytes: parts.concat(), set }
        },
    )
}

/// The parts of the frame that the platform accepts from [`OWN`].
fn accepted(payload: &[u8]) -> Vec<Vec<u8>> {
    let device = Device {
        id: DeviceId::parse(OWN).unwrap(),
        kind: DeviceKind::Device,
        status: DeviceStatus::Active,
        speaks_for: Vec::new(),
        issuers: Vec::new(),
        acknowledge: AcknowledgeAs::AsAsked,
        silent_after: None,
        expected: false,
        receives_orders: true,
        note: String::new(),
        learns_until: None,
        about: pcd_platform::authz::About::default(),
    };
    let directory: Directory = vec![device.clone()].into();
    let messages = match batch::split(payload) {
        Some(batch) => batch.messages,
        None => std::iter::once(0..payload.len()).collect(),
    };
    let is_accepted = |part: &&[u8]| {
        let Ok(message) = Message::parse(part) else { return false };
        let claims = Claims::read(&message, Transaction::of(&message), 1024);
        !message.warnings().contains(Warning::AmbiguousStructure)
            && rules::check(&device, &directory, &claims).is_ok()
    };
    let parts = messages.into_iter().map(|range| &payload[range]);
    parts.filter(is_accepted).map(<[u8]>::to_vec).collect()
}

fn is_other(text: &str) -> bool {
    DeviceIdentity::new(text, "EUI-64") == DeviceIdentity::new(OTHER, "EUI-64")
}

/// A text without its escape sequences. `hl7-parser` panics at some sequences behind characters of several
/// bytes: it then reads nothing.
fn unescaped(message: &hl7_parser::Message<'_>, text: &str) -> Option<String> {
    std::panic::catch_unwind(|| message.separators.decode(text).to_string()).ok()
}

/// Whether `hl7-parser` finds [`OTHER`] where a device is named, in a text that it decoded by `set`.
fn rust_reader_finds_other(text: &str, set: Option<&str>) -> bool {
    let readings =
        [false, true].map(|lenient| hl7_parser::Message::parse_with_lenient_newlines(text, lenient));
    readings.into_iter().flatten().any(|message| {
        // Another set than that of MSH-18 is a reader's mistake.
        let named = message.segments().next().and_then(|header| header.fields().nth(17));
        if set.is_some_and(|set| named.is_none_or(|named| named.raw_value() != set)) {
            return false;
        }
        message.segments().any(|segment| {
            let named = |number: usize, components: &[usize]| {
                let field = segment.fields().nth(number - 1);
                let repeats: Vec<_> = field.iter().flat_map(|field| field.repeats()).collect();
                repeats.into_iter().any(|repeat| {
                    components.iter().filter_map(|n| repeat.component(*n)).any(|component| {
                        is_other(component.raw_value())
                            || component.subcomponents().any(|part| is_other(part.raw_value()))
                            || unescaped(&message, component.raw_value()).is_some_and(|text| is_other(&text))
                    })
                })
            };
            let is_system_id = || {
                segment.fields().nth(2).is_some_and(|term| {
                    ["67972", "MDC_ATTR_SYS_ID"]
                        .iter()
                        .any(|name| term.raw_value().split('^').any(|part| part == *name))
                })
            };
            match segment.name {
                "MSH" => named(3, &[1, 2, 3, 4]),
                "OBR" => named(3, &[3]),
                "OBX" => named(18, &[1, 3]) || is_system_id() && named(5, &[1, 3]),
                _ => false,
            }
        })
    })
}

/// The generated cases: the same 20 000 in every run, or as many others as `PCD_READER_CASES` says.
fn cases() -> impl Iterator<Item = Case> {
    let others: Option<u32> = std::env::var("PCD_READER_CASES").ok().map(|cases| cases.parse().unwrap());
    let mut runner = match others {
        None => TestRunner::deterministic(),
        Some(_) => TestRunner::default(),
    };
    (0..others.unwrap_or(20_000)).map(move |_| case().new_tree(&mut runner).unwrap().current())
}

#[test]
fn no_accepted_bytes_name_another_device_to_a_rust_reader() {
    for case in cases() {
        for part in accepted(&case.bytes) {
            let (name, decoder, _) = SETS[case.set];
            for (decoder, set) in [(decoder, Some(name)), (WINDOWS_1252, None)] {
                let text = decoder.decode_without_bom_handling(&part).0;
                assert!(!rust_reader_finds_other(&text, set), "{:?}", String::from_utf8_lossy(&part));
            }
        }
    }
}

#[test]
fn no_accepted_bytes_name_another_device_to_a_python_reader() {
    let (mut parts, mut total) = (Vec::new(), 0);
    for case in cases() {
        total += 1;
        parts.extend(accepted(&case.bytes).into_iter().map(|part| (part, case.set)));
    }
    assert!(parts.len() > total / 20, "{} of {total} are accepted", parts.len());
    // The reader has the time of a peer for each portion.
    for portion in parts.chunks(2_000) {
        let lines = read_by_python(portion);
        assert_eq!(lines.len(), portion.len());
        let understood = lines.iter().filter(|found| found.iter().any(|text| text == OWN)).count();
        assert!(understood > portion.len() / 2, "only {understood} of {} are understood", portion.len());
        for ((part, set), found) in portion.iter().zip(lines) {
            let set = SETS[*set].0;
            assert!(
                !found.iter().any(|text| is_other(text)),
                "{set}: {:?}: {found:?}",
                String::from_utf8_lossy(part)
            );
        }
    }
}

/// One or two bytes, or three with a digit, before a delimiter or a carriage return: with each that is
/// accepted no decoder of Java finds the other device in OBX-18.
#[test]
fn no_decoder_of_java_finds_another_device_in_accepted_bytes() {
    const SECONDS: [u8; 18] = [
        0x30, 0x39, 0x40, 0x5C, 0x7C, 0x7E, 0x80, 0x81, 0x8E, 0xA0, 0xA1, 0xC4, 0xDF, 0xE0, 0xFC, 0xFD, 0xFE,
        0xFF,
    ];
    let mut starts: Vec<Vec<u8>> = vec![b"\x0E".to_vec(), b"\x1B$B".to_vec(), b"\x1B$)C\x0E".to_vec()];
    for lead in 0x80..=0xFF {
        starts.push(vec![lead]);
        for second in SECONDS {
            starts.push(vec![lead, second]);
            if matches!(second, 0x30 | 0x81 | 0xA1) {
                starts.extend([0x30, 0x81].map(|third| vec![lead, second, third]));
            }
        }
    }
    let message = |set: &str, start: &[u8], behind: &str| {
        let header =
            format!("MSH|^~\\&|A^{OWN}^EUI-64||||2026||ORU^R01^ORU_R01|1|P|2.6||||||{set}\rOBX|1|ST|1^X|1|5");
        [header.as_bytes(), start, behind.as_bytes()].concat()
    };
    let (mut sent, mut input, mut honest) = (Vec::new(), String::new(), 0);
    for start in &starts {
        for behind in ["|||||||R|||||||", "\rNTE|||||||||||||", "|||||"] {
            let behind = format!("{behind}M^^{OTHER}^EUI-64\r");
            // What a decoder makes of the bytes does not depend on MSH-18.
            let is_accepted =
                SETS.iter().any(|(set, ..)| !accepted(&message(set, start, &behind)).is_empty());
            honest += usize::from(is_accepted);
            let bytes = message("", start, &behind);
            writeln!(input, "{}", hex(&bytes)).unwrap();
            sent.push((bytes, is_accepted));
        }
    }
    assert!(honest > 1000, "only {honest} are accepted");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, input).unwrap();
    let mut java = java("DecodersOfJava", &[], &[]);
    java.arg(file.path()).arg(OTHER);
    let output = finish(java, b"", None);
    assert!(output.success, "{}", output.text());
    let printed = String::from_utf8_lossy(&output.stdout);
    let found: Vec<&str> = printed.lines().collect();
    assert_eq!(found.len(), sent.len());
    let mut impostors = 0;
    for ((bytes, is_accepted), decoders) in sent.iter().zip(found) {
        assert!(!is_accepted || decoders.is_empty(), "{decoders}: {}", bytes.escape_ascii());
        impostors += usize::from(!decoders.is_empty());
    }
    assert!(impostors > 1000, "only {impostors} are read differently");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// The texts that Python's `hl7` finds where a device is named, for each of the messages.
fn read_by_python(parts: &[(Vec<u8>, usize)]) -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/python/bin/python");
    assert!(python.is_file(), "the Python peer is not installed (tests/run does it)");
    let mut input = String::new();
    for (at, (part, set)) in parts.iter().enumerate() {
        let hex = hex(part);
        let mut encodings =
            vec![serde_json::json!([SETS[*set].2, SETS[*set].0]), serde_json::json!(["latin-1", null])];
        // Readers with another set than that of MSH-18 take turns.
        encodings.push(serde_json::json!([PYTHON_DECODERS[at % PYTHON_DECODERS.len()], null]));
        writeln!(input, "{}", serde_json::json!({ "bytes": hex, "encodings": encodings })).unwrap();
    }
    let mut command = command_at(&python);
    command.arg(root.join("tests/peers/hl7_claims.py"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, input).unwrap();
    command.arg(file.path());
    let output = finish(command, b"", None);
    assert!(output.success, "{}", output.text());
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
