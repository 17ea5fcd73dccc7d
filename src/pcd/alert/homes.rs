//! To which event of an OBR an observation belongs (IHE PCD TF vol. 2, B.8.3).

use std::collections::HashMap;

use super::statement::Statement;
use crate::model::work::count;

/// The places of the events of one OBR. With one event everything is of that one. With several an
/// observation is of the event at its own place, or else of the only one that is nearest to it.
#[derive(Default)]
pub(super) struct Homes {
    /// The place of the only event below each beginning of a path, which is its length and its numbers;
    /// `None` where several are.
    below: HashMap<(usize, [u32; 6]), Option<[u32; 6]>>,
    are_several: bool,
}

/// Where an observation belongs.
pub(super) enum Home {
    /// The OBR has no events at different places, or it is an event without a place.
    Only,
    /// To the event at its own place.
    Own([u32; 6]),
    /// To the event at a place near to it.
    Near([u32; 6]),
    /// Nothing says to which event.
    Unknown,
}

impl Homes {
    pub(super) fn of<'s, 'm: 's>(statements: impl Iterator<Item = &'s Statement<'m>>) -> Self {
        let mut homes = Self::default();
        let mut first = None;
        for event in statements.filter(|statement| statement.is_event()) {
            homes.are_several |= *first.get_or_insert(event.home) != event.home;
            let Some(home) = event.home else { continue };
            for beginning in beginnings(home) {
                let only = homes.below.entry(beginning).or_insert(Some(home));
                if *only != Some(home) {
                    *only = None;
                }
            }
        }
        homes
    }

    pub(super) fn find(&self, statement: &Statement<'_>) -> Home {
        let is_without_place = statement.is_event() && statement.home.is_none();
        if !self.are_several || is_without_place {
            return Home::Only;
        }
        let is_here = |home: &[u32; 6]| self.below.get(&(LENGTH, *home)).is_some_and(Option::is_some);
        if let Some(home) = statement.home.filter(is_here) {
            return Home::Own(home);
        }
        let Some(path) = statement.path else { return Home::Unknown };
        match beginnings(path.numbers()).rev().find_map(|beginning| self.below.get(&beginning)) {
            Some(Some(home)) => Home::Near(*home),
            _ => Home::Unknown,
        }
    }
}

/// The beginnings of a path, the shortest first.
fn beginnings(path: [u32; 6]) -> impl DoubleEndedIterator<Item = (usize, [u32; 6])> {
    count(1);
    (1..=LENGTH).map(move |length| {
        let mut beginning = path;
        beginning.iter_mut().skip(length).for_each(|number| *number = 0);
        (length, beginning)
    })
}

/// Numbers of a path.
const LENGTH: usize = 6;
