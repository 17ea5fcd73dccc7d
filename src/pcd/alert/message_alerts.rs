//! The alerts of a message.

use super::event::{self, Certainty, certainty, facet_number, names_part};
use super::facet::{Facet, facet};
use super::filler::Filler;
use super::report::{AlertReport, equipment_of};
use super::terms::{is_alarm, is_correction, is_void, names_nothing};
use crate::hl7::{Field, Message, Segment};
use crate::pcd::Observation;

/// One alert.
///
/// Each observation of an alert is a facet. The term in OBX-3 identifies it. Older devices use other numbers
/// or write the name first, so both number and name count, in either component. Of a facet that is stated
/// several times the first with a valid value is here, or the correction of it; see [`Alert::stated`].
#[derive(Clone, Default)]
pub struct Alert<'m> {
    /// Its OBR; `None` when the observations have none.
    request: Option<Segment<'m>>,
    /// The position of its OBR in the message, from 0.
    pub position: usize,
    /// The event: facet 1.
    pub event: Option<Observation<'m>>,
    /// The measured value to which the event refers: facet 2 of a numeric alert.
    pub measured: Option<Observation<'m>>,
    /// MDC_ATTR_EVENT_PHASE.
    pub phase: Option<Observation<'m>>,
    /// MDC_ATTR_ALARM_STATE.
    pub state: Option<Observation<'m>>,
    /// MDC_ATTR_ALARM_INACTIVATION_STATE.
    pub inactivation: Option<Observation<'m>>,
    /// MDC_ATTR_ALERT_SOURCE.
    pub source: Option<Observation<'m>>,
    /// MDC_ATTR_ALARM_PRIORITY; many devices have it in OBX-8 of the event only.
    pub priority: Option<Observation<'m>>,
    /// MDC_ATTR_ALERT_TYPE; many devices have it in OBX-8 of the event only.
    pub kind: Option<Observation<'m>>,
    /// MDC_ATTR_ALERT_TEXT.
    pub text: Option<Observation<'m>>,
    /// Whether its phase, state, inactivation, priority, type or measured value stands twice, with different
    /// values; [`Alert::stated`] has all of them.
    pub contradicts_itself: bool,
    /// Whether its OBR has a further event or phase that belongs to no alert here, or its event an alternate
    /// term of another one.
    pub has_further_events: bool,
    /// Whether the message has this report twice, with different contents. Both are here.
    pub is_reported_differently: bool,
    /// PRT-10, 16 and 20 behind the event: its equipment in the notation of HL7 2.7 and later.
    pub(super) participants: Vec<Field<'m>>,
    certainty: Option<Certainty>,
    /// Further valid statements of the facets, with other values.
    further: Vec<Observation<'m>>,
}

impl<'m> Alert<'m> {
    /// The OBRs of a message that may be alerts.
    pub(super) fn requests(message: &'m Message<'_>) -> Vec<Self> {
        let mut requests: Vec<Self> = Vec::new();
        let mut count = 0;
        let mut last = None;
        for segment in message.segments() {
            if segment.is(b"OBR") {
                requests.push(Self { request: Some(segment), position: count, ..Self::default() });
                count += 1;
            } else if let Some(observation) = Observation::of(segment) {
                if requests.is_empty() {
                    requests.push(Self::default());
                    count = 1;
                }
                last = Self::place(&mut requests, observation).map(|at| (at, observation));
            } else if segment.is(b"PRT")
                && let Some((at, of)) = last
            {
                requests.get_mut(at).into_iter().for_each(|alert| alert.add_participant(of, segment));
            }
        }
        requests.iter_mut().for_each(Self::keep_own_value);
        for alert in &mut requests {
            alert.has_further_events |= alert.event.is_some_and(|event| event::has_other_term(&event));
        }
        requests.retain(|alert| {
            alert.request.is_some_and(|obr| is_alarm(obr.field(4)))
                || alert.has_facets()
                || alert.certainty > Some(Certainty::FirstFacet)
        });
        requests
    }

    /// Adds an observation to the alert of its OBR.
    ///
    /// An OBR has one alert (3.4). Where a sender puts several events into one, at different places of the
    /// device or of different equipment (OBX-18), each is an alert with the facets of its place: none may
    /// vanish. Returns to which one it was added.
    fn place(requests: &mut Vec<Self>, observation: Observation<'m>) -> Option<usize> {
        let last = requests.last()?;
        let (request, position) = (last.request, last.position);
        let place = place_of(&observation);
        let is_sure = certainty(&observation) == Some(Certainty::Sure);
        // Also at the same place: two events are never one.
        let has_other_event = |alert: &Self| {
            alert.certainty == Some(Certainty::Sure)
                && alert.event.is_some_and(|event| {
                    place_of(&event) != place
                        || event_code(&event) != event_code(&observation)
                        || has_other_equipment(&event, &observation)
                })
        };
        let of_request = requests.iter().rposition(|alert| alert.position != position).map_or(0, |at| at + 1);
        let own = requests.get(of_request..).unwrap_or_default();
        let is_there = |event: &Observation<'_>| place.is_some() && place_of(event) == place;
        let of_equipment = own.iter().rposition(|alert| {
            alert.event.is_some_and(|event| is_there(&event) && !has_other_equipment(&event, &observation))
        });
        let same_place = of_equipment
            .or_else(|| own.iter().rposition(|alert| alert.event.is_some_and(|event| is_there(&event))));
        let at = same_place.map_or(requests.len() - 1, |at| of_request + at);
        let is_new = is_sure && requests.get(at).is_some_and(has_other_event);
        if is_new && requests.get_mut(at).is_some_and(|alert| alert.outlives(observation)) {
            return Some(at);
        }
        if is_new {
            requests.push(Self { request, position, ..Self::default() });
        }
        let at = if is_new { requests.len() - 1 } else { at };
        requests.get_mut(at)?.add(observation);
        Some(at)
    }

    /// Whether a message has an event. A heartbeat is none, nor is what some gateways send in its place.
    pub(in crate::pcd) fn is_in(message: &Message<'_>) -> bool {
        message.segments().filter_map(Observation::of).any(|observation| match certainty(&observation) {
            Some(Certainty::FirstFacet) => !names_nothing(event::event_term(&observation)),
            certainty => certainty.is_some(),
        })
    }

    /// The field that names the event: OBX-3, or OBX-5 where OBX-3 only says that it is an alarm. `None`
    /// without an event.
    #[must_use]
    pub fn event_term(&self) -> Option<Field<'m>> {
        self.event.as_ref().map(event::event_term)
    }

    /// The term of the measured value; `None` where the sender puts the value into the source of the alert.
    #[must_use]
    pub fn measured_term(&self) -> Option<Field<'m>> {
        self.measured.filter(|measured| facet(measured).is_none()).map(|measured| measured.identifier())
    }

    /// Drops a measured value of another place: the facets of an alert share theirs (B.8.4).
    pub(super) fn keep_own_value(&mut self) {
        let [event, measured] = [self.event, self.measured].map(|it| it.and_then(|it| place_of(&it)));
        if event.zip(measured).is_some_and(|(event, measured)| event != measured) {
            self.measured = None;
        }
    }

    /// The facets that an observation has here, for what holds for all of them.
    pub fn observations(&self) -> impl Iterator<Item = Observation<'m>> {
        let Self { event, measured, phase, state, inactivation, source, priority, kind, text, .. } = *self;
        [event, measured, phase, state, inactivation, source, priority, kind, text].into_iter().flatten()
    }

    /// All valid statements of a facet of this alert: the one that is given, and those with other values.
    pub fn stated(&self, facet_of: Option<Observation<'m>>) -> impl Iterator<Item = Observation<'m>> {
        let is_alike = move |other: &Observation<'m>| facet_of.is_some_and(|one| facet(&one) == facet(other));
        facet_of.into_iter().chain(self.further.iter().copied().filter(is_alike))
    }

    /// Its number, OBR-3.
    #[must_use]
    pub fn filler(&self) -> Option<Filler> {
        Filler::of_request(self.request?)
    }

    /// The key of the report; `None` when OBR-3, OBX-14 and OBR-7 do not identify it.
    #[must_use]
    pub fn report(&self) -> Option<AlertReport> {
        AlertReport::read(self.request?, self.event, &self.participants, self.phase)
    }

    /// The equipment that the event names, as the key of the report has it; empty where it names none.
    #[must_use]
    pub fn equipment(&self) -> Vec<u8> {
        self.event.map(|event| equipment_of(&event, &self.participants)).unwrap_or_default()
    }

    /// What it says besides its event: also further statements.
    pub(super) fn statements(&self) -> impl Iterator<Item = Observation<'m>> {
        let own = Self { event: None, text: None, ..self.clone() };
        let further = own.further.clone();
        own.observations().collect::<Vec<_>>().into_iter().chain(further)
    }

    /// Adds the equipment in a PRT behind an observation.
    fn add_participant(&mut self, of: Observation<'m>, participation: Segment<'m>) {
        let fields = [10, 16, 20].map(|n| participation.field(n));
        let mut named = fields.into_iter().filter(|field| !field.is_empty());
        if self.event == Some(of) {
            self.participants.extend(named);
        } else if certainty(&of).is_some() && named.any(|field| !self.participants.contains(&field)) {
            // The same event of other equipment.
            self.has_further_events = true;
        }
    }

    pub(super) fn has_facets(&self) -> bool {
        self.phase.is_some() || self.state.is_some() || self.inactivation.is_some()
    }

    pub(super) fn add(&mut self, observation: Observation<'m>) {
        let facet = facet(&observation);
        let place = match facet {
            Some(Facet::Source) if is_number(&observation) => &mut self.measured,
            Some(Facet::Source) => &mut self.source,
            Some(Facet::Phase) => &mut self.phase,
            Some(Facet::State) => &mut self.state,
            Some(Facet::Inactivation) => &mut self.inactivation,
            Some(Facet::Priority) => &mut self.priority,
            Some(Facet::Kind) => &mut self.kind,
            Some(Facet::Text) => &mut self.text,
            None => {
                let certainty = certainty(&observation);
                self.has_further_events |= self.has_other_event(&observation, certainty);
                let is_sent_again = certainty.is_some()
                    && certainty == self.certainty
                    && self.event.is_some_and(|event| is_void(&event) && !is_void(&observation));
                if certainty > self.certainty || is_sent_again {
                    self.certainty = certainty;
                    self.event = Some(observation);
                }
                // Also one that was not obtained (OBX-11 `X`).
                let is_second = facet_number(&observation) == Some(2) && !names_part(&observation);
                if certainty.is_some() || !is_second {
                    return;
                }
                &mut self.measured
            }
        };
        let first = *place.get_or_insert(observation);
        let is_single = !matches!(facet, None | Some(Facet::Source | Facet::Text));
        let is_value = !is_single && is_number(&first) && is_number(&observation);
        let [own, other] = [place_of(&first), place_of(&observation)];
        let is_here = own == other || (is_single && (own.is_none() || other.is_none()));
        let differs = first.value().trimmed() != observation.value().trimmed();
        let is_same_term = is_single || first.code().trimmed() == observation.code().trimmed();
        if is_here && is_same_term && !is_void(&observation) {
            // What has no valid value stands only where nothing else does.
            if is_void(&first) {
                *place = Some(observation);
                return;
            }
            let replaces = is_correction(&observation) && !is_correction(&first);
            if replaces {
                *place = Some(observation);
            }
            if differs && (is_single || is_value) {
                self.further.push(if replaces { first } else { observation });
            }
        }
        // The state of the signals may have several words.
        let has_words = is_single && facet != Some(Facet::Inactivation) && has_words(&observation);
        let is_other_value = is_value && is_same_term && ![first, observation].iter().any(is_correction);
        let contradicts = has_words || differs && (is_single || is_other_value);
        if is_here {
            self.contradicts_itself |= contradicts && !is_void(&first) && !is_void(&observation);
        } else if is_single && differs {
            self.has_further_events = true;
        }
    }

    /// Whether of the event here and another one at its place only one has a valid value. That one is the
    /// event: an alarm is not withdrawn because another one is.
    fn outlives(&mut self, other: Observation<'m>) -> bool {
        let is_here = |event: &Observation<'_>| {
            place_of(event) == place_of(&other) && !has_other_equipment(event, &other)
        };
        let Some(event) = self.event.filter(is_here) else {
            return false;
        };
        if is_void(&event) == is_void(&other) {
            return false;
        }
        if is_void(&event) {
            self.event = Some(other);
        }
        self.has_further_events = true;
        true
    }

    /// Whether both the event here and this one are surely events, and not the same one.
    fn has_other_event(&self, observation: &Observation<'_>, certainty: Option<Certainty>) -> bool {
        let is_event = |certainty: Option<Certainty>| certainty >= Some(Certainty::EventTerm);
        is_event(certainty)
            && is_event(self.certainty)
            && self.event.is_some_and(|event| event_code(&event) != event_code(observation))
    }

    /// Alerts of one message that are read.
    pub const MAX: usize = 64;
}

/// Whether the repetitions of a value are different words.
fn has_words(facet: &Observation<'_>) -> bool {
    let mut words = facet.value().repetitions().map(|word| word.component(1).trimmed());
    let first = words.find(|word| !word.is_empty());
    first.is_some_and(|first| words.any(|word| !word.is_empty() && !word.eq_ignore_ascii_case(first)))
}

/// Whether an observation is a number. Some senders put the measured value into the source.
fn is_number(observation: &Observation<'_>) -> bool {
    matches!(observation.value_type().trimmed(), b"NM" | b"SN")
}

/// What the event is, for comparison.
fn event_code<'m>(event: &Observation<'m>) -> [&'m [u8]; 2] {
    let term = event::event_term(event);
    [1, 2].map(|n| term.component(n).trimmed())
}

/// Whether both name their equipment, and not the same.
fn has_other_equipment(one: &Observation<'_>, other: &Observation<'_>) -> bool {
    let [one, other] = [one, other].map(|observation| observation.equipment());
    !one.is_empty() && !other.is_empty() && one.trimmed() != other.trimmed()
}

/// The place in the device to which an alert belongs: OBX-4 up to its fourth number, where it has a facet.
pub(super) fn place_of(observation: &Observation<'_>) -> Option<[u32; 4]> {
    let path = observation.path().ok()?;
    path.facet().map(|_| path.place())
}
