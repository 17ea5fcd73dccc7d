//! The content of a message: the device tree with its values, and the facets of an alert.

use serde::Serialize;

use super::value::{self, Term};
use crate::hl7::{CharacterSet, Field, Message, Segment};
use crate::pcd::{Alert, Containment, Level, Observation, Transaction};

/// The content of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tree {
    /// The IHE PCD transaction (`PCD-01`); null when it is none.
    pub transaction: Option<&'static str>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-7, as it was received.
    pub sent: String,
    /// MSH-3.
    pub from: String,
    /// The names of all segments in order.
    pub segments: Vec<String>,
    /// Present only when the caller asked for the patient and the message has a PID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Patient>,
    /// Whether the message has a PID, shown or not.
    #[serde(skip)]
    pub names_patient: bool,
    /// Whether any value is a test or a demonstration (OBX-8).
    pub not_clinical: bool,
    /// The OBR segments.
    pub requests: Vec<Request>,
}

/// PID and PV1.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Patient {
    /// PID-3.
    pub identifiers: String,
    /// PID-5.
    pub name: String,
    /// PID-7.
    pub born: String,
    /// PID-8.
    pub sex: String,
    /// PV1-3.
    pub location: String,
}

/// One OBR, and the observations under it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// OBR-4.
    pub service: Term,
    /// OBR-3.
    pub filler: String,
    /// OBR-7.
    pub time: String,
    /// Present in PCD-04 and PCD-05.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertFacets>,
    /// The OBX segments: first those with a place in the device tree, in the order of the tree.
    pub observations: Vec<Node>,
}

/// The facets of an alert (IHE PCD TF vol. 2, 3.4).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertFacets {
    /// The event: the term in OBX-3 of the first facet.
    pub event: Term,
    /// The value of the first facet.
    pub text: String,
    /// Start, update, end and so on.
    pub phase: String,
    /// Whether the alert condition is present.
    pub state: String,
    /// Which signals of the device are off or paused.
    pub inactivation: String,
    /// The device or channel that the alert is about.
    pub source: String,
}

/// One OBX.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Node {
    /// OBX-4; empty when it is no path in the device tree.
    pub path: String,
    /// `mds`, `vmd`, `channel`, `metric`, `facet` or `subfacet`; null without a path.
    pub level: Option<&'static str>,
    /// The number of ancestors in the tree.
    #[serde(skip)]
    pub depth: usize,
    /// OBX-3.
    pub term: Term,
    /// OBX-2.
    pub value_type: String,
    /// OBX-5; null when it is about the patient and the caller did not ask for the patient.
    pub value: Option<String>,
    /// OBX-6.
    pub units: Term,
    /// OBX-7.
    pub range: String,
    /// OBX-8.
    pub flags: Vec<String>,
    /// Whether OBX-8 marks the value as a test or a demonstration.
    pub not_clinical: bool,
    /// OBX-11.
    pub status: String,
    /// OBX-14.
    pub time: String,
    /// OBX-18.
    pub equipment: String,
}

impl Tree {
    /// The content of `message`; `with_patient`: also what identifies the patient (PHI).
    #[must_use]
    pub fn new(message: &Message<'_>, with_patient: bool) -> Self {
        let header = message.header();
        let reader = Reader { characters: header.text_encoding(), with_patient };
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
            patient: message.segment(b"PID").filter(|_| with_patient).map(|pid| reader.patient(message, pid)),
            names_patient: message.segment(b"PID").is_some(),
            not_clinical,
            requests,
        }
    }
}

struct Reader {
    characters: CharacterSet,
    with_patient: bool,
}

impl Reader {
    fn text(&self, bytes: &[u8]) -> String {
        self.characters.decode(bytes).trim().to_owned()
    }

    /// A field with its separators, as it was received.
    fn whole(&self, field: Field<'_>) -> String {
        if field.is_empty() { String::new() } else { self.text(field.raw()) }
    }

    fn requests(&self, message: &Message<'_>, transaction: Option<Transaction>) -> Vec<Request> {
        let is_alert = matches!(transaction, Some(Transaction::Pcd04 | Transaction::Pcd05));
        let alerts = if is_alert { Alert::all_of(message) } else { Vec::new() };
        let obrs: Vec<_> = message.segments().filter(|segment| segment.is(b"OBR")).collect();
        let mut obrs = obrs.into_iter();
        Containment::all_of(message)
            .iter()
            .enumerate()
            .map(|(position, tree)| {
                let obr = obrs.next();
                let alert = alerts.iter().find(|alert| alert.position == position);
                let field = |n| obr.map(|obr| self.whole(obr.field(n))).unwrap_or_default();
                Request {
                    service: obr.map_or(Term::default(), |obr| value::term(obr.field(4), self.characters)),
                    filler: field(3),
                    time: field(7),
                    alert: alert.map(|alert| self.alert(alert)),
                    observations: self.observations(tree),
                }
            })
            .collect()
    }

    fn observations(&self, tree: &Containment<'_>) -> Vec<Node> {
        let placed = tree.nodes().iter().map(|node| {
            let (path, level) = (node.path.to_string(), Some(level_name(node.path.level())));
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
        // Some devices send the patient's name in observations.
        let hidden = !self.with_patient && term.name.starts_with("MDC_ATTR_PT_");
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

    fn alert(&self, alert: &Alert<'_>) -> AlertFacets {
        let shown = |facet: Option<Observation<'_>>| {
            facet.map(|facet| value::observed(&facet, self.characters)).unwrap_or_default()
        };
        AlertFacets {
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

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Mds => "mds",
        Level::Vmd => "vmd",
        Level::Channel => "channel",
        Level::Metric => "metric",
        Level::Facet => "facet",
        Level::Subfacet => "subfacet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: &[u8] = b"MSH|^~\\&|A||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
        PID|||SECRET-1^^^H^PI||Secret^Name||19700101|F\rPV1||I|Ward^7\r\
        OBR|1||F1|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101115959\r\
        OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97.00|262688^MDC_DIM_PERCENT^MDC|90-100|TEST|||R\r\
        OBX|2|ST|68062^MDC_ATTR_PT_NAME_FAMILY^MDC|1.0.0.9|Secret\r";

    #[test]
    fn the_patient_is_shown_only_on_request() {
        let message = Message::parse(PATIENT).unwrap();
        let hidden = serde_json::to_string(&Tree::new(&message, false)).unwrap();
        assert!(!hidden.contains("ecret") && !hidden.contains("SECRET"), "{hidden}");
        let shown = serde_json::to_value(Tree::new(&message, true)).unwrap();
        assert_eq!(shown["patient"]["name"], "Secret^Name");
        let observations = &shown["requests"][0]["observations"];
        let metric = observations.as_array().unwrap().iter().find(|node| node["value"] == "97.00").unwrap();
        assert_eq!((&metric["level"], &metric["not-clinical"]), (&"metric".into(), &true.into()));
        assert_eq!(metric["units"]["name"], "MDC_DIM_PERCENT");
    }
}
