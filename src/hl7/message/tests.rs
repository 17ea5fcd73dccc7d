use proptest::prelude::*;

use super::*;

const MSH: &str = r"MSH|^~\&|APP|FAC|||20260101120000+0000||ORU^R01^ORU_R01|ID1|P|2.6";

fn ids(bytes: &[u8]) -> (Vec<String>, Warnings) {
    let message = Message::parse(bytes).unwrap();
    let ids = message.segments().map(|segment| String::from_utf8_lossy(segment.id()).into_owned()).collect();
    (ids, message.warnings())
}

fn warnings(of: &[Warning]) -> Warnings {
    of.iter().copied().collect()
}

#[test]
fn a_standard_message_has_no_warnings() {
    let (ids, warned) = ids(format!("{MSH}\rPID|1\rOBX|1\r").as_bytes());
    assert_eq!((ids, warned), (vec!["MSH".into(), "PID".into(), "OBX".into()], Warnings::default()));
}

#[test]
fn a_complete_header_is_not_joined_with_a_malformed_line() {
    for (second, id) in [("I|x", "I"), ("pid|1||X", "pid"), ("|AL|NE", ""), ("no segment", "no segment")] {
        let text = format!("{MSH}\r{second}\rOBX|1\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.header().version().raw(), b"2.6", "{second}");
        assert!(message.warnings().contains(Warning::UnknownSegment), "{second}");
        assert!(!message.warnings().contains(Warning::WrappedHeader), "{second}");
        let names: Vec<_> = message.segments().map(|segment| segment.id().to_vec()).collect();
        assert_eq!(names, [b"MSH".to_vec(), id.as_bytes().to_vec(), b"OBX".to_vec()], "the line is kept");
    }
    // Before MSH-12 a line without a name is the rest of the header, a segment in lower case is not.
    let wrapped = MSH.replace("|ID1", "\r|ID1");
    assert_eq!(Message::parse(wrapped.as_bytes()).unwrap().header().version().raw(), b"2.6");
    let lower = "MSH|^~\\&|APP\rpid|1\r";
    assert_eq!(Message::parse(lower.as_bytes()).unwrap().segments().count(), 2);
}

#[test]
fn other_segment_terminators_are_read() {
    let expected = ["MSH", "PID", "OBX"];
    for (text, warned) in [
        (format!("{MSH}\nPID|1\nOBX|1\n"), &[Warning::LineFeeds][..]),
        (format!("{MSH}\r\nPID|1\r\nOBX|1\r\n"), &[Warning::LineFeeds]),
        (format!("{MSH}\nPID|1\nOBX|1\r"), &[Warning::LineFeeds]),
        (format!("{MSH}\rPID|1\rOBX|1"), &[Warning::MissingFinalCarriageReturn]),
        (format!("{MSH}\r\rPID|1\r \rOBX|1\r"), &[Warning::EmptyLines]),
        (format!("{MSH}\r PID|1\rOBX|1\r"), &[Warning::BlanksBeforeSegment]),
        (format!("\u{feff}{MSH}\rPID|1\rOBX|1\r"), &[Warning::ByteOrderMark]),
        (format!("\r\n {MSH}\rPID|1\rOBX|1\r"), &[Warning::BlanksBeforeHeader]),
    ] {
        let (ids, found) = ids(text.as_bytes());
        assert_eq!((&ids[..], found), (&expected.map(String::from)[..], warnings(warned)), "{text:?}");
    }
}

#[test]
fn a_line_feed_inside_a_segment_is_content() {
    let text = format!("{MSH}\rNTE|1||Low SpO2\ncheck sensor|RE\rOBX|1\r");
    let message = Message::parse(text.as_bytes()).unwrap();
    let note = message.segment(b"NTE").unwrap();
    assert_eq!(note.field(3).raw(), b"Low SpO2\ncheck sensor");
    assert_eq!((note.field(4).raw(), message.segments().count()), (&b"RE"[..], 3));
    let expected = [Warning::LineFeeds, Warning::LineFeedInSegment];
    assert_eq!(message.warnings(), warnings(&expected));
}

#[test]
fn a_segment_behind_a_line_feed_is_ambiguous() {
    for hidden in ["\nOBX|1", "\n OBX|1", "\nMSH!^~\\&!A", "\u{85}MSH|^~\\&|A", "\u{c}MSH|"] {
        let text = format!("{MSH}\rNTE|1||Low{hidden}\rOBX|1\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert!(message.warnings().contains(Warning::AmbiguousStructure), "{hidden:?}");
        assert_eq!(message.segments().count(), 3, "{hidden:?}");
    }
}

#[test]
fn the_second_byte_of_a_character_delimits_nothing() {
    let obx = b"OBX|1|ST|1^X||\x81|\x81^\x81~ ok||||||R\r";
    let read = |set: &str| {
        let header = format!(r"MSH|^~\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||{set}");
        let text = [header.as_bytes(), b"\r", obx].concat();
        let message = Message::parse(&text).unwrap();
        let obx = message.segment(b"OBX").unwrap();
        (obx.field(5).raw().len(), obx.field(11).raw().to_vec(), message.warnings())
    };
    assert_eq!(read("GB 18030-2000"), (9, b"R".to_vec(), Warnings::default()));
    assert_eq!(read("UNICODE UTF-8").0, 1);
}

// The facility is text too: where MSH-18 is depends on MSH-18.
#[test]
fn the_character_set_is_the_one_that_names_itself() {
    let read = |facility: &[u8], rest: &[u8]| {
        let start = br"MSH|^~\&|A|".as_slice();
        let text = [start, facility, b"|||2026||ORU^R01^ORU_R01|1|P|2.6||||||", rest, b"\rPID|1\r"].concat();
        let message = Message::parse(&text).unwrap();
        let control_id = message.header().control_id().raw().to_vec();
        (control_id, message.warnings().contains(Warning::AmbiguousStructure))
    };
    assert_eq!(read(b"\xB3|", b"BIG-5"), (b"1".to_vec(), false));
    assert_eq!(read(b"\xB3|", b"ASCII"), (b"ORU^R01^ORU_R01".to_vec(), false));
    assert_eq!(
        read(b"\x81|", b"BIG-5|GB18030"),
        (b"1".to_vec(), true),
        "not every table of Big5 has this lead byte"
    );
    let (_, is_ambiguous) = read(b"\x1B$B|", b"GB18030");
    assert!(!is_ambiguous, "an escape sequence means nothing in GB 18030");
}

#[test]
fn odd_names_of_segments_hide_nothing() {
    let (ids, _) = ids(format!("{MSH}\rPID|1\rZZ|1\rlong|1\rOBX|1\r").as_bytes());
    assert_eq!(ids, ["MSH", "PID", "ZZ", "long", "OBX"]);
}

#[test]
fn a_header_wrapped_over_two_lines_is_one_segment() {
    for wrapped in [
        "MSH|^~\\&|APP|FAC|||20260101120000+0000||ORU^R01^ORU_R01|ID1|P\r|2.6|||AL|NE||ASCII\rPID|1\r",
        "MSH|^~\\&|APP|FAC|||20260101120000+0000||ORU^R01\r\n^ORU_R01|ID1|P|2.6|||AL\n|NE||ASCII\rPID|1\r",
        "MSH|^~\\&|APP|FAC|||20260101120000+0000||OR\rU^R01^ORU_R01|ID1|P|2.6|||AL|NE||ASCII\rPID|1\r",
    ] {
        let message = Message::parse(wrapped.as_bytes()).unwrap();
        assert!(message.warnings().contains(Warning::WrappedHeader), "{wrapped:?}");
        assert_eq!(message.segments().count(), 2);
        let header = message.header();
        assert_eq!(header.message_type().code, b"ORU");
        assert_eq!(header.message_type().structure, b"ORU_R01");
        assert_eq!(header.accept_acknowledgement().trimmed(), b"AL");
        assert_eq!(header.application_acknowledgement().trimmed(), b"NE");
        assert_eq!(header.character_set().trimmed(), b"ASCII");
    }
}

#[test]
fn pid_in_the_line_of_the_header_is_a_segment() {
    let text =
        format!("{MSH}|||AL|NE|||||PCD_DEC_001^IHE PCD^1.3^ISOPID|||12345^^^A^MR||BEDS^TEDSONS|\rOBR|1\r");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(message.warnings().contains(Warning::MissingCarriageReturnBeforePid));
    let ids: Vec<_> = message.segments().map(|segment| segment.id()).collect();
    assert_eq!(ids, [b"MSH", b"PID", b"OBR"]);
    assert_eq!(message.segment(b"PID").unwrap().field(3).component(1).raw(), b"12345");
    assert!(message.header().profiles().raw().ends_with(b"ISO"));
}

#[test]
fn a_header_value_that_ends_in_pid_stays_one() {
    for text in [
        r"MSH|^~\&|RAPID|FAC|||20260101120000+0000||ORU^R01^ORU_R01|ID1|P|2.6|||AL|NE|||||",
        "MSH|^~\\&|A|B|||20260101||ORU^R01^ORU_R01|1|P|2.6|||AL|NE|RAPID||||||\rPID|1\r",
        "MSH|^~\\&|A|B|||20260101||ORU^R01^ORU_R01|1|P|2.6|||AL|NE||¶EVN|A01|¶PID||||||\r",
        r"MSH|^~\&|A|B|||20260101||ORU^R01^ORU_R01|1|P|2.6|||AL|NE|||||RAPID|",
    ] {
        let (_, warned) = ids(text.as_bytes());
        assert!(!warned.contains(Warning::MissingCarriageReturnBeforePid), "{text:?}");
    }
}

#[test]
fn unreadable_bytes_are_refused_with_the_reason() {
    for (bytes, why) in [
        (&b""[..], Unreadable::Empty),
        (b" \r\n", Unreadable::Empty),
        (b"\xEF\xBB\xBF", Unreadable::Empty),
        (b"PID|1", Unreadable::NoHeader),
        (b"[SOM]MSH|^~\\&|", Unreadable::NoHeader),
        (b"FHS|^~\\&|", Unreadable::NoHeader),
        (b"MSH", Unreadable::Separators),
        (b"MSH||||", Unreadable::Separators),
        (b"MSHabcde", Unreadable::Separators),
    ] {
        assert_eq!(Message::parse(bytes).err(), Some(why), "{bytes:?}");
    }
}

#[test]
fn no_value_reaches_a_debug_text() {
    let text = format!("{MSH}\rPID|1||SECRET\r");
    assert!(!format!("{:?}", Message::parse(text.as_bytes()).unwrap()).contains("SECRET"));
}

/// Text made of structural pieces.
fn text() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 16] = [
        b"MSH",
        b"PID",
        b"OBX",
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"a",
        b"\xFF",
        b"\0",
        b"PID|||||",
    ];
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40);
    (pieces, prop::sample::select(&["", r"MSH|^~\&|", r"MSH|^~\&|||||||||||", "\u{feff}MSH^~|\\&^"][..]))
        .prop_map(|(pieces, start)| [start.as_bytes(), &pieces.concat()].concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&bytes);
        let _ = Message::parse(&[&b"MSH|^~\\&|"[..], &bytes].concat());
    }

    #[test]
    fn a_reassembled_message_has_the_same_bytes(bytes in text()) {
        let Ok(message) = Message::parse(&bytes) else { return Ok(()) };
        prop_assert_eq!(message.as_bytes(), &bytes);
        let mut again = Vec::new();
        let mut end = 0;
        for (range, segment) in message.ranges().zip(message.segments()) {
            let gap = &bytes[end..range.start];
            let gap = gap.strip_prefix(BYTE_ORDER_MARK).filter(|_| end == 0).unwrap_or(gap);
            prop_assert!(gap.trim_ascii().is_empty(), "between segments there is nothing");
            again.extend_from_slice(&bytes[end..range.start]);
            end = range.end;

            let separator = [message.separators().field];
            let mut fields: Vec<&[u8]> = segment.fields().map(|field| field.raw()).collect();
            for field in segment.fields() {
                let repetitions: Vec<_> = field.repetitions().map(|repetition| {
                    let components: Vec<_> = repetition.components().map(|component| component.raw()).collect();
                    components.join(&message.separators().component)
                }).collect();
                prop_assert_eq!(repetitions.join(&message.separators().repetition), field.raw());
            }
            if segment.is(b"MSH") || segment.is(b"FHS") || segment.is(b"BHS") {
                fields.drain(..fields.len().min(1));
            }
            fields.insert(0, segment.id());
            let joined = fields.join(&separator[..]);
            if message.warnings().contains(Warning::WrappedHeader) && again.trim_ascii().len() <= BYTE_ORDER_MARK.len() {
                let unwrapped: Vec<u8> = bytes[range.clone()].iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
                prop_assert_eq!(&joined, &unwrapped);
                again.extend_from_slice(&bytes[range]);
            } else {
                again.extend_from_slice(&joined);
            }
        }
        prop_assert!(bytes[end..].trim_ascii().is_empty());
        again.extend_from_slice(&bytes[end..]);
        prop_assert_eq!(again, bytes);
    }
}
