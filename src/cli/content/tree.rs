//! The content of a message as lines of text.

use crate::cli::text::{counted, printable};
use crate::view::{AlertFacets, Node, OtherField, OtherSegment, Patient, Request, Tree};

/// A line of text without control characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// Where the part begins that is not valid any more, if the line has one.
    struck_from: Option<usize>,
}

impl Line {
    /// The line; on a terminal what is not valid is struck through.
    pub(super) fn shown(&self, on_terminal: bool) -> String {
        match self.struck_from.filter(|_| on_terminal).and_then(|at| self.text.split_at_checked(at)) {
            Some((mark, struck)) => format!("{mark}{STRIKE}{struck}{NO_STRIKE}"),
            None => self.text.clone(),
        }
    }
}

/// The content as lines.
pub(super) fn lines(tree: &Tree) -> Vec<Line> {
    let mut lines = Lines::default();
    let transaction = tree.transaction.map_or("not IHE PCD".to_owned(), str::to_uppercase);
    lines.plain(&format!("{transaction}  {}  {}", tree.message_type, tree.control_id));
    if tree.not_clinical {
        lines.plain("NOT CLINICAL: a test or a demonstration (OBX-8)");
    }
    if let Some(mode) = tree.not_production {
        lines.plain(&format!("NOT CLINICAL: a message of {mode} (MSH-11)"));
    }
    if let Some(mode) = tree.not_current {
        lines.plain(&format!("NOT CURRENT: {mode} (MSH-11)"));
    }
    if tree.withdrawn > 0 {
        let results = counted(tree.withdrawn as u64, "result");
        lines.plain(&format!("NOT VALID: the sender withdrew {results} (OBX-11 W or D)"));
    }
    lines.row("sent", &tree.sent_shown);
    lines.row("from", &tree.from);
    match &tree.patient {
        Some(patient) => {
            lines.row("patient", &patient_text(patient));
            lines.others(&patient.others);
            lines.notes(&patient.notes, 0);
            patient.observations.iter().for_each(|node| lines.node(node));
        }
        None if tree.names_patient => lines.row("patient", HIDDEN),
        None => {}
    }
    lines.segments(&tree.other_segments);
    for request in &tree.requests {
        lines.request(request);
    }
    lines.row("hidden", &hidden_fields(tree));
    if tree.requests.is_empty() {
        lines.row("segments", &tree.segments.join(" "));
    } else if !tree.not_shown.is_empty() {
        lines.row("also", &format!("{} (--raw shows them)", tree.not_shown.join(" ")));
    }
    lines.0
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn plain(&mut self, text: &str) {
        self.0.push(Line { text: printable(text.trim_end()), struck_from: None });
    }

    /// A name and its value, unless the value is empty. Further lines of the value are indented.
    fn row(&mut self, name: &str, value: &str) {
        for (at, line) in value.split('\n').enumerate().filter(|_| !value.is_empty()) {
            let name = if at == 0 { name } else { "" };
            self.plain(&format!("{name:<9} {line}"));
        }
    }

    fn request(&mut self, request: &Request) {
        self.row("request", &request.service.text());
        self.row("filler", &request.filler);
        self.row("placer", &request.placer);
        self.row("parent", &request.parent);
        self.row("time", &request.time_shown);
        self.row("until", &request.end_shown);
        self.others(&request.others);
        self.segments(&request.segments);
        for alert in request.alert.iter().chain(&request.further_alerts) {
            self.alert(alert);
        }
        self.notes(&request.notes, 0);
        for node in &request.observations {
            self.node(node);
        }
    }

    fn alert(&mut self, alert: &AlertFacets) {
        let doubt = || alert.doubted_facets.iter().find(|doubted| doubted.facet == "event");
        let mark = alert.withdrawn.or_else(|| doubt().map(|event| event.doubt.as_str()));
        let mark = mark.map(mark_of).unwrap_or_default();
        // An answer to an alert (PCD-05) need not repeat it.
        let text = format!("{mark}{} {}", alert.event.text(), alert.text);
        self.row("alert", text.trim());
        for (label, value) in &alert.rows {
            self.row(label, value);
        }
    }

    fn segments(&mut self, segments: &[OtherSegment]) {
        for segment in segments {
            self.others(&segment.fields);
            self.notes(&segment.notes, 0);
        }
    }

    /// Fields without a place of their own.
    fn others(&mut self, fields: &[OtherField]) {
        for OtherField { field, name, shown, .. } in fields.iter().filter(|field| field.value.is_some()) {
            let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
            self.row(field, &format!("{name}{shown}"));
        }
    }

    fn notes(&mut self, notes: &[String], indent: usize) {
        for note in notes {
            for (at, line) in note.split('\n').enumerate() {
                let label = if at == 0 { "note: " } else { "      " };
                self.plain(&format!("{:indent$}  {label}{line}", ""));
            }
        }
    }

    fn node(&mut self, node: &Node) {
        let path = match (node.path.as_str(), node.sub_id.as_str()) {
            ("", "") => "-".to_owned(),
            ("", sent) => sent.to_owned(),
            (path, "") => path.to_owned(),
            // OBX-4 as it came is another spelling of the same place.
            (path, sent) => format!("{path} (sent as {sent})"),
        };
        let path = format!("{:indent$}{path}", "", indent = node.depth * 2);
        let level = node.level.unwrap_or_default();
        let start = printable(&format!("  {path:<24} {level:<7} "));
        let mark =
            if node.is_withdrawn { node.status_name.map(mark_of).unwrap_or_default() } else { String::new() };
        let rest = node_text(node);
        let mut texts = rest.split('\n');
        let first = texts.next().unwrap_or_default();
        let struck_from = node.is_withdrawn.then_some(start.len() + mark.len());
        let text = format!("{start}{mark}{}", printable(first));
        self.0.push(Line { text: text.trim_end().to_owned(), struck_from });
        let indent = INDENT;
        for text in texts {
            let text = printable(&format!("{:indent$}{text}", ""));
            self.0.push(Line { text, struck_from: node.is_withdrawn.then_some(indent) });
        }
        for participant in &node.participants {
            let texts: Vec<_> = other_texts(&participant.fields).collect();
            if !texts.is_empty() {
                self.plain(&format!("{:indent$}  {}: {}", "", participant.segment, texts.join("  ")));
            }
        }
        self.notes(&node.notes, indent);
    }
}

fn mark_of(doubt: &str) -> String {
    format!("[{}] ", doubt.to_uppercase())
}

fn patient_text(patient: &Patient) -> String {
    let Patient { identifiers, name, born, sex, location, .. } = patient;
    let parts = [("", name), ("id ", identifiers), ("born ", born), ("sex ", sex), ("at ", location)];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(label, value)| format!("{label}{value}")).collect::<Vec<_>>().join(", ")
}

/// The names of the fields that are there and not shown, or not all of them, each once.
fn hidden_fields(tree: &Tree) -> String {
    let mut names: Vec<String> = Vec::new();
    for OtherField { field, value, is_partial, .. } in tree.other_fields() {
        let name = match value {
            None => field.clone(),
            Some(_) if *is_partial => format!("{field} (in part)"),
            Some(_) => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { String::new() } else { format!("{} (--phi shows them)", names.join(" ")) }
}

/// The fields without a place of their own that are shown.
fn other_texts(fields: &[OtherField]) -> impl Iterator<Item = String> {
    fields.iter().filter(|field| field.value.is_some()).map(|OtherField { field, name, shown, .. }| {
        format!("{} {shown}", if name.is_empty() { field } else { *name })
    })
}

/// What an observation says.
fn node_text(node: &Node) -> String {
    let mut line = node.term.text();
    let mut add = |text: &str| {
        line.push_str("  ");
        line.push_str(text);
    };
    match node.value.as_deref() {
        Some("") => {}
        Some(value) => add(&format!("= {value}")),
        None => add(&format!("= {HIDDEN}")),
    }
    // The size of a document is its text already.
    if let Some(bytes) =
        node.value_bytes.filter(|_| node.value.as_deref().is_some_and(|it| it.ends_with('\u{2026}')))
    {
        add(&format!("({bytes} bytes; --full shows all)"));
    }
    if node.is_continued {
        add("(continued; --raw shows all)");
    }
    if !node.unit.is_empty() {
        add(&node.unit);
    }
    if !node.range.is_empty() {
        add(&format!("range {}", node.range));
    }
    if !node.flags.is_empty() {
        add(&format!("[{}]", node.flags.join(" ")));
    }
    if node.not_clinical {
        add("NOT CLINICAL");
    }
    if !node.doubt.is_empty() {
        add(&node.doubt.to_uppercase());
    }
    match node.shown_status() {
        Some(name) if !node.is_withdrawn => add(name),
        None if node.status_name.is_none() && !node.status.is_empty() => {
            add(&format!("status {}", node.status))
        }
        _ => {}
    }
    if !node.time_shown.is_empty() {
        add(&format!("at {}", node.time_shown));
    }
    // AMEAS, MMEAS and so on say that it was measured; others that it is a setting.
    if !node.method.is_empty() {
        add(&format!("method {}", node.method));
    }
    if !node.site.is_empty() {
        add(&format!("site {}", node.site));
    }
    if !node.equipment.is_empty() {
        add(&format!("by {}", node.equipment));
    }
    other_texts(&node.others).for_each(|text| add(&text));
    line.trim_end().to_owned()
}

/// What stands in place of a patient.
const HIDDEN: &str = "hidden; --phi shows it";
/// How far the further lines of a value are indented.
const INDENT: usize = 35;
/// Crossed-out characters (ECMA-48, SGR 9 and 29).
const STRIKE: &str = "\x1b[9m";
const NO_STRIKE: &str = "\x1b[29m";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;
    use crate::view::TreeOptions;

    fn text(tree: &Tree) -> String {
        lines(tree).iter().map(|line| line.shown(false)).collect::<Vec<_>>().join("\n")
    }

    const OBSERVATIONS: &[u8] = b"MSH|^~\\&|ACME^00A037EB2175780F^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|ID\x1B[2J|P|2.6|||AL|NE||8859/1\r\
        PID|||SECRET-1^^^H^PI||Secret^Name||19700101|F\rPV1||I|Ward^7\r\
        OBR|1||F1|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101115959\r\
        OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97.00|262688^MDC_DIM_PERCENT^MDC|90-100|TEST|||R|||20260101115958\r\
        OBX|2||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1^^00A037EB2175780F^EUI-64\r\
        OBX|3||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X\r\
        OBX|4||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X\r\
        OBX|5|CWE|68188^MDC_ATTR_X^MDC|1.1.1.150456.1|7^J\xFCrgen \\T\\ Co^MDC\r\
        OBX|6|ST|67932^MDC_ATTR_PT_NAME_FAMILY^MDC|1.0.0.9|Secret\r\
        OBX|7|ST|1^UNPLACED^L||x\r";

    fn shown(bytes: &[u8], with_patient: bool) -> String {
        let options = TreeOptions { with_patient, ..TreeOptions::default() };
        text(&Tree::new(&Message::parse(bytes).unwrap(), &options))
    }

    #[test]
    fn observations_are_indented_by_their_place_in_the_device_tree() {
        let text = shown(OBSERVATIONS, false);
        let expected = "PCD-01  ORU^R01^ORU_R01  ID\\u{1b}[2J
NOT CLINICAL: a test or a demonstration (OBX-8)
sent      2026-01-01 12:00:00 +00:00
from      ACME^00A037EB2175780F^EUI-64
patient   hidden; --phi shows it
request   MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)
filler    F1
time      2026-01-01 11:59:59 +00:00
  1.0.0.0                  mds     MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)  by M1^^00A037EB2175780F^EUI-64
    1.0.0.9                metric  MDC_ATTR_PT_NAME_FAMILY  = hidden; --phi shows it
    1.1.0.0                vmd     MDC_DEV_ANALY_SAT_O2_VMD (69642)
      1.1.1.0              channel MDC_DEV_ANALY_SAT_O2_CHAN (69643)
        1.1.1.150456       metric  MDC_PULS_OXIM_SAT_O2 (150456)  = 97.00  %  range 90-100  [TEST]  NOT CLINICAL  not verified  at 2026-01-01 11:59:58 +00:00
          1.1.1.150456.1   facet   MDC_ATTR_X (68188)  = Jürgen & Co (7)
  -                                UNPLACED (1, L)  = x";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_patient_is_shown_only_on_request() {
        let hidden = shown(OBSERVATIONS, false);
        assert!(!hidden.contains("ecret") && !hidden.contains("SECRET"), "{hidden}");
        let text = shown(OBSERVATIONS, true);
        let line = "patient   Secret^Name, id SECRET-1^^^H^PI, born 19700101, sex F, at Ward^7";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn an_alert_shows_its_facets() {
        let text = shown(
            b"MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
            OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2\r\
            OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start\r\
            OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active\r\
            OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE|1.3.1.150456.5|audio-off\r",
            false,
        );
        for line in [
            "alert     MDC_EVT_LO (196670) Low SpO2",
            "phase     start",
            "state     active",
            "signals   audio-off (audio off)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_withdrawn_result_is_marked_and_struck_through_on_a_terminal() {
        let message = b"MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|NM|1^A^MDC|1.0.0.1|5||||||F\r\
            OBX|2|NM|2^B^MDC|1.0.0.2|7||||||D\rNTE|1||first\\.br\\second\r";
        let tree = Tree::new(&Message::parse(message).unwrap(), &TreeOptions::default());
        let shown = |on_terminal| lines(&tree).iter().map(|line| line.shown(on_terminal)).collect::<Vec<_>>();
        let plain = shown(false);
        assert_eq!(plain[1], "NOT VALID: the sender withdrew 1 result (OBX-11 W or D)");
        let deleted = plain.iter().position(|line| line.contains("[DELETED] B (2)  = 7")).unwrap();
        let valid = plain.iter().position(|line| line.ends_with("A (1)  = 5  final")).unwrap();
        assert!(deleted < valid, "{plain:#?}");
        assert!(plain[deleted + 1].ends_with("note: first") && plain[deleted + 2].ends_with("       second"));
        let struck = shown(true);
        assert!(
            struck[deleted].ends_with("[DELETED] \u{1b}[9mB (2)  = 7\u{1b}[29m"),
            "{:?}",
            struck[deleted]
        );
        assert_eq!(struck[valid], plain[valid]);
    }

    #[test]
    fn a_participation_stands_under_its_observation_and_a_note_has_one_label() {
        let text = shown(
            b"MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.8\rOBR|1||E1|1^X^MDC\r\
            OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC||97||||||F\rPRT|1|AD||EQUIP||||||OXI1\r\
            NTE|1||first\\.br\\second~third\rNTE|2||next\r\
            OBX|2||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X\rRXR|IV^Intravenous^HL70162\r",
            false,
        );
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.contains("= 97")).collect();
        let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        assert!(trimmed[0].ends_with("final  by OXI1"), "{text}");
        assert_eq!(
            trimmed[1..5],
            [
                "PRT: instance 1  action AD  participation EQUIP  device OXI1",
                "note: first",
                "second",
                "third"
            ]
        );
        assert_eq!(trimmed[5], "note: next");
        assert!(trimmed[6].ends_with("MDC_DEV_PUMP_INFUS_VMD (69986)"), "a device has no value: {text}");
        assert_eq!(trimmed[7], "hidden    RXR-1 (in part) (--phi shows them)");
    }

    /// HL7 table 0207: values of an archive are not those of now.
    #[test]
    fn a_message_of_an_archive_is_marked() {
        let of = |mode: &str| {
            shown(format!("MSH|^~\\&|A||||2026||ORU^R01|1|{mode}|2.6\rOBR|1\r").as_bytes(), false)
        };
        assert!(of("P^A").contains("\nNOT CURRENT: from an archive (MSH-11)\n"), "{}", of("P^A"));
        assert!(!of("P^T").contains("NOT CURRENT") && !of("P").contains("NOT C"));
    }

    /// PCD-05 names the alert by MSA-2 and OBR-3.
    #[test]
    fn an_answer_without_an_event_has_no_empty_row() {
        let text = shown(
            b"MSH|^~\\&|A||||2026||ORU^R41^ORU_R41|1|P|2.6\rMSA|AA|a01\rOBR|1||a01|196616^MDC_EVT_ALARM^MDC\r\
            PRT|1|UC||Read^Read^IHE\r",
            false,
        );
        assert!(!text.lines().any(|line| line.starts_with("alert")), "{text}");
        let of = |start: &str| text.lines().position(|line| line.starts_with(start));
        assert!(of("request") < of("PRT-4") && of("PRT-4").is_some(), "{text}");
    }

    #[test]
    fn other_messages_show_their_segments_and_documents_their_size() {
        let text = shown(b"MSH|^~\\&|A||||2026||ADT^A01|1|P|2.6\rEVN|\rPID|1||SECRET\r", false);
        assert!(
            text.starts_with("not IHE PCD  ADT^A01  1\n") && text.ends_with("segments  MSH EVN PID"),
            "{text}"
        );
        let document = format!(
            "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|ED|1^PDF|1|^AP^^Base64^{}\r",
            "A".repeat(300)
        );
        let text = shown(document.as_bytes(), false);
        assert!(text.contains("= (ED of 312 bytes)"), "{text}");
    }
}
