//! An alert while its message is read.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::{self, Certainty};
use super::facet::Facet;
use super::message_alerts::Alert;
use super::request::Request;
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
    measured: Option<Statement<'m>>,
    phase: Option<Statement<'m>>,
    state: Option<Statement<'m>>,
    inactivation: Option<Statement<'m>>,
    source: Option<Statement<'m>>,
    priority: Option<Statement<'m>>,
    kind: Option<Statement<'m>>,
    text: Option<Statement<'m>>,
    contradicts_itself: bool,
    has_further_events: bool,
    has_further_values: bool,
    participants: Vec<Field<'m>>,
    named: HashSet<&'m [u8]>,
    certainty: Option<Certainty>,
    /// Further valid statements of the facets, with other values.
    further: Vec<Statement<'m>>,
    known: HashSet<Content<'m>>,
    /// Whether the event has changed since [`Draft::takes_event`].
    has_new_event: bool,
}

/// What a further statement says: facet, term and value.
type Content<'m> = (Option<Facet>, &'m [u8], &'m [u8]);

impl<'m> Draft<'m> {
    pub(super) fn new(request: Option<Arc<Request<'m>>>, position: usize) -> Self {
        Self { request, position, ..Self::default() }
    }

    pub(super) fn has_facets(&self) -> bool {
        self.phase.is_some() || self.state.is_some() || self.inactivation.is_some()
    }

    pub(super) fn may_be_alert(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.is_alarm)
            || self.has_facets()
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

    /// Drops a measured value of another place: the facets of an alert share theirs (B.8.4).
    pub(super) fn keep_own_value(&mut self) {
        let [event, measured] = [self.event, self.measured].map(|it| it.and_then(|it| it.place));
        if event.zip(measured).is_some_and(|(event, measured)| event != measured) {
            self.measured = None;
        }
    }

    /// Notes that its OBR has a facet of which nothing says whose it is.
    pub(super) const fn note_homeless_facet(&mut self) {
        self.has_further_events = true;
    }

    /// Notes whether the event has the term of another one beside its own.
    pub(super) fn note_other_terms(&mut self) {
        self.has_further_events |= self.event.is_some_and(|event| event::has_other_term(&event.observation));
    }

    /// What it says besides its event: also further statements.
    pub(super) fn statements(&self) -> impl Iterator<Item = Statement<'m>> {
        let Self { measured, phase, state, inactivation, source, priority, kind, .. } = *self;
        let own = [measured, phase, state, inactivation, source, priority, kind].into_iter().flatten();
        own.chain(self.further.iter().copied())
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
        let Statement { facet, is_void, is_number, .. } = statement;
        let place = match facet {
            Some(Facet::Source) if is_number => &mut self.measured,
            Some(Facet::Source) => &mut self.source,
            Some(Facet::Phase) => &mut self.phase,
            Some(Facet::State) => &mut self.state,
            Some(Facet::Inactivation) => &mut self.inactivation,
            Some(Facet::Priority) => &mut self.priority,
            Some(Facet::Kind) => &mut self.kind,
            Some(Facet::Text) => &mut self.text,
            None => {
                self.add_event(statement);
                // Also a measured value that was not obtained (OBX-11 `X`).
                if statement.certainty.is_some() || !statement.is_second_facet {
                    return;
                }
                &mut self.measured
            }
        };
        let first = *place.get_or_insert(statement);
        let is_single = !matches!(facet, None | Some(Facet::Source | Facet::Text));
        let is_value = !is_single && first.is_number && is_number;
        let is_here = first.place == statement.place
            || (is_single && (first.place.is_none() || statement.place.is_none()));
        let differs = first.value != statement.value;
        let is_same_term = is_single || first.code == statement.code;
        let is_measured = facet.is_none() && first.is_number && is_number;
        self.has_further_values |= is_measured && is_here && !is_same_term && !is_void;
        if is_here && is_same_term && !is_void {
            // What has no valid value stands only where nothing else does.
            if first.is_void {
                *place = Some(statement);
                return;
            }
            let replaces = statement.is_correction && !first.is_correction;
            if replaces {
                *place = Some(statement);
            }
            if differs && (is_single || is_value) {
                self.add_further(if replaces { first } else { statement });
            }
        }
        // The state of the signals may have several words.
        let has_words = is_single && facet != Some(Facet::Inactivation) && statement.has_words;
        let is_other_value = is_value && is_same_term && !first.is_correction && !statement.is_correction;
        let contradicts = has_words || differs && (is_single || is_other_value);
        if is_here {
            self.contradicts_itself |= contradicts && !first.is_void && !is_void;
        } else if is_single && differs {
            self.has_further_events = true;
        }
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

    /// Keeps what differs from all others, up to a number that no table of facets has words.
    fn add_further(&mut self, statement: Statement<'m>) {
        let Statement { facet, code, value, .. } = statement;
        if self.further.len() < MAX_FURTHER && self.known.insert((facet, code, value)) {
            self.further.push(statement);
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
    pub(super) fn finish(self) -> Alert<'m> {
        let observation = |statement: Option<Statement<'m>>| statement.map(|statement| statement.observation);
        Alert {
            request: self.request,
            position: self.position,
            device: self.device,
            participating_device: self.participating_device,
            event: observation(self.event),
            measured: observation(self.measured),
            phase: observation(self.phase),
            state: observation(self.state),
            inactivation: observation(self.inactivation),
            source: observation(self.source),
            priority: observation(self.priority),
            kind: observation(self.kind),
            text: observation(self.text),
            contradicts_itself: self.contradicts_itself,
            has_further_events: self.has_further_events,
            has_further_values: self.has_further_values,
            is_reported_differently: false,
            participants: self.participants,
            further: self.further.into_iter().map(|statement| statement.observation).collect(),
        }
    }
}

/// Further statements of one alert: more than all tables of facets have words.
const MAX_FURTHER: usize = 64;
