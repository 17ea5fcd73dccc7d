//! Which OBX of a message a reader wants, and which others decide what these become.
//!
//! A reader of one observation does not wait for all others of its message. What an observation becomes
//! depends on the OBX that are parts of it or that it is a part of, and on those with its term, whose metric
//! may be the same. All others are left out; the devices of the message are always there.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::compound::pressure_of;
use super::context::Context;
use super::datatypes::Coding;
use super::devices::is_part;
use super::search::Token;
use super::time::Effective;
use super::vital_signs::{self, VitalSign};
use crate::pcd::{Containment, Level, Node, Observation, Transaction};

/// What of a message is wanted.
#[derive(Debug, Clone, Default)]
pub enum Wanted {
    /// All of it.
    #[default]
    All,
    /// The observation of the OBX with this number, from 1.
    Ordinal(usize),
    /// Observations with one of these codes.
    Codes(Vec<Token>),
}

/// What makes two OBX depend on each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Tie<'c> {
    /// A term, as it is in ids.
    Term(Cow<'c, str>),
    /// The metric at this position, and its facets.
    Metric(usize),
    /// The measurement at this place of a tree, and its parts.
    Head(usize, [u32; 6]),
}

/// An OBX, and what ties it to others.
struct Tied<'c> {
    position: usize,
    ties: Vec<Tie<'c>>,
}

/// What is wanted of the OBX of a message.
pub(super) enum Chosen {
    /// Nothing: no observation fits.
    Nothing,
    /// All but the OBX at these positions.
    AllBut(HashSet<usize>),
}

impl Wanted {
    /// The OBX that are left out. Reports of alerts, and messages whose times are far apart, are mapped as a
    /// whole: the index divides the observations of these by their times.
    pub(super) fn choose<'m>(&self, trees: &[Containment<'m>], context: &Context<'m>) -> Chosen {
        let is_alert = context.transaction == Transaction::Pcd04;
        if matches!(self, Self::All) || is_alert {
            return Chosen::AllBut(HashSet::new());
        }
        let tied: Vec<Tied<'_>> =
            trees.iter().enumerate().flat_map(|(number, tree)| ties_of(tree, number, context)).collect();
        let mut chosen: HashSet<usize> = tied
            .iter()
            .map(|tied| tied.position)
            .filter(|position| self.is_begun_by(*position, context))
            .collect();
        if chosen.is_empty() {
            return Chosen::Nothing;
        }
        if !are_close(trees, context) {
            return Chosen::AllBut(HashSet::new());
        }
        let mut ties: HashSet<&Tie<'_>> = HashSet::new();
        let mut rest: Vec<&Tied<'_>> = tied.iter().collect();
        loop {
            let (found, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|tied| {
                chosen.contains(&tied.position) || tied.ties.iter().any(|tie| ties.contains(tie))
            });
            if found.is_empty() {
                return Chosen::AllBut(others.into_iter().map(|tied| tied.position).collect());
            }
            for tied in found {
                chosen.insert(tied.position);
                ties.extend(&tied.ties);
            }
            rest = others;
        }
    }

    /// Whether the OBX at this position, or what it is a part of by its term, may be wanted.
    fn is_begun_by(&self, position: usize, context: &Context<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Ordinal(ordinal) => context.ordinal(position) == *ordinal,
            Self::Codes(tokens) => {
                let Some(term) = context.term(position) else { return false };
                let whole = term.mdc.and_then(pressure_of);
                let signs = [term.mdc, whole].into_iter().flatten().filter_map(vital_signs::find);
                let of_whole = whole.map(super::compound::pressure);
                let of_whole = of_whole.iter().flat_map(|whole| whole.concept.coding.clone());
                let fits = |coding: &Coding| tokens.iter().any(|token| token.fits_coding(coding));
                term.concept.coding.iter().any(fits)
                    || of_whole.chain(signs.flat_map(VitalSign::codings)).any(|coding| fits(&coding))
            }
        }
    }
}

/// What ties each OBX of a tree to others.
fn ties_of<'c>(tree: &Containment<'_>, number: usize, context: &'c Context<'_>) -> Vec<Tied<'c>> {
    let term = |position: usize| Tie::Term(Cow::Borrowed(context.term_key(position)));
    let is_measured = |node: &&Node<'_>| node.path.level() < Level::Metric && !is_part(node);
    // A device may put a measurement and a part of itself at one place.
    let mut measured: HashMap<[u32; 6], Vec<usize>> = HashMap::new();
    for node in tree.nodes().iter().filter(is_measured) {
        measured.entry(node.path.numbers()).or_default().push(node.position);
    }
    let placed = tree.nodes().iter().map(|node| {
        let mut ties = vec![term(node.position)];
        let base = context.term(node.position).and_then(|term| pressure_of(term.mdc?));
        ties.extend(base.map(|base| Tie::Term(Cow::Owned(base.to_string()))));
        if node.path.level() == Level::Metric {
            ties.push(Tie::Metric(node.position));
        }
        if is_measured(&node) {
            ties.push(Tie::Head(number, node.path.numbers()));
        }
        for container in tree.containers(node) {
            let place = container.path.numbers();
            if container.path.level() == Level::Metric {
                ties.push(Tie::Metric(container.position));
            } else if let Some(heads) = measured.get(&place) {
                ties.push(Tie::Head(number, place));
                ties.extend(heads.iter().copied().map(term));
            }
        }
        Tied { position: node.position, ties }
    });
    let unplaced = tree.unplaced().iter();
    placed
        .chain(unplaced.map(|(position, _)| Tied { position: *position, ties: vec![term(*position)] }))
        .collect()
}

/// Whether all observations of a message are of about one time.
fn are_close<'m>(trees: &[Containment<'m>], context: &Context<'m>) -> bool {
    let mut times: Vec<std::rc::Rc<Effective>> = Vec::new();
    for tree in trees {
        let request = super::observation::request(tree.begin(), context);
        let placed = tree.nodes().iter().map(|node: &Node<'m>| node.observation);
        let all = placed.chain(tree.unplaced().iter().map(|(_, obx): &(usize, Observation<'m>)| *obx));
        for obx in all {
            let time = context.effective(&obx, request);
            if !times.iter().any(|known| known.words == time.words) {
                times.push(time);
            }
            if times.len() > MAX_TIMES {
                return false;
            }
        }
    }
    if times.len() < 2 {
        return true;
    }
    let written = |time: &Effective| -> Vec<Option<Timestamp>> {
        let period = time.period.iter().flat_map(|period| [&period.start, &period.end]);
        period.chain([&time.at]).flatten().map(|written| written.parse().ok()).collect()
    };
    let all: Option<Vec<Timestamp>> = times
        .iter()
        .map(|time| written(time))
        .flat_map(|written| if written.is_empty() { vec![None] } else { written })
        .collect();
    let ends = all.as_ref().and_then(|all| all.iter().min().zip(all.iter().max()));
    ends.is_some_and(|(first, last)| last.duration_since(*first) <= MAX_SPREAD)
}

/// How far the times of the observations of a group of the index are apart at most. Readers that sort by time
/// read so much further.
pub const MAX_SPREAD: SignedDuration = SignedDuration::from_mins(15);
/// Different times of a message that are compared.
const MAX_TIMES: usize = 64;
