//! Observations.

use super::model::Node;
use super::notes::Notes;
use super::reader::Reader;
use super::result_status;
use crate::hl7::Field;
use crate::pcd::nomenclature::{Coded, plain_unit};
use crate::pcd::profile::has_value_of_its_type;
use crate::pcd::{Containment, Level, Observation, patient_term};
use crate::view::standing::Standing;
use crate::view::value::{self, Observed, Term};

impl Reader<'_> {
    /// The observations of a request: the withdrawn ones first.
    pub(super) fn observations(&self, tree: &Containment<'_>, notes: &Notes<'_>) -> Vec<Node> {
        let is_device = describes_device(tree);
        let mut placed: Vec<_> = tree
            .nodes()
            .iter()
            .map(|node| {
                let shown = self.observation(&node.observation, node.position, notes);
                if is_device {
                    let (path, level) = (node.path.to_string(), Some(level_name(node.path.level())));
                    (node.position, Node { path, level, depth: node.depth, sub_id: String::new(), ..shown })
                } else {
                    (node.position, shown)
                }
            })
            .collect();
        placed.extend(
            tree.unplaced()
                .iter()
                .map(|(position, observation)| (*position, self.observation(observation, *position, notes))),
        );
        if !is_device {
            placed.sort_by_key(|(position, _)| *position);
        }
        let (mut withdrawn, valid): (Vec<Node>, Vec<Node>) =
            placed.into_iter().map(|(_, node)| node).partition(|node| node.is_withdrawn);
        withdrawn.iter_mut().for_each(|node| node.depth = 0);
        withdrawn.extend(valid);
        withdrawn
    }

    fn observation(&self, observation: &Observation<'_>, position: usize, notes: &Notes<'_>) -> Node {
        let status = observation.status();
        let known = Node {
            sub_id: self.free(observation.sub_id()),
            status: result_status::name(status.raw()).map(|_| self.whole(status)).unwrap_or_default(),
            status_name: result_status::name(status.raw()),
            is_withdrawn: result_status::withdrawn(status.raw()).is_some(),
            not_clinical: observation.is_not_clinical(),
            ..Node::default()
        };
        if let Some(name) = self.hidden(observation) {
            let term = Term { name: name.to_owned(), ..Term::default() };
            // A path is numbers; any other text could be anything.
            return Node { term, value: None, sub_id: String::new(), ..known };
        }
        let (value, value_bytes) = self.value(observation);
        let flags = observation.flags().repetitions();
        Node {
            term: self.without_patient(value::term(observation.identifier(), self.characters)),
            value_type: self.whole(observation.value_type()),
            value: Some(value),
            value_bytes,
            is_continued: notes.is_continued(position),
            units: self.without_patient(value::term(observation.units(), self.characters)),
            unit: self.known_patient.hide(plain_unit(Coded::of(observation.units(), 1)).to_owned()),
            range: self.free(observation.range()),
            flags: flags
                .map(|flag| self.known_patient.hide(value::identifier(flag.component(1), self.characters)))
                .filter(|flag| !flag.is_empty())
                .collect(),
            status: self.whole(status),
            time: self.free(observation.time()),
            time_shown: self.time(observation.time()),
            equipment: self.free(observation.equipment()),
            method: self.coded(observation.method()),
            site: self.coded(observation.site()),
            others: self.others(&observation.segment(), OBX_FIELDS),
            doubt: doubt(observation),
            notes: self.notes(notes, position),
            ..known
        }
    }

    /// The names of the repetitions of a coded field.
    fn coded(&self, field: Field<'_>) -> String {
        let repetitions = field.repetitions().map(|repetition| {
            let part = |n| value::component(repetition.component(n), self.characters);
            let (code, name) = (part(1), part(2));
            if name.is_empty() { code } else { name }
        });
        let names: Vec<_> = repetitions.filter(|name| !name.is_empty()).collect();
        self.known_patient.hide(names.join("; "))
    }

    /// What kind of patient data an observation is, if it is hidden.
    pub(super) fn hidden(&self, observation: &Observation<'_>) -> Option<&'static str> {
        patient_term(observation.identifier()).filter(|_| !self.options.with_patient)
    }

    /// OBX-5, and its length when it is not shown as a whole.
    pub(super) fn value(&self, observation: &Observation<'_>) -> (String, Option<usize>) {
        let (kind, bytes) = (observation.value_type().trimmed(), observation.value().raw().len());
        let is_document = value::is_document(kind);
        let is_shown = self.options.full && self.options.with_patient;
        if is_document && bytes > 0 && !is_shown {
            let kind = self.characters.decode(kind);
            return (format!("({kind} of {bytes} bytes)"), Some(bytes));
        }
        let Observed { text, is_free } = value::observed(observation, self.characters);
        let text = if is_free { self.known_patient.hide(text) } else { text };
        match value::shortened(&text).filter(|_| !self.options.full) {
            Some(start) => (start, Some(bytes)),
            None => (text, None),
        }
    }
}

/// What OBX-8 says of the validity, and whether the value is of its type. The status has a key of its own.
fn doubt(observation: &Observation<'_>) -> String {
    let of_flags = Standing::by_flags(observation);
    let of_type = (!has_value_of_its_type(observation)).then_some("not of its type");
    let doubts: Vec<_> = of_flags.mark().into_iter().chain(of_type).collect();
    doubts.join(", ")
}

/// Whether OBX-4 of these observations is a place in a device. Laboratories number their results there.
fn describes_device(tree: &Containment<'_>) -> bool {
    let placed = tree.nodes().iter().map(|node| node.observation);
    placed.chain(tree.unplaced().iter().map(|(_, observation)| *observation)).any(|observation| {
        let system = observation.system().trimmed();
        observation.sub_id().raw().contains(&b'.') && observation.path().is_ok()
            || system.eq_ignore_ascii_case(b"MDC")
            || observation.name().trimmed().starts_with(b"MDC_")
    })
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

/// The fields of OBX that have keys of their own.
const OBX_FIELDS: &[usize] = &[1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 17, 18, 20];
