//! `message show --tree`: what a message says, as an engineer in a clinic reads it.

use serde::Serialize;

use super::value::{self, Term};
use crate::cli::context::printable;
use crate::hl7::{CharacterSet, Field, Message, Segment};
use crate::pcd::{Alert, Containment, Level, Observation, Transaction};

/// What a message says.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Tree {
    transaction: Option<&'static str>,
    message_type: String,
    control_id: String,
    sent: String,
    from: String,
    /// The names of the segments, in their order.
    segments: Vec<String>,
    /// Only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<Patient>,
    #[serde(skip)]
    names_patient: bool,
    /// Whether any value is a test or a demonstration (OBX-8).
    not_clinical: bool,
    requests: Vec<Request>,
}

/// PID and PV1.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Patient {
    identifiers: String,
    name: String,
    born: String,
    sex: String,
    location: String,
}

/// One OBR, and the observations under it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Request {
    service: Term,
    filler: String,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertView>,
    observations: Vec<Node>,
}

/// The facets of an alert (IHE PCD TF vol. 2, 3.4).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AlertView {
    event: Term,
    text: String,
    phase: String,
    state: String,
    inactivation: String,
    source: String,
}

/// One OBX.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Node {
    /// OBX-4; empty when it is no path.
    path: String,
    level: Option<&'static str>,
    #[serde(skip)]
    depth: usize,
    term: Term,
    /// OBX-2.
    value_type: String,
    /// OBX-5; null when it is about the patient and that was not asked for.
    value: Option<String>,
    units: Term,
    /// OBX-7.
    range: String,
    /// OBX-8.
    flags: Vec<String>,
    not_clinical: bool,
    /// OBX-11.
    status: String,
    /// OBX-14.
    time: String,
    /// OBX-18.
    equipment: String,
}

impl Tree {
    /// Reads it; `phi`: with the patient.
    pub(super) fn of(message: &Message<'_>, phi: bool) -> Self {
        let header = message.header();
        let reader = Reader { characters: header.text_encoding(), phi };
        let transaction = Transaction::of(message);
        let requests = reader.requests(message, transaction);
        let not_clinical =
            requests.iter().flat_map(|request| &request.observations).any(|node| node.not_clinical);
        let text = |field: Field<'_>| reader.whole(field);
        Self {
            transaction: transaction.map(Transaction::label),
            message_type: text(header.message_type_field()),
            control_id: text(header.control_id()),
            sent: text(header.timestamp()),
            from: text(header.sending_application()),
            segments: message.segments().map(|segment| reader.text(segment.id())).collect(),
            patient: message.segment(b"PID").filter(|_| phi).map(|pid| reader.patient(message, pid)),
            names_patient: message.segment(b"PID").is_some(),
            not_clinical,
            requests,
        }
    }

    /// Lines for people; nothing in them that a terminal would obey.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        let transaction = self.transaction.map_or("not IHE PCD".to_owned(), str::to_uppercase);
        lines.push(format!(
            "{transaction}  {}  {}",
            printable(&self.message_type),
            printable(&self.control_id)
        ));
        if self.not_clinical {
            lines.push("NOT CLINICAL: a test or a demonstration (OBX-8)".to_owned());
        }
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{name:<9} {}", printable(value)));
            }
        };
        row("sent", &self.sent);
        row("from", &self.from);
        match &self.patient {
            Some(patient) => row("patient", &patient.text()),
            None if self.names_patient => row("patient", "hidden; --phi shows it"),
            None => {}
        }
        for request in &self.requests {
            request.lines(&mut lines);
        }
        if self.requests.is_empty() {
            lines.push(format!("{:<9} {}", "segments", printable(&self.segments.join(" "))));
        }
        lines.join("\n")
    }
}

struct Reader {
    characters: CharacterSet,
    phi: bool,
}

impl Reader {
    fn text(&self, bytes: &[u8]) -> String {
        self.characters.decode(bytes).trim().to_owned()
    }

    /// A field with its separators, as it came.
    fn whole(&self, field: Field<'_>) -> String {
        if field.is_empty() { String::new() } else { self.text(field.raw()) }
    }

    fn requests(&self, message: &Message<'_>, transaction: Option<Transaction>) -> Vec<Request> {
        let is_alert = matches!(transaction, Some(Transaction::Pcd04 | Transaction::Pcd05));
        let alerts = if is_alert { Alert::all_of(message) } else { Vec::new() };
        let mut alerts = alerts.iter();
        let obrs: Vec<_> = message.segments().filter(|segment| segment.is(b"OBR")).collect();
        let mut obrs = obrs.into_iter();
        Containment::all_of(message)
            .iter()
            .map(|tree| {
                let obr = obrs.next();
                let field = |n| obr.map(|obr| self.whole(obr.field(n))).unwrap_or_default();
                Request {
                    service: obr.map_or(Term::default(), |obr| value::term(obr.field(4), self.characters)),
                    filler: field(3),
                    time: field(7),
                    alert: alerts.next().map(|alert| self.alert(alert)),
                    observations: self.observations(tree),
                }
            })
            .collect()
    }

    fn observations(&self, tree: &Containment<'_>) -> Vec<Node> {
        let placed = tree.nodes().iter().map(|node| {
            let (path, level) = (node.path.to_string(), Some(word(node.path.level())));
            Node { path, level, depth: node.depth, ..self.observation(&node.observation) }
        });
        let unplaced = tree.unplaced().iter().map(|observation| self.observation(observation));
        placed.chain(unplaced).collect()
    }

    fn observation(&self, observation: &Observation<'_>) -> Node {
        let term = Term {
            code: value::component(observation.code(), self.characters),
            name: value::component(observation.name(), self.characters),
            system: value::component(observation.system(), self.characters),
        };
        // Some devices tell who the patient is in observations.
        let hidden = !self.phi && term.name.starts_with("MDC_ATTR_PT_");
        let flags = observation.flags().repetitions();
        Node {
            path: String::new(),
            level: None,
            depth: 0,
            value_type: self.whole(observation.value_type()),
            value: (!hidden).then(|| value::observed(observation, self.characters)),
            units: value::term(observation.units(), self.characters),
            range: self.whole(observation.range()),
            flags: flags
                .map(|flag| value::component(flag.component(1), self.characters))
                .filter(|flag| !flag.is_empty())
                .collect(),
            not_clinical: observation.is_not_clinical(),
            status: self.whole(observation.status()),
            time: self.whole(observation.time()),
            equipment: self.whole(observation.equipment()),
            term,
        }
    }

    fn alert(&self, alert: &Alert<'_>) -> AlertView {
        let shown = |facet: Option<Observation<'_>>| {
            facet.map(|facet| value::observed(&facet, self.characters)).unwrap_or_default()
        };
        AlertView {
            event: alert.event.map_or(Term::default(), |event| self.observation(&event).term),
            text: shown(alert.event),
            phase: shown(alert.phase),
            state: shown(alert.state),
            inactivation: shown(alert.inactivation),
            source: shown(alert.source),
        }
    }

    fn patient(&self, message: &Message<'_>, pid: Segment<'_>) -> Patient {
        let pv1 = message.segment(b"PV1");
        Patient {
            identifiers: self.whole(pid.field(3)),
            name: self.whole(pid.field(5)),
            born: self.whole(pid.field(7)),
            sex: self.whole(pid.field(8)),
            location: pv1.map(|pv1| self.whole(pv1.field(3))).unwrap_or_default(),
        }
    }
}

impl Patient {
    fn text(&self) -> String {
        let Self { identifiers, name, born, sex, location } = self;
        let told = [("", name), ("id ", identifiers), ("born ", born), ("sex ", sex), ("at ", location)];
        let told = told.into_iter().filter(|(_, value)| !value.is_empty());
        told.map(|(what, value)| format!("{what}{value}")).collect::<Vec<_>>().join(", ")
    }
}

impl Request {
    fn lines(&self, lines: &mut Vec<String>) {
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{name:<9} {}", printable(value)));
            }
        };
        row("request", &self.service.text());
        row("filler", &self.filler);
        row("time", &self.time);
        if let Some(alert) = &self.alert {
            row("alert", &format!("{} {}", alert.event.text(), alert.text));
            row("phase", &alert.phase);
            row("state", &alert.state);
            row("silenced", &alert.inactivation);
            row("source", &alert.source);
        }
        lines.extend(self.observations.iter().map(Node::line));
    }
}

impl Node {
    fn line(&self) -> String {
        let place = format!(
            "{:indent$}{}",
            "",
            if self.path.is_empty() { "-" } else { &self.path },
            indent = self.depth * 2
        );
        let mut line = format!("  {place:<24} {:<7} {}", self.level.unwrap_or("?"), self.term.text());
        let mut add = |text: &str| {
            line.push_str("  ");
            line.push_str(text);
        };
        match self.value.as_deref() {
            Some("") => {}
            Some(value) => add(&format!("= {value}")),
            None => add("= hidden; --phi shows it"),
        }
        if !self.units.is_empty() {
            add(self.units.short());
        }
        if !self.range.is_empty() {
            add(&format!("range {}", self.range));
        }
        if !self.flags.is_empty() {
            add(&format!("[{}]", self.flags.join(" ")));
        }
        if self.not_clinical {
            add("NOT CLINICAL");
        }
        if !self.time.is_empty() {
            add(&format!("at {}", self.time));
        }
        if !self.equipment.is_empty() {
            add(&format!("by {}", self.equipment));
        }
        printable(line.trim_end())
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Mds => "mds",
        Level::Vmd => "vmd",
        Level::Channel => "channel",
        Level::Metric => "metric",
        Level::Facet => "facet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn tree(bytes: &[u8], phi: bool) -> Tree {
        Tree::of(&Message::parse(bytes).unwrap(), phi)
    }

    #[test]
    fn a_message_reads_like_the_device_it_is_about() {
        let text = tree(OBSERVATIONS, false).text();
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
    fn the_patient_is_shown_only_when_asked_for() {
        let hidden = tree(OBSERVATIONS, false);
        let (text, json) = (hidden.text(), serde_json::to_string(&hidden).unwrap());
        assert!(!text.contains("ecret") && !json.contains("ecret") && !json.contains("SECRET"), "{json}");
        let shown = tree(OBSERVATIONS, true);
        let line = "patient   Secret^Name, id SECRET-1^^^H^PI, born 19700101, sex F, at Ward^7";
        assert!(shown.text().contains(line), "{}", shown.text());
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["patient"]["name"], "Secret^Name");
        let metric = &json["requests"][0]["observations"][4];
        assert_eq!((&metric["value"], &metric["level"]), (&"97.00".into(), &"metric".into()));
        assert_eq!(
            (&metric["units"]["name"], &metric["not-clinical"]),
            (&"MDC_DIM_PERCENT".into(), &true.into())
        );
    }

    #[test]
    fn an_alert_shows_its_facets() {
        let text = tree(
            b"MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
            OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2\r\
            OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start\r\
            OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active\r\
            OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE|1.3.1.150456.5|audio-off\r",
            false,
        )
        .text();
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
    fn what_has_no_tree_shows_its_segments_and_a_document_its_size() {
        let text = tree(b"MSH|^~\\&|A||||2026||ADT^A01|1|P|2.6\rEVN|\rPID|1||SECRET\r", false).text();
        assert!(
            text.starts_with("not IHE PCD  ADT^A01  1\n") && text.ends_with("segments  MSH EVN PID"),
            "{text}"
        );
        let document = format!(
            "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|ED|1^PDF|1|^AP^^Base64^{}\r",
            "A".repeat(300)
        );
        let text = tree(document.as_bytes(), false).text();
        assert!(text.contains("= (ED of 312 bytes)"), "{text}");
    }
}
