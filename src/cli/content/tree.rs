//! The content of a message as lines of text.

use crate::cli::text::printable;
use crate::view::{Node, Patient, Request, Tree};

/// The content as lines, without control characters.
pub(super) fn text(tree: &Tree) -> String {
    let mut lines = Lines::default();
    let transaction = tree.transaction.map_or("not IHE PCD".to_owned(), str::to_uppercase);
    let (message_type, control_id) = (printable(&tree.message_type), printable(&tree.control_id));
    lines.0.push(format!("{transaction}  {message_type}  {control_id}"));
    if tree.not_clinical {
        lines.0.push("NOT CLINICAL: a test or a demonstration (OBX-8)".to_owned());
    }
    lines.row("sent", &tree.sent);
    lines.row("from", &tree.from);
    match &tree.patient {
        Some(patient) => lines.row("patient", &patient_text(patient)),
        None if tree.names_patient => lines.row("patient", "hidden; --phi shows it"),
        None => {}
    }
    for request in &tree.requests {
        lines.request(request);
    }
    if tree.requests.is_empty() {
        lines.row("segments", &tree.segments.join(" "));
    }
    lines.0.join("\n")
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    /// One line, unless the value is empty.
    fn row(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.push(format!("{name:<9} {}", printable(value)));
        }
    }

    fn request(&mut self, request: &Request) {
        self.row("request", &request.service.text());
        self.row("filler", &request.filler);
        self.row("time", &request.time);
        if let Some(alert) = &request.alert {
            self.row("alert", &format!("{} {}", alert.event.text(), alert.text));
            self.row("phase", &alert.phase);
            self.row("state", &alert.state);
            self.row("silenced", &alert.inactivation);
            self.row("source", &alert.source);
        }
        self.0.extend(request.observations.iter().map(node_line));
    }
}

fn patient_text(patient: &Patient) -> String {
    let Patient { identifiers, name, born, sex, location } = patient;
    let parts = [("", name), ("id ", identifiers), ("born ", born), ("sex ", sex), ("at ", location)];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(label, value)| format!("{label}{value}")).collect::<Vec<_>>().join(", ")
}

fn node_line(node: &Node) -> String {
    let path = if node.path.is_empty() { "-" } else { &node.path };
    let path = format!("{:indent$}{path}", "", indent = node.depth * 2);
    let mut line = format!("  {path:<24} {:<7} {}", node.level.unwrap_or("?"), node.term.text());
    let mut add = |text: &str| {
        line.push_str("  ");
        line.push_str(text);
    };
    match node.value.as_deref() {
        Some("") => {}
        Some(value) => add(&format!("= {value}")),
        None => add("= hidden; --phi shows it"),
    }
    if !node.units.is_empty() {
        add(node.units.short());
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
    if !node.time.is_empty() {
        add(&format!("at {}", node.time));
    }
    if !node.equipment.is_empty() {
        add(&format!("by {}", node.equipment));
    }
    printable(line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    const OBSERVATIONS: &[u8] = b"MSH|^~\\&|ACME^00A037EB2175780F^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|ID\x1B[2J|P|2.6|||AL|NE||8859/1\r\
        PID|||SECRET-1^^^H^PI||Secret^Name||19700101|F\rPV1||I|Ward^7\r\
        OBR|1||F1|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101115959\r\
        OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97.00|262688^MDC_DIM_PERCENT^MDC|90-100|TEST|||R|||20260101115958\r\
        OBX|2||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1^^00A037EB2175780F^EUI-64\r\
        OBX|3||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X\r\
        OBX|4||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X\r\
        OBX|5|CWE|68188^MDC_ATTR_X^MDC|1.1.1.150456.1|7^J\xFCrgen \\T\\ Co^MDC\r\
        OBX|6|ST|68062^MDC_ATTR_PT_NAME_FAMILY^MDC|1.0.0.9|Secret\r\
        OBX|7|ST|1^UNPLACED^L||x\r";

    fn shown(bytes: &[u8], with_patient: bool) -> String {
        text(&Tree::new(&Message::parse(bytes).unwrap(), with_patient))
    }

    #[test]
    fn observations_are_indented_by_their_place_in_the_device_tree() {
        let text = shown(OBSERVATIONS, false);
        let expected = "PCD-01  ORU^R01^ORU_R01  ID\\u{1b}[2J
NOT CLINICAL: a test or a demonstration (OBX-8)
sent      20260101120000+0000
from      ACME^00A037EB2175780F^EUI-64
patient   hidden; --phi shows it
request   MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)
filler    F1
time      20260101115959
  1.0.0.0                  mds     MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)  by M1^^00A037EB2175780F^EUI-64
    1.0.0.9                metric  MDC_ATTR_PT_NAME_FAMILY (68062)  = hidden; --phi shows it
    1.1.0.0                vmd     MDC_DEV_ANALY_SAT_O2_VMD (69642)
      1.1.1.0              channel MDC_DEV_ANALY_SAT_O2_CHAN (69643)
        1.1.1.150456       metric  MDC_PULS_OXIM_SAT_O2 (150456)  = 97.00  MDC_DIM_PERCENT  range 90-100  [TEST]  NOT CLINICAL  at 20260101115958
          1.1.1.150456.1   facet   MDC_ATTR_X (68188)  = Jürgen & Co (7)
  -                        ?       UNPLACED (1)  = x";
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
            "silenced  audio-off",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
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
