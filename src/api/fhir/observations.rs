//! Searches of observations: in the order of time, and in the order of changes.
//!
//! The index has the latest time of the observations of a message, which are at most [`MAX_SPREAD`] apart. An
//! observation is given out when no message that is still to be read can have one before it.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use super::answer::Failure;
use super::budget::Budget;
use super::bundle::{Collector, Page};
use super::cursor::{Cursor, TimePlace};
use super::read::Scope;
use crate::fhir::search::{Moment, Refused, Sort};
use crate::fhir::{MAX_SPREAD, Resource};
use crate::render::Timed;
use crate::store::{FoundGroup, GroupPage, GroupPlace, GroupsOf};

/// A search in the order of time.
struct TimeWalk<'s> {
    scope: &'s Scope<'s>,
    ascending: bool,
    /// The last observation that was given out, on this page or before.
    last: Option<TimePlace>,
    /// Observations that may still come behind others, in the order of the answer.
    pending: Vec<Timed>,
    /// The places of the groups of these.
    places: HashMap<u64, GroupPlace>,
    collector: Collector,
    next: Option<Cursor>,
    /// How many were found, while that is counted.
    total: Option<u64>,
}

/// The observations of a subject or of an MDS, in the order of time.
pub(super) async fn by_time(
    scope: &Scope<'_>,
    of: GroupsOf<'_>,
    cursor: Option<Cursor>,
) -> Result<Page, Failure> {
    let (from, last) = match cursor {
        None => (None, None),
        Some(Cursor::Time { group, last }) => (Some(group), last),
        Some(_) => return Err(Failure::bad("the link of this page belongs to another search")),
    };
    let walk = TimeWalk {
        scope,
        ascending: scope.query.sort == Sort::EarliestFirst,
        last,
        pending: Vec::new(),
        places: HashMap::new(),
        collector: scope.collector(),
        next: None,
        total: (scope.query.wants_total && from.is_none()).then_some(0),
    };
    walk.run(of, from).await
}

impl TimeWalk<'_> {
    async fn run(mut self, of: GroupsOf<'_>, start: Option<GroupPlace>) -> Result<Page, Failure> {
        let begin = Cursor::Time { group: start.unwrap_or(NOWHERE), last: self.last };
        let (since, before) = bounds(&self.scope.query.date);
        let (mut from, mut limit, mut budget) = (start, FIRST_GROUPS, self.scope.reads.budget());
        let mut behind = None;
        loop {
            let page = GroupPage { of, from, since, before, ascending: self.ascending, limit: limit + 1 };
            let mut groups = self.scope.reads.store.group_page(&page).await?;
            let is_last = groups.len() <= limit as usize;
            groups.truncate(limit as usize);
            groups.retain(|group| Some(place(group)) != behind);
            let mut rendered = self.scope.observations(&groups).await?;
            for group in &groups {
                let horizon = if self.ascending { earlier(group.at) } else { group.at };
                if !self.emit(Some(horizon), Some(place(group)))? {
                    return Ok(self.collector.finish(self.next, None));
                }
                if !budget.visit(self.scope.reads.store.now()) {
                    return self.cut(place(group), &begin, budget);
                }
                self.add(group, rendered.remove(&group.seq).unwrap_or_default());
            }
            behind = groups.last().map(place);
            if is_last || behind.is_none() {
                break;
            }
            (from, limit) = (behind, (limit * 2).min(MAX_GROUPS_OF_A_PAGE));
        }
        self.emit(None, None)?;
        Ok(self.collector.finish(self.next, self.total))
    }

    /// Ends a page that costs too much: what is known to be next was given out.
    fn cut(self, at: GroupPlace, begin: &Cursor, budget: Budget) -> Result<Page, Failure> {
        if self.next.is_some() {
            return Ok(self.collector.finish(self.next, None));
        }
        let next = self.cursor(Some(at));
        if next.as_ref() == Some(begin) && budget.is_late(self.scope.reads.store.now()) {
            return Err(Failure::timeout());
        }
        if next.as_ref() == Some(begin) {
            return Err(Refused::too_costly(
                "more messages lie within a quarter of an hour than a search looks through: narrow it with date",
            )
            .into());
        }
        Ok(self.collector.finish(next, None))
    }

    /// Adds the observations of a group that are answers.
    fn add(&mut self, group: &FoundGroup, observations: Vec<Timed>) {
        let (ascending, last) = (self.ascending, self.last);
        let is_behind = |timed: &Timed| {
            last.is_none_or(|last| if ascending { key(timed) > last } else { key(timed) < last })
        };
        let fits = |timed: &Timed| self.scope.query.fits(&timed.resource, Some(&group.device));
        let before = self.pending.len();
        self.pending.extend(observations.into_iter().filter(|timed| is_behind(timed) && fits(timed)));
        if self.pending.len() > before {
            self.places.insert(group.seq, place(group));
            self.pending.sort_by_key(key);
            if !ascending {
                self.pending.reverse();
            }
        }
    }

    /// Gives out what is before the horizon; all without one. False when the page is full and nothing is
    /// counted any more. `at`: the group that comes next.
    fn emit(&mut self, horizon: Option<Timestamp>, at: Option<GroupPlace>) -> Result<bool, Failure> {
        let ascending = self.ascending;
        let is_before = |timed: &Timed| {
            horizon.is_none_or(|horizon| if ascending { timed.at < horizon } else { timed.at > horizon })
        };
        let ready = self.pending.iter().take_while(|timed| is_before(timed)).count();
        let mut ready: VecDeque<Timed> = self.pending.drain(..ready).collect();
        while !self.collector.is_full() {
            let Some(timed) = ready.pop_front() else { return Ok(true) };
            self.last = Some(key(&timed));
            self.total = self.total.map(|total| total + 1);
            self.collector.push(timed.resource)?;
        }
        if ready.is_empty() && at.is_none() && self.pending.is_empty() {
            return Ok(true);
        }
        let found = ready.len();
        if self.next.is_none() {
            self.pending.splice(0..0, ready);
            self.next = self.cursor(at);
            self.pending.drain(..found);
        }
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        self.total = self.total.map(|total| total.saturating_add(found)).filter(|total| *total < MAX_TOTAL);
        Ok(self.total.is_some())
    }

    /// Where the next page begins: the first group that has something which was not given out.
    fn cursor(&self, at: Option<GroupPlace>) -> Option<Cursor> {
        let places = self.pending.iter().filter_map(|timed| self.places.get(&timed.seq)).copied();
        let by_time = |place: &GroupPlace| (place.at, place.seq);
        let first = if self.ascending { places.min_by_key(by_time) } else { places.max_by_key(by_time) };
        Some(Cursor::Time { group: first.or(at)?, last: self.last })
    }
}

/// Observations in the order in which the index got them.
pub(super) async fn by_change(scope: &Scope<'_>, cursor: Option<Cursor>) -> Result<Page, Failure> {
    let updated = &scope.query.updated;
    let mut total = (scope.query.wants_total && cursor.is_none()).then_some(0);
    let (mut from, first) = match cursor {
        Some(Cursor::Change { seq, place }) => (seq, place),
        Some(_) => return Err(Failure::bad("the link of this page belongs to another search")),
        None => match bounds(updated).0 {
            Some(since) => (scope.reads.store.first_change_since(since, true).await?, 0),
            None => (0, 0),
        },
    };
    let begin = from;
    let until = bounds(updated).1;
    let (mut collector, mut next) = (scope.collector(), None);
    let mut budget = scope.reads.budget();
    loop {
        let start = GroupPlace { at: Timestamp::MIN, seq: from };
        let page = GroupPage {
            of: GroupsOf::Changes,
            from: Some(start),
            since: None,
            before: None,
            ascending: true,
            limit: MAX_GROUPS_OF_A_PAGE,
        };
        let groups = scope.reads.store.group_page(&page).await?;
        let mut rendered = scope.observations(&groups).await?;
        for group in &groups {
            if !budget.visit(scope.reads.store.now()) {
                let next = next.unwrap_or(Cursor::Change { seq: group.seq, place: 0 });
                return Ok(collector.finish(Some(next), None));
            }
            if until.is_some_and(|until| group.projected_at >= until) && group.alert.is_none() {
                return Ok(collector.finish(next, total));
            }
            for timed in rendered.remove(&group.seq).unwrap_or_default() {
                let is_done = group.seq == begin && timed.place < first;
                if is_done || !scope.query.fits(&timed.resource, Some(&group.device)) {
                    continue;
                }
                total = total.map(|total: u64| total + 1).filter(|total| *total < MAX_TOTAL);
                if next.is_none() && !collector.is_full() {
                    collector.push(timed.resource)?;
                    continue;
                }
                // What is beyond the page is only counted.
                next = next.or(Some(Cursor::Change { seq: group.seq, place: timed.place }));
                if total.is_none() {
                    return Ok(collector.finish(next, None));
                }
            }
        }
        if groups.len() < MAX_GROUPS_OF_A_PAGE as usize {
            return Ok(collector.finish(next, total));
        }
        from = groups.last().map_or(from, |last| last.seq.saturating_add(1));
    }
}

/// Observations by their ids.
pub(super) async fn by_id(
    scope: &Scope<'_>,
    ids: &[String],
    cursor: Option<Cursor>,
) -> Result<Page, Failure> {
    let is_counted = scope.query.wants_total && cursor.is_none();
    let skipped = match cursor {
        Some(Cursor::Change { seq, .. }) => usize::try_from(seq).unwrap_or(usize::MAX),
        Some(_) => return Err(Failure::bad("the link of this page belongs to another search")),
        None => 0,
    };
    let mut seen = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        if ids.iter().take(number).any(|earlier| earlier == id) {
            continue;
        }
        let found = scope.seen(&format!("{}/{id}", scope.query.kind.name())).await?;
        seen.extend(found.filter(|seen| scope.query.fits(&seen.resource, seen.system.as_deref())));
    }
    match scope.query.sort {
        Sort::Index => {}
        Sort::EarliestFirst => seen.sort_by_key(|seen| time_of(&seen.resource)),
        Sort::LatestFirst => seen.sort_by_key(|seen| std::cmp::Reverse(time_of(&seen.resource))),
    }
    let total = is_counted.then_some(u64::try_from(seen.len()).unwrap_or(u64::MAX));
    let mut collector = scope.collector();
    for (number, seen) in seen.into_iter().enumerate().skip(skipped) {
        if collector.is_full() {
            let seq = u64::try_from(number).unwrap_or(u64::MAX);
            return Ok(collector.finish(Some(Cursor::Change { seq, place: 0 }), total));
        }
        collector.push(seen.resource)?;
    }
    Ok(collector.finish(None, total))
}

fn key(timed: &Timed) -> TimePlace {
    (timed.at, timed.seq, timed.place)
}

const fn place(group: &FoundGroup) -> GroupPlace {
    GroupPlace { at: group.at, seq: group.seq }
}

/// The time of an observation that was found by its id.
fn time_of(resource: &Resource) -> Option<Timestamp> {
    let Resource::Observation(observation) = resource else { return None };
    let period = observation.effective_period.as_ref();
    let written = observation.effective_date_time.as_deref().or_else(|| period?.end.as_deref());
    written?.parse().ok()
}

/// No observation of a group with this time is earlier.
fn earlier(at: Timestamp) -> Timestamp {
    at.saturating_sub(MAX_SPREAD).unwrap_or(Timestamp::MIN)
}

/// The times of the index between which everything lies that these dates mean: from the first on, and before
/// the second.
fn bounds(dates: &[Moment]) -> (Option<Timestamp>, Option<Timestamp>) {
    let since = dates.iter().filter_map(Moment::earliest_end).max();
    let before = dates.iter().filter_map(Moment::latest_start).min();
    let later = |at: Timestamp| at.saturating_add(MAX_SPREAD).unwrap_or(Timestamp::MAX);
    (since, before.map(later))
}

/// Groups that are read first: as many as most pages need.
const FIRST_GROUPS: u32 = 8;
/// Groups that are read at once: their messages are in memory together.
const MAX_GROUPS_OF_A_PAGE: u32 = 16;
/// Beyond this number nothing is counted.
pub(super) const MAX_TOTAL: u64 = 10_000;
const NOWHERE: GroupPlace = GroupPlace { at: Timestamp::MIN, seq: 0 };
