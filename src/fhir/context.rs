//! What every part of the mapping of one message needs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::coding::Concept;
use super::content::ContentReader;
use super::datatypes::{Annotation, Meta};
use super::identity::Equipment;
use super::patient::Patients;
use super::source::{Options, REVISION, Source};
use super::status;
use super::term::Term;
use super::text;
use super::time::{Effective, Times, is_stated};
use crate::hl7::{CharacterSet, Field, Message, Segment};
use crate::pcd::{Notes, Observation, Placement, Transaction};

/// One message while it is mapped.
pub(super) struct Context<'m> {
    pub(super) message: &'m Message<'m>,
    pub(super) source: &'m Source<'m>,
    pub(super) transaction: Transaction,
    pub(super) characters: CharacterSet,
    pub(super) times: Times,
    pub(super) patients: Patients,
    /// PV1-3 in words.
    pub(super) place: Option<String>,
    /// `meta` of a resource that no OBX-8 marks as a test.
    meta: Meta,
    /// `instant` of the reception.
    issued: String,
    /// The id of the message.
    id: String,
    placement: Placement<'m>,
    notes: Notes<'m>,
    /// The OBX at each position: its number, from 1, and its term.
    observed: HashMap<usize, (usize, Arc<Term>)>,
    /// The time that was read last: most observations of a message have one.
    last_time: RefCell<Option<(TimeFields<'m>, Rc<Effective>)>>,
}

/// OBX-14, if it is stated, and OBR.
type TimeFields<'m> = (Option<Field<'m>>, Option<Segment<'m>>);

/// PV1, if it is clear to whom it belongs: of two patients, one bed is not that of the other's device.
fn place<'m>(message: &'m Message<'m>) -> Option<Segment<'m>> {
    let all = |name: &'static [u8]| message.segments().filter(move |segment| segment.is(name));
    let mut visits = all(b"PV1");
    let first = visits.next()?;
    (visits.next().is_none() && all(b"PID").nth(1).is_none()).then_some(first)
}

impl<'m> Context<'m> {
    pub(super) fn new(
        message: &'m Message<'m>,
        transaction: Transaction,
        source: &'m Source<'m>,
        options: &'m Options,
    ) -> Self {
        let (header, characters) = (message.header(), message.text_encoding());
        let is_test = status::is_not_production(&header);
        let meta = meta(source, is_test);
        let observed = message.segments().enumerate().filter(|(_, segment)| segment.is(b"OBX"));
        let term = |segment: Segment<'_>| Term::of(segment.field(3), characters);
        let observed =
            observed.zip(1..).map(|((position, segment), ordinal)| (position, (ordinal, term(segment))));
        Self {
            message,
            source,
            transaction,
            characters,
            times: Times::new(header.zone(), &options.zone),
            patients: Patients::of(message, characters, source, options, &meta),
            place: place(message).and_then(|visit| text::joined(visit.field(3), characters)),
            meta,
            issued: source.received.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            id: source.message.to_string(),
            placement: Placement::of(message),
            notes: Notes::of(message),
            observed: observed.collect(),
            last_time: RefCell::default(),
        }
    }

    /// `meta` of a resource that no OBX-8 marks as a test.
    pub(super) fn meta(&self) -> Meta {
        self.meta.clone()
    }

    /// `meta` of an observation.
    pub(super) fn meta_of(&self, is_test: bool) -> Meta {
        if is_test { meta(self.source, true) } else { self.meta() }
    }

    /// The number of the OBX at this position, from 1.
    pub(super) fn ordinal(&self, position: usize) -> usize {
        self.observed.get(&position).map_or(0, |(ordinal, _)| *ordinal)
    }

    /// The id of the observation of the OBX at this position.
    pub(super) fn id_of(&self, position: usize) -> String {
        format!("{}.{}", self.id, self.ordinal(position))
    }

    /// What OBX-3 at this position says.
    pub(super) fn known(&self, position: usize) -> Option<&Arc<Term>> {
        self.observed.get(&position).map(|(_, term)| term)
    }

    /// The term of the OBX at this position; `None` when OBX-3 names nothing.
    pub(super) fn term(&self, position: usize) -> Option<&Concept> {
        self.known(position)?.concept.as_ref()
    }

    /// The same in an id; empty when it names nothing.
    pub(super) fn term_key(&self, position: usize) -> &str {
        self.known(position).map_or("", |term| &term.key)
    }

    pub(super) fn reader(&self) -> ContentReader<'_> {
        ContentReader { characters: self.characters, times: &self.times }
    }

    /// The time of an observation under this OBR.
    pub(super) fn effective(
        &self,
        observation: &Observation<'m>,
        request: Option<Segment<'m>>,
    ) -> Rc<Effective> {
        let own = observation.time();
        let fields = (Some(own).filter(|own| is_stated(*own)), request);
        if let Some((known, effective)) = &*self.last_time.borrow()
            && *known == fields
        {
            return Rc::clone(effective);
        }
        let effective = Rc::new(self.times.effective(own, request, self.message.header().timestamp()));
        self.last_time.replace(Some((fields, Rc::clone(&effective))));
        effective
    }

    /// The equipment that an observation names: OBX-18, else PRT-10 behind it.
    pub(super) fn equipment(&self, position: usize, observation: &Observation<'_>) -> Option<Equipment> {
        let (sender, characters) = (self.source.sender, self.characters);
        let own = Equipment::of(observation.equipment(), sender, characters);
        own.or_else(|| {
            let participants = self.placement.of_observation(position);
            participants.iter().find_map(|(_, prt)| Equipment::of(prt.field(10), sender, characters))
        })
    }

    /// The notes behind the OBX at this position.
    pub(super) fn notes(&self, position: usize) -> impl Iterator<Item = Annotation> + '_ {
        let lines = self.notes.behind(position).filter_map(|note| {
            let lines = note.field(3).repetitions().filter_map(|line| {
                let parts = line.components().filter_map(|part| text::component(part, self.characters));
                let text = parts.collect::<Vec<_>>().join(" ");
                (!text.is_empty()).then_some(text)
            });
            let text = lines.collect::<Vec<_>>().join("\n");
            (!text.is_empty()).then_some(text)
        });
        lines.map(|text| Annotation { text })
    }

    /// `instant` of the reception.
    pub(super) fn issued(&self) -> String {
        self.issued.clone()
    }
}

fn meta(source: &Source<'_>, is_test: bool) -> Meta {
    Meta {
        version_id: REVISION.to_string(),
        last_updated: None,
        source: format!("urn:uuid:{}", source.message),
        profile: Vec::new(),
        security: status::security(is_test),
    }
}
