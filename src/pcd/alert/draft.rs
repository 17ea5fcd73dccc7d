//! An alert while its message is read.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::{self, Certainty};
use super::facet::{Each, Facet};
use super::message_alerts::Alert;
use super::request::Request;
use super::stated::Collected;
use super::statement::Statement;
use crate::hl7::{Field, Segment};

/// An alert whose segments are being read.
#[derive(Default)]
pub(super) struct Draft<'m> {
    pub(super) request: Option<Arc<Request<'m>>>,
    /// The position of its OBR in the message, from 0.
    pub(super) position: usize,
    /// The device that contains the event, as an observation of the device itself names it.
    pub(super) device: Option<Field<'m>>,
    /// The same, as PRT-10 behind that observation names it.
    pub(super) participating_device: Option<Field<'m>>,
    pub(super) event: Option<Statement<'m>>,
    /// What it says of its event, in the order of the message: which of it counts is known with the event.
    facets: Vec<(Facet, Statement<'m>)>,
    /// The same of OBRs that are its parts.
    collected: Each<Collected<'m>>,
    has_facets: bool,
    has_further_events: bool,
    participants: Vec<Field<'m>>,
    named: HashSet<&'m [u8]>,
    certainty: Option<Certainty>,
    /// Whether the event has changed since [`Draft::takes_event`].
    has_new_event: bool,
}

impl<'m> Draft<'m> {
    pub(super) fn new(request: Option<Arc<Request<'m>>>, position: usize) -> Self {
        Self { request, position, ..Self::default() }
    }

    pub(super) const fn has_facets(&self) -> bool {
        self.has_facets
    }

    pub(super) fn may_be_alert(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.is_alarm)
            || self.has_facets
            || self.certainty > Some(Certainty::FirstFacet)
    }

    /// The number of its OBR-3 among those of the message.
    pub(super) fn filler_number(&self) -> Option<usize> {
        self.request.as_ref()?.filler_number
    }

    /// Whether it surely has an event, and not this one.
    pub(super) fn has_another_than(&self, statement: &Statement<'m>) -> bool {
        let Some(event) = self.event else { return false };
        let are_sure = [self.certainty, statement.certainty] == [Some(Certainty::Sure); 2];
        let differs = event.event_code != statement.event_code || event.has_other_equipment(statement);
        let are_events = event.is_event() && statement.is_event();
        (are_sure && differs) || (are_events && event.home != statement.home)
    }

    /// Whether of the event here and another one at its place only one has a valid value. That one is the
    /// event: an alarm is not withdrawn because another one is.
    pub(super) fn outlives(&self, other: &Statement<'m>) -> bool {
        self.event.is_some_and(|event| {
            event.home == other.home && !event.has_other_equipment(other) && event.is_void != other.is_void
        })
    }

    /// Has the other event instead of its own, if that has no valid value.
    pub(super) fn replace_void(&mut self, other: Statement<'m>) {
        if self.event.is_some_and(|event| event.is_void) {
            self.set_event(other);
        }
        self.has_further_events = true;
    }

    /// Whether the event has changed since the last call.
    pub(super) const fn takes_event(&mut self) -> bool {
        std::mem::replace(&mut self.has_new_event, false)
    }

    const fn set_event(&mut self, event: Statement<'m>) {
        (self.event, self.has_new_event) = (Some(event), true);
    }

    /// Notes that its OBR has a facet of which nothing says whose it is.
    pub(super) const fn note_homeless_facet(&mut self) {
        self.has_further_events = true;
    }

    /// Notes whether the event has the term of another one beside its own.
    pub(super) fn note_other_terms(&mut self) {
        self.has_further_events |= self.event.is_some_and(|event| event::has_other_term(&event.observation));
    }

    /// Adds what an OBR without an event of its own says: it is a part of this alert.
    pub(super) fn add_part(&mut self, part: &Self) {
        self.settle();
        for (facet, statement) in &part.facets {
            self.collected.of_mut(*facet).add(*facet, *statement, self.event.as_ref());
        }
    }

    fn settle(&mut self) {
        for (facet, statement) in std::mem::take(&mut self.facets) {
            self.collected.of_mut(facet).add(facet, statement, self.event.as_ref());
        }
    }

    /// Adds the equipment in a PRT behind an observation.
    pub(super) fn add_participant(&mut self, participation: Segment<'m>, is_event: bool, may_be_event: bool) {
        let fields = [10, 16, 20].map(|n| participation.field(n));
        let mut named = fields.into_iter().filter(|field| !field.is_empty());
        if is_event {
            for field in named {
                self.named.insert(field.raw());
                self.participants.push(field);
            }
        } else if may_be_event && named.any(|field| !self.named.contains(field.raw())) {
            // The same event of other equipment.
            self.has_further_events = true;
        }
    }

    pub(super) fn add(&mut self, statement: Statement<'m>) {
        let facet = match statement.facet {
            Some(Facet::Source) if statement.is_number => Facet::Measured,
            Some(facet) => facet,
            None => {
                self.add_event(statement);
                // Also a measured value that was not obtained (OBX-11 `X`).
                if statement.certainty.is_some() || !statement.is_second_facet {
                    return;
                }
                Facet::Measured
            }
        };
        self.has_facets |= matches!(facet, Facet::Phase | Facet::State | Facet::Inactivation);
        self.facets.push((facet, statement));
    }

    fn add_event(&mut self, statement: Statement<'m>) {
        let certainty = statement.certainty;
        self.has_further_events |= self.has_other_event(&statement);
        let is_sent_again = certainty.is_some()
            && certainty == self.certainty
            && self.event.is_some_and(|event| event.is_void && !statement.is_void);
        if certainty > self.certainty || is_sent_again {
            self.certainty = certainty;
            self.set_event(statement);
        }
    }

    /// Whether both the event here and this one are surely events, and not the same one.
    fn has_other_event(&self, statement: &Statement<'m>) -> bool {
        let is_event = |certainty: Option<Certainty>| certainty >= Some(Certainty::EventTerm);
        is_event(statement.certainty)
            && is_event(self.certainty)
            && self.event.is_some_and(|event| event.event_code != statement.event_code)
    }

    /// The alert, once all of its segments are read.
    pub(super) fn finish(mut self) -> Alert<'m> {
        self.settle();
        let facets = self.collected.map(|facet, collected| collected.finish(facet));
        Alert {
            request: self.request,
            position: self.position,
            device: self.device,
            participating_device: self.participating_device,
            event: self.event.map(|event| event.observation),
            contradicts_itself: facets.all().iter().any(|stated| stated.contradicts_itself),
            has_further_events: self.has_further_events,
            has_further_values: facets.of(Facet::Measured).has_further_terms,
            is_reported_differently: false,
            participants: self.participants,
            facets,
        }
    }
}
