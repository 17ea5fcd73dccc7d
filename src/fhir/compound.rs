//! Observations with parts: systolic, diastolic and mean of one pressure, and what a device puts under a
//! measurement.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::coding::{Concept, MDC};
use super::content::Content;
use super::context::Context;
use super::datatypes::Coding;
use super::devices::is_part;
use super::status;
use super::time::Effective;
use super::time::is_stated;
use crate::hl7::Segment;
use crate::pcd::nomenclature::{Coded, Term, find_term};
use crate::pcd::{Containment, Level, Node, Observation};

/// What observations that become one have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Moment {
    at: Rc<str>,
    status: &'static str,
    is_test: bool,
}

/// Observations that become one.
pub(super) struct Group {
    /// The position of the observation that stands for all of them; `None` when the message has none.
    pub(super) head: Option<usize>,
    /// Its term.
    pub(super) term: Concept,
    /// The positions of its parts, in the order of the tree.
    pub(super) members: Vec<usize>,
}

impl Moment {
    pub(super) fn of(observation: &Observation<'_>, effective: &Effective) -> Self {
        let at = Rc::clone(&effective.words);
        Self { at, status: status::status(observation), is_test: observation.is_not_clinical() }
    }
}

/// The groups among the observations of one OBR whose contents are given by position.
pub(super) fn groups<'m>(
    tree: &Containment<'m>,
    contents: &HashMap<usize, Content>,
    request: Option<Segment<'m>>,
    context: &Context<'m>,
) -> Vec<Group> {
    let mut found: BTreeMap<(Key, Moment), Vec<usize>> = BTreeMap::new();
    let heads: HashMap<_, _> =
        tree.nodes().iter().filter(|node| is_head(node)).map(|head| (head.path, head)).collect();
    for node in tree.nodes().iter().filter(|node| node.path.level() == Level::Metric) {
        let Some(content) = contents.get(&node.position) else { continue };
        let head = tree.containers(node).next().and_then(|container| heads.get(&container.path));
        let pressure = content.mdc.and_then(pressure_of);
        let key = match (head, pressure) {
            (Some(head), _) => Key::Head(head.position),
            (None, Some(base)) => Key::Pressure(node.path.numbers().into_iter().take(3).collect(), base),
            (None, None) => continue,
        };
        let effective = effective(node, head.copied(), request, context);
        found.entry((key, Moment::of(&node.observation, &effective))).or_default().push(node.position);
    }
    let mut used = HashSet::new();
    let groups =
        found.into_iter().filter_map(|((key, _), members)| group(key, members, contents, &mut used, context));
    groups.collect()
}

/// The time of a node: that of its head, where only that has one.
pub(super) fn effective<'m>(
    node: &Node<'m>,
    head: Option<&Node<'m>>,
    request: Option<Segment<'m>>,
    context: &Context<'m>,
) -> Rc<Effective> {
    let own = head.filter(|head| !is_stated(node.observation.time()) && is_stated(head.observation.time()));
    context.effective(&own.unwrap_or(node).observation, request)
}

/// What a group is found by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The position of the measurement that contains the parts.
    Head(usize),
    /// The numbers of the place, and the term of the pressure.
    Pressure(Vec<u32>, u32),
}

fn group(
    key: Key,
    members: Vec<usize>,
    contents: &HashMap<usize, Content>,
    used: &mut HashSet<usize>,
    context: &Context<'_>,
) -> Option<Group> {
    match key {
        // The parts of another time or status stand alone.
        Key::Head(head) => {
            let term = context.term(head)?.clone();
            used.insert(head).then_some(Group { head: Some(head), term, members })
        }
        Key::Pressure(_, base) => {
            let parts: HashSet<_> = members.iter().filter_map(|at| contents.get(at)?.mdc).collect();
            let are_distinct = parts.len() == members.len();
            (are_distinct && members.len() > 1).then(|| Group { head: None, term: pressure(base), members })
        }
    }
}

/// A container that is a measurement without a value of its own.
fn is_head(node: &Node<'_>) -> bool {
    let value = node.observation.value().trimmed();
    node.path.level() < Level::Metric && !is_part(node) && matches!(value, b"" | b"\"\"")
}

/// The term of a pressure of which this is the systolic, diastolic or mean one: in the nomenclature the three
/// follow it.
pub(super) fn pressure_of(mdc: u32) -> Option<u32> {
    let is_pressure = PRESSURES.iter().any(|range| range.contains(&mdc));
    (is_pressure && !mdc.is_multiple_of(4)).then_some(mdc & !3)
}

pub(super) fn pressure(base: u32) -> Concept {
    let code = base.to_string();
    let name = find_term(Coded { code: &code, name: "", system: "MDC" }).map(Term::reference_id);
    let coding = Coding::new(MDC, code, &name.unwrap_or_default());
    Concept { concept: coding.into(), mdc: Some(base), is_contradictory: false, is_named_otherwise: false }
}

/// Blood pressures from MDC_PRESS_BLD on, and MDC_PRESS_CUFF.
const PRESSURES: [std::ops::RangeInclusive<u32>; 2] = [150_016..=150_107, 150_300..=150_303];
