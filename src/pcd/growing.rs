//! Messages in which one thing is there any number of times: what a sender can do to a reader.

/// What grows, what precedes it, and each part of it; `#` is the number of the part.
const SHAPES: [(&str, &str, &str); 41] = [
    ("events at different places", ALERT, "OBX|#|ST|196670^MDC_EVT_LO^MDC|1.#.1.1.1|x||||||F\r"),
    ("events at one place", ALERT, "OBX|#|ST|196670^MDC_EVT_LO#^MDC|1.1.1.1.1|x||||||F\r"),
    ("the same event", ALERT, "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\r"),
    ("events of equipment", ALERT, "OBX|#|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F|||2026||||BED-#\r"),
    ("events without a place", ALERT, "OBX|#|ST|196670^MDC_EVT_LO#^MDC||x||||||F\r"),
    (
        "events that replace withdrawn ones",
        ALERT,
        "OBX|#|ST|196670^MDC_EVT_A^MDC|1.#.1.1.1|x||||||W\rOBX|#|ST|196671^MDC_EVT_B^MDC|1.#.1.1.1|x||||||F\r",
    ),
    ("phases", ALERT, "OBX|#|ST|68481^MDC_ATTR_EVENT_PHASE|1.1.1.1.3|start#||||||F\r"),
    ("phases behind a long one", LONG_PHASE, "OBX|#|ST|68481^MDC_ATTR_EVENT_PHASE|1.1.1.1.3|start#||||||F\r"),
    ("values", ALERT, "OBX|#|NM|150456^MDC_PULS_OXIM_SAT_O2|1.1.1.1.2|#||||||F\r"),
    ("participations", ALERT, "PRT|#|UC||EQUIP||||||BED-#^^00A037FFFE000001^EUI-64\r"),
    ("participations in two events", TWO_EVENTS, "PRT|#|UC||EQUIP||||||BED-#\r"),
    (
        "requests of one alert",
        ALERT,
        "OBR|#||E1|196616^MDC_EVT_ALARM^MDC\rOBX|1|ST|68482^MDC_ATTR_ALARM_STATE|1.1.1.1.4|s#||||||F\r",
    ),
    (
        "alerts",
        ALERT,
        "OBR|#||E#|196616^MDC_EVT_ALARM^MDC\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\r",
    ),
    (
        "repeated alerts",
        ALERT,
        "OBR|#||E1|196616^MDC_EVT_ALARM^MDC|||2026\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\r",
    ),
    ("events of a long number", LONG_NUMBER, "OBX|#|ST|196670^MDC_EVT_LO^MDC|1.#.1.1.1|x||||||F\r"),
    (
        "unknown states",
        ALERT,
        "OBR|#||E#|196616^MDC_EVT_ALARM^MDC\rOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\rOBX|2|ST|68482^MDC_ATTR_ALARM_STATE|1.1.1.1.4|x||||||F\r",
    ),
    ("observations", VALUES, "OBX|#|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.#|97||||||F\r"),
    ("devices", VALUES, "OBX|#||1^X_MDS|#.0.0.0|||||||X|||||||^^00A037FFFE000001^EUI-64\r"),
    (
        "nested places",
        VALUES,
        "OBX|#||1^X|1.#|||||||X\rOBX|#||1^X|1.#.1|||||||X\rOBX|#||1^X|1.#.1.1.1.1|||||||X\r",
    ),
    ("one place", VALUES, "OBX|1||1^X|1.1.1.1|||||||X\r"),
    ("short observations", VALUES, "OBX|\r"),
    ("notes", VALUES, "NTE|#||note\r"),
    ("notes behind observations", VALUES, "OBX|#|ST|1^X|1.1.1.1|x\rNTE|1||note\rADD|x\r"),
    ("segments of other names", VALUES, "X#|a\r"),
    ("repetitions of OBX-5", "OBR|1\rOBX|1|ST|1^X|1.1.1.1|a", "~b#"),
    ("repetitions of OBX-3", "OBR|1\rOBX|1|ST|1^X^L", "~#^Y^L"),
    ("components of OBX-3", "OBR|1\rOBX|1|ST|1^X^L", "^#"),
    ("flags", "OBR|1\rOBX|1|ST|1^X^L|1.1.1.1|x|||H", "~#"),
    ("components of OBX-18", "OBR|1\rOBX|1|ST|1^X^L|1.1.1.1|x||||||F|||||||A", "^B#"),
    ("lines of a header", "", "x\r"),
    ("separators in lines of a header", "", "^x\r"),
    ("numbers of a patient", "PID|1||4711^^^H", "~471100#^^^H"),
    ("words of a name", "PID|1||4711||Smith", " Name#"),
    ("a name of one letter", "NTE|1||AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\rPID|1||4711||A", "A"),
    ("a long name in a long note", "PID|1||4711||\u{2}\rOBR|1\rNTE|1||", "A"),
    ("a number of one digit", "NTE|1||11111111111111111111111111111111111111111111\rPID|1||11111111", "1"),
    ("relatives", "PID|1||4711||Smith\r", "NK1|#|Jones#^Mary#\r"),
    ("places of a patient", "PID|1||4711\r", "PV1|1|I|ICU#^B1^7\r"),
    ("orders", "", "ORC|RE|P#|F#\rOBR|#|P#|F#\r"),
    ("fields of a header", "", "|a"),
    ("gives", "", "RXG|#|||1^X|5\r"),
];

const ALERT: &str = "PID|1||4711\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC|||2026\r\
    OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F|||2026\r";
const TWO_EVENTS: &str = "OBR|1||E1|196616^MDC_EVT_ALARM^MDC|||2026\r\
    OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F|||2026\rPRT|1|UC||EQUIP||||||BED\r\
    OBX|2|ST|196671^MDC_EVT_HI^MDC|1.1.1.1|x||||||F|||2026\r";
const LONG_PHASE: &str = "OBR|1||E1|196616^MDC_EVT_ALARM^MDC|||2026\r\
    OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\rOBX|2|ST|68481^MDC_ATTR_EVENT_PHASE|1.1.1.1.3|\u{1}||||||F\r";
const LONG_NUMBER: &str = "OBR|1||\u{1}|196616^MDC_EVT_ALARM^MDC|||2026\r";
const VALUES: &str = "PID|1||4711||Smith^Anna\rOBR|1||E1|69965^X^MDC|||2026\r";

/// Each of them: what grows, and the message with so many parts.
pub(crate) fn growing(parts: usize) -> impl Iterator<Item = (&'static str, String)> {
    SHAPES.iter().map(move |(what, head, part)| {
        let kind = if part.contains("RXG") { "RGV^O15^RGV_O15" } else { kind(head) };
        let header = match *what {
            "lines of a header" | "separators in lines of a header" => "MSH|^~\\&|A\r".to_owned(),
            "fields of a header" => {
                format!("MSH|^~\\&|A^00A037FFFE000001^EUI-64||||20260101120000+0000||{kind}|1|P|2.6")
            }
            _ => format!("MSH|^~\\&|A^00A037FFFE000001^EUI-64||||20260101120000+0000||{kind}|1|P|2.6\r"),
        };
        let parts_of: String = (1..=parts).map(|n| part.replace('#', &n.to_string())).collect();
        // As long as all parts together: what is read again for each of them grows with them.
        let head = head.replace('\u{1}', &"x~y".repeat(parts)).replace('\u{2}', &"A".repeat(parts / 2));
        (*what, header + &head + &parts_of + "\r")
    })
}

fn kind(head: &str) -> &'static str {
    if head.contains("MDC_EVT_ALARM") { "ORU^R40^ORU_R40" } else { "ORU^R01^ORU_R01" }
}
