//! Reads the alerts of a message, OBR by OBR.

use std::collections::HashMap;
use std::sync::Arc;

use super::devices::Devices;
use super::draft::Draft;
use super::event_index::EventIndex;
use super::homes::{Home, Homes};
use super::request::{FillerNumbers, Request};
use super::statement::Statement;
use crate::hl7::{Message, Segment};
use crate::pcd::Observation;

/// Reads segments in their order.
#[derive(Default)]
pub(super) struct Requests<'m> {
    drafts: Vec<Draft<'m>>,
    numbers: FillerNumbers,
    /// The segments of the latest OBR.
    contents: Vec<Content<'m>>,
    /// The number of OBRs.
    count: usize,
    /// The events of the latest OBR.
    events: EventIndex<'m>,
    devices: Devices<'m>,
    /// The devices that PRT-10 names, behind the observation of a device without OBX-18.
    participants: Devices<'m>,
    /// Where the latest observation is.
    last: Option<Placed>,
}

/// What an OBR has.
enum Content<'m> {
    Observation(Statement<'m>),
    Participation(Segment<'m>),
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
        requests.complete();
        let Self { mut drafts, devices, participants, .. } = requests;
        for draft in &mut drafts {
            draft.note_other_terms();
            draft.device = devices.of(draft.position, draft.event.as_ref());
            draft.participating_device = participants.of(draft.position, draft.event.as_ref());
        }
        drafts.retain(Draft::may_be_alert);
        drafts
    }

    fn segment(&mut self, segment: Segment<'m>) {
        if segment.is(b"OBR") {
            self.complete();
            let request = Arc::new(Request::read(segment, &mut self.numbers));
            self.begin(Some(request));
        } else if let Some(observation) = Observation::of(segment) {
            if self.drafts.is_empty() {
                self.begin(None);
            }
            self.contents.push(Content::Observation(Statement::read(observation)));
        } else if segment.is(b"PRT") {
            self.contents.push(Content::Participation(segment));
        }
    }

    /// Arranges the segments of the latest OBR, of which all are read: a facet may stand before its event.
    fn complete(&mut self) {
        let contents = std::mem::take(&mut self.contents);
        let homes = Homes::of(contents.iter().filter_map(|content| match content {
            Content::Observation(statement) => Some(statement),
            Content::Participation(_) => None,
        }));
        let mut waiting: HashMap<[u32; 6], Vec<Statement<'m>>> = HashMap::new();
        let mut near = Vec::new();
        let mut before: Option<Statement<'m>> = None;
        for content in contents {
            let statement = match content {
                Content::Observation(statement) => *before.insert(statement),
                Content::Participation(participation) => {
                    before.iter().for_each(|before| self.name_device(before, participation));
                    self.add_participant(participation);
                    continue;
                }
            };
            self.last = None;
            match homes.find(&statement) {
                Home::Own(home) if statement.is_event() => {
                    self.place(statement);
                    let event = self.last;
                    waiting.remove(&home).into_iter().flatten().for_each(|facet| self.place(facet));
                    self.last = event;
                }
                Home::Own(home) if self.events.find(&statement).is_none() => {
                    waiting.entry(home).or_default().push(statement);
                }
                Home::Own(_) | Home::Only => self.place(statement),
                Home::Near(home) => near.push(Statement { home: Some(home), ..statement }),
                Home::Unknown => self.note_homeless(&statement),
            }
        }
        // What stands at the place of an event counts before what is near to it.
        near.into_iter().for_each(|statement| self.place(statement));
    }

    fn add_participant(&mut self, participation: Segment<'m>) {
        if let Some(Placed { at, is_event, may_be_event }) = self.last
            && let Some(draft) = self.drafts.get_mut(at)
        {
            draft.add_participant(participation, is_event, may_be_event);
        }
    }

    /// HL7 2.7 and later: PRT-10 takes the place of OBX-18 (IHE PCD TF vol. 2, B.10).
    fn name_device(&mut self, before: &Statement<'m>, participation: Segment<'m>) {
        let (device, draft) = (participation.field(10), self.drafts.last());
        if let Some(draft) = draft.filter(|_| before.equipment.is_empty() && !device.is_empty()) {
            self.participants.add_name(draft.position, before, device);
        }
    }

    /// An observation of which nothing says to which of several events it belongs is a value of none.
    fn note_homeless(&mut self, statement: &Statement<'m>) {
        let Some(draft) = self.drafts.last_mut() else { return };
        self.devices.add(draft.position, statement);
        if statement.facet.is_some() && !statement.is_void {
            draft.note_homeless_facet();
        }
    }

    fn begin(&mut self, request: Option<Arc<Request<'m>>>) {
        self.drafts.push(Draft::new(request, self.count));
        self.count += 1;
        self.events = EventIndex::default();
        self.last = None;
    }

    /// Adds an observation to the alert of its OBR.
    ///
    /// An OBR has one alert (3.4). Where a sender puts several events into one, at different places of the
    /// device or of different equipment (OBX-18), each is an alert with the facets of its place: none may
    /// vanish.
    fn place(&mut self, statement: Statement<'m>) {
        let Some(last) = self.drafts.len().checked_sub(1) else { return };
        let mut at = self.events.find(&statement).unwrap_or(last);
        // Also at the same place: two events are never one.
        let Some(draft) = self.drafts.get(at) else { return };
        let is_new = draft.has_another_than(&statement);
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
