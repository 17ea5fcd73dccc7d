//! Observations.

use super::model::{Node, OtherField};
use super::reader::Reader;
use super::result_status;
use super::structure::Structure;
use crate::hl7::{Field, Repetition};
use crate::pcd::nomenclature::{Coded, find_unit, plain_unit, unit_contradicts_itself};
use crate::pcd::profile::has_value_of_its_type;
use crate::pcd::{Containment, Level, Observation, Placed, Standing};
use crate::view::value::{self, Observed, SentText, Term};

impl Reader<'_> {
    /// The observations of a request: the withdrawn ones first.
    pub(super) fn observations(&self, tree: &Containment<'_>, structure: &Structure<'_>) -> Vec<Node> {
        let is_device = tree.describes_device(structure.transaction);
        let mut placed: Vec<_> = tree
            .nodes()
            .iter()
            .map(|node| {
                let shown = self.observation(&node.observation, node.position, structure);
                if is_device {
                    // Also a path may be the number of the patient.
                    let path = self.cover(SentText::new(&node.path.to_string()));
                    let level = Some(level_name(node.path.level()));
                    let is_hidden = path != node.path.to_string();
                    let is_same = is_hidden || shown.sub_id == path;
                    let sub_id = if is_same { String::new() } else { shown.sub_id.clone() };
                    (node.position, Node { path, level, depth: node.depth, sub_id, ..shown })
                } else {
                    (node.position, shown)
                }
            })
            .collect();
        placed.extend(
            tree.unplaced().iter().map(|(position, observation)| {
                (*position, self.observation(observation, *position, structure))
            }),
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

    fn observation(&self, observation: &Observation<'_>, position: usize, structure: &Structure<'_>) -> Node {
        let (notes, participants) = (&structure.notes, structure.placement.of_observation(position));
        let (status, code) = (observation.status(), observation.status_code());
        let known = Node {
            sub_id: self.whole(observation.sub_id()),
            status: result_status::name(&code).map(|_| self.whole(status)).unwrap_or_default(),
            status_name: result_status::name(&code),
            is_withdrawn: result_status::withdrawn(&code).is_some(),
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
            term: self.covered_term(value::term(observation.identifier(), self.characters)),
            value_type: self.whole(observation.value_type()),
            value: Some(value),
            value_bytes,
            is_continued: notes.is_continued(position),
            units: self.covered_term(value::term(observation.units(), self.characters)),
            unit: self.unit(observation.units()),
            range: self.whole(observation.range()),
            flags: flags.map(|flag| self.flag(flag)).filter(|flag| !flag.is_empty()).collect(),
            status: self.whole(status),
            time: self.sent_time(observation.time()),
            time_shown: self.time(observation.time()),
            equipment: self.equipment(observation, participants),
            participants: self.listed(participants, notes),
            method: self.coded(observation.method()),
            site: self.coded(observation.site()),
            others: self.beside(observation).chain(self.note_fields(notes, position)).collect(),
            doubt: doubt(observation),
            notes: self.notes(notes, position),
            ..known
        }
    }

    /// OBX-18; in the notation of HL7 2.7 the devices that participate (IHE PCD TF vol. 2, B.10).
    fn equipment(&self, observation: &Observation<'_>, participants: &[Placed<'_>]) -> String {
        let own = self.whole(observation.equipment());
        if !own.is_empty() {
            return own;
        }
        let devices = participants.iter().map(|(_, participation)| self.whole(participation.field(10)));
        devices.filter(|device| !device.is_empty()).collect::<Vec<_>>().join("~")
    }

    /// A unit for people; with its number and its reference id where these do not belong together. A number
    /// without unit says so: that no unit was sent is something else.
    fn unit(&self, units: Field<'_>) -> String {
        let unit = Coded::of(units, 1);
        if unit_contradicts_itself(unit) {
            let Term { code, name, .. } = self.covered_term(value::term(units, self.characters));
            let is_number = code.bytes().all(|byte| byte.is_ascii_digit());
            return format!("{name} (contradicts its {} {code})", if is_number { "number" } else { "code" });
        }
        match find_unit(unit) {
            Some(known) if known.plain().is_empty() => known.shown().to_owned(),
            _ if is_plain(unit) => self.cover(SentText::new(plain_unit(unit))),
            _ => self.covered_term(value::term(units, self.characters)).text(),
        }
    }

    /// The name beside a unit that is shown by its code, where that is a text and no unit: `mmHg^Unit`.
    fn unit_text(&self, units: Field<'_>) -> Option<OtherField> {
        let unit = Coded::of(units, 1);
        let is_text = is_plain(unit)
            && !unit_contradicts_itself(unit)
            && ![unit.code, ""].contains(&unit.name)
            && find_unit(Coded { code: "", ..unit }).is_none();
        let shown = is_text.then(|| self.cover(SentText::new(unit.name)))?;
        let value = Some(shown.clone());
        Some(OtherField { field: "OBX-6".to_owned(), name: "unit named", value, is_partial: false, shown })
    }

    /// A flag; with all of its components where it has several.
    fn flag(&self, flag: Repetition<'_>) -> String {
        self.cover(value::flag(flag, self.characters))
    }

    /// What has no place of its own.
    fn beside(&self, observation: &Observation<'_>) -> impl Iterator<Item = OtherField> {
        let further = [
            self.further("OBX-3", "also the term", observation.identifier()),
            self.unit_text(observation.units()),
            self.further("OBX-6", "also the unit", observation.units()),
        ];
        let others = self.others(&observation.segment(), OBX_FIELDS);
        further.into_iter().flatten().chain(others)
    }

    /// The names and codes of the repetitions of a coded field. Some senders write the coding system in place
    /// of the name (`AMEAS^MDC`), so a name alone does not say what the code is.
    fn coded(&self, field: Field<'_>) -> String {
        let repetitions = field.repetitions().map(|repetition| {
            let parts = repetition.components().map(|part| value::component(part, self.characters));
            value::coded(&parts.collect::<Vec<_>>())
        });
        self.cover(SentText::joined(repetitions.filter(|name| !name.is_empty()), "; "))
    }

    /// What kind of patient data an observation is, if it is hidden.
    pub(super) fn hidden(&self, observation: &Observation<'_>) -> Option<&'static str> {
        self.hidden_term(observation.identifier())
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
        let text = match value::observed(observation, self.characters) {
            Observed::Parsed(text) => text,
            Observed::Text(text) => self.cover(text),
        };
        match value::shortened(&text).filter(|_| !self.options.full) {
            Some(start) => (start, Some(bytes)),
            None => (text, None),
        }
    }
}

/// Whether a unit has a plain name, or is its code.
fn is_plain(unit: Coded<'_>) -> bool {
    find_unit(unit).is_some() || unit.system.is_empty() && plain_unit(unit) == unit.code
}

/// What OBX-8 says of the validity, and whether the value is of its type. The status has a key of its own.
fn doubt(observation: &Observation<'_>) -> String {
    let of_flags = Standing::by_flags(observation);
    let of_type = (!has_value_of_its_type(observation)).then_some("not of its type");
    let doubts: Vec<_> = of_flags.mark().into_iter().chain(of_type).collect();
    doubts.join(", ")
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

/// The fields of OBX that have keys of their own. OBX-1 numbers the segments.
const OBX_FIELDS: &[usize] = &[1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 17, 18, 20];
