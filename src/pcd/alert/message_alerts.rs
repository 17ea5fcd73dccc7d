//! The alerts of a message.

use std::sync::Arc;

use super::event::{self, Certainty, certainty};
use super::facet::{Each, Facet, facet};
use super::filler::Filler;
use super::request::Request;
use super::stated::{Stated, with_flags};
use super::terms::names_nothing;
use crate::hl7::{Field, Message};
use crate::pcd::Observation;

/// One alert.
///
/// Each observation of an alert is a facet. The term in OBX-3 identifies it. Older devices use other numbers
/// or write the name first, so both number and name count, in either component. [`Stated`] decides which of
/// several statements of a facet counts: nothing else chooses one.
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
    /// What it says of the event.
    pub(super) facets: Each<Stated<'m>>,
    /// Whether its phase, state, inactivation, priority, type or measured value stands twice, with different
    /// values, or at another place with another value.
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

    /// OBR-29.2: the number of the first report of the alert, where its OBR has one.
    #[must_use]
    pub fn parent(&self) -> Option<&Filler> {
        self.request.as_ref()?.parent.as_ref()
    }

    /// The term of the measured value; `None` where the sender puts the value into the source of the alert.
    #[must_use]
    pub fn measured_term(&self) -> Option<Field<'m>> {
        let measured = self.facet(Facet::Measured).observation();
        measured.filter(|measured| facet(measured).is_none()).map(|measured| measured.identifier())
    }

    /// The event, and of each facet the observation that counts, for what holds for all of them.
    pub fn observations(&self) -> impl Iterator<Item = Observation<'m>> {
        let facets = self.facets.all().map(Stated::observation);
        self.event.into_iter().chain(facets.into_iter().flatten())
    }

    /// What it states of a facet.
    #[must_use]
    pub const fn facet(&self, facet: Facet) -> &Stated<'m> {
        self.facets.of(facet)
    }

    /// The codes of a facet, the most dangerous first: of priority and type also those in OBX-8 of the event.
    #[must_use]
    pub fn codes(&self, facet: Facet) -> Vec<&'static str> {
        let own = self.facet(facet).codes();
        match self.event.filter(|_| matches!(facet, Facet::Priority | Facet::Kind)) {
            Some(event) => with_flags(facet, own, &event),
            None => own.to_vec(),
        }
    }

    /// Whether its phase, state, inactivation, priority or type stands only at a place of the device where
    /// its event is not.
    #[must_use]
    pub fn has_facets_elsewhere(&self) -> bool {
        self.facets.all().iter().any(|stated| stated.is_elsewhere())
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
