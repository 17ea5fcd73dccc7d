//! The alerts of a message.

use std::sync::Arc;

use super::event::{self, Certainty, certainty};
use super::facet::facet;
use super::filler::Filler;
use super::request::Request;
use super::terms::names_nothing;
use crate::hl7::{Field, Message};
use crate::pcd::Observation;

/// One alert.
///
/// Each observation of an alert is a facet. The term in OBX-3 identifies it. Older devices use other numbers
/// or write the name first, so both number and name count, in either component. Of a facet that is stated
/// several times the first with a valid value is here, or the correction of it; see [`Alert::stated`].
pub struct Alert<'m> {
    /// Its OBR; `None` when the observations have none.
    pub(super) request: Option<Arc<Request<'m>>>,
    /// The position of its OBR in the message, from 0.
    pub position: usize,
    /// OBX-18 of the device that contains the event, where the message describes that device.
    pub(super) device: Option<Field<'m>>,
    /// PRT-10 behind that observation.
    pub(super) participating_device: Option<Field<'m>>,
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
    /// Whether it has measured values of several terms.
    pub has_further_values: bool,
    /// Whether the message has this report twice, with different contents. Both are here.
    pub is_reported_differently: bool,
    /// PRT-10, 16 and 20 behind the event: its equipment in the notation of HL7 2.7 and later.
    pub(super) participants: Vec<Field<'m>>,
    /// Further valid statements of the facets, with other values.
    pub(super) further: Vec<Observation<'m>>,
}

impl<'m> Alert<'m> {
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

    /// The facets that an observation has here, for what holds for all of them.
    pub fn observations(&self) -> impl Iterator<Item = Observation<'m>> {
        let Self { event, measured, phase, state, inactivation, source, priority, kind, text, .. } = *self;
        [event, measured, phase, state, inactivation, source, priority, kind, text].into_iter().flatten()
    }

    /// All valid statements of a facet of this alert: the one that is given, and those with other values.
    pub fn stated(&self, facet_of: Option<Observation<'m>>) -> impl Iterator<Item = Observation<'m>> {
        let own = facet_of.as_ref().map(facet);
        let is_alike = move |other: &Observation<'m>| own == Some(facet(other));
        facet_of.into_iter().chain(self.further.iter().copied().filter(is_alike))
    }

    /// Its number, OBR-3.
    #[must_use]
    pub fn filler(&self) -> Option<&Filler> {
        self.request.as_ref()?.filler.as_ref()
    }

    /// The field that names its device: OBX-18 of the event, PRT-10, 16 or 20 behind it, or OBX-18 of the
    /// device that contains it. `None` where the message names none.
    #[must_use]
    pub fn device(&self) -> Option<Field<'m>> {
        let own = self.event.map(|event| event.equipment()).filter(|equipment| !equipment.is_empty());
        own.or_else(|| self.participants.first().copied()).or(self.device)
    }

    /// The same for people, who may take PRT-10 behind the observation of the device for its name. It
    /// identifies no alert: IHE PCD TF vol. 2, B.10 does not use PRT-10 in PCD-04.
    #[must_use]
    pub fn named_device(&self) -> Option<Field<'m>> {
        self.device().or(self.participating_device)
    }

    /// Alerts of one message that are read.
    pub const MAX: usize = 64;
}

/// The place in the device to which an alert belongs: OBX-4 up to its fourth number, where it has a facet.
pub(super) fn place_of(observation: &Observation<'_>) -> Option<[u32; 4]> {
    let path = observation.path().ok()?;
    path.facet().map(|_| path.place())
}
