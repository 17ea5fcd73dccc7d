//! Reads the alerts of a message, OBR by OBR.

use std::sync::Arc;

use super::devices::Devices;
use super::draft::Draft;
use super::event::Certainty;
use super::event_index::EventIndex;
use super::request::{FillerNumbers, Request};
use super::statement::Statement;
use crate::hl7::{Message, Segment};
use crate::pcd::Observation;

/// Reads segments in their order.
#[derive(Default)]
pub(super) struct Requests<'m> {
    drafts: Vec<Draft<'m>>,
    numbers: FillerNumbers,
    /// The number of OBRs.
    count: usize,
    /// The events of the latest OBR.
    events: EventIndex<'m>,
    devices: Devices<'m>,
    /// Where the latest observation is.
    last: Option<Placed>,
}

/// Where an observation was added.
#[derive(Clone, Copy)]
struct Placed {
    at: usize,
    /// It is the event of its alert.
    is_event: bool,
    /// It may be an event.
    may_be_event: bool,
}

impl<'m> Requests<'m> {
    /// The OBRs of a message that may be alerts.
    pub(super) fn read(message: &'m Message<'_>) -> Vec<Draft<'m>> {
        let mut requests = Self::default();
        message.segments().for_each(|segment| requests.segment(segment));
        let Self { mut drafts, devices, .. } = requests;
        for draft in &mut drafts {
            draft.keep_own_value();
            draft.note_other_terms();
            draft.device = devices.of(draft.position, draft.event.as_ref());
        }
        drafts.retain(Draft::may_be_alert);
        drafts
    }

    fn segment(&mut self, segment: Segment<'m>) {
        if segment.is(b"OBR") {
            let request = Arc::new(Request::read(segment, &mut self.numbers));
            self.begin(Some(request));
        } else if let Some(observation) = Observation::of(segment) {
            if self.drafts.is_empty() {
                self.begin(None);
            }
            self.place(Statement::read(observation));
        } else if segment.is(b"PRT")
            && let Some(Placed { at, is_event, may_be_event }) = self.last
            && let Some(draft) = self.drafts.get_mut(at)
        {
            draft.add_participant(segment, is_event, may_be_event);
        }
    }

    fn begin(&mut self, request: Option<Arc<Request<'m>>>) {
        self.drafts.push(Draft::new(request, self.count));
        self.count += 1;
        self.events = EventIndex::default();
    }

    /// Adds an observation to the alert of its OBR.
    ///
    /// An OBR has one alert (3.4). Where a sender puts several events into one, at different places of the
    /// device or of different equipment (OBX-18), each is an alert with the facets of its place: none may
    /// vanish.
    fn place(&mut self, statement: Statement<'m>) {
        let Some(last) = self.drafts.len().checked_sub(1) else { return };
        let mut at = self.events.find(&statement).unwrap_or(last);
        let is_sure = statement.certainty == Some(Certainty::Sure);
        // Also at the same place: two events are never one.
        let is_new = is_sure && self.drafts.get(at).is_some_and(|draft| draft.has_another_than(&statement));
        let Some(draft) = self.drafts.get(at) else { return };
        let known = draft.event;
        self.devices.add(draft.position, &statement);
        if is_new && draft.outlives(&statement) {
            self.change(at, known, |draft| draft.replace_void(statement));
        } else if is_new {
            let (request, position) = (draft.request.clone(), draft.position);
            at = self.drafts.len();
            self.drafts.push(Draft::new(request, position));
            self.change(at, None, |draft| draft.add(statement));
        } else {
            self.change(at, known, |draft| draft.add(statement));
        }
        let event = self.drafts.get(at).and_then(|draft| draft.event);
        let is_event = event.is_some_and(|event| event.observation == statement.observation);
        self.last = Some(Placed { at, is_event, may_be_event: statement.certainty.is_some() });
    }

    /// Changes a draft, of which `known` is the event before.
    fn change(&mut self, at: usize, known: Option<Statement<'m>>, change: impl FnOnce(&mut Draft<'m>)) {
        let Some(draft) = self.drafts.get_mut(at) else { return };
        change(draft);
        let event = draft.event;
        if draft.takes_event() {
            known.iter().for_each(|known| self.events.remove(known, at));
            event.iter().for_each(|event| self.events.add(event, at));
        }
    }
}
