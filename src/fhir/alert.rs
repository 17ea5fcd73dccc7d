//! An alert report (PCD-04) as one `Observation`, which each further report of the alert replaces.
//!
//! Element for element it has what `DeviceAlert` of R6 has. It documents an alert; it is no way to alarm a
//! person.

use super::coding::{self, Concept, MDC};
use super::context::Context;
use super::datatypes::{Annotation, CodeableConcept, Coding, Period, Reference};
use super::devices::{Devices, NewMetric, Part, Parts, Place};
use super::identity::{Equipment, id_of};
use super::observation::{subject, transaction_category};
use super::resource::{Component, Observation, Value};
use super::status;
use super::text;
use super::time::Effective;
use super::unmapped::{Reason, Unmapped};
use crate::hl7::{Field, Segment};
use crate::pcd::{Alert, Containment, Facet, Filler, Observation as Obx, Standing, Transaction, find_word};

/// An alert, and what of its OBX is not in it.
pub(super) struct MappedAlert {
    pub(super) observation: Observation,
    /// Facets that have no counterpart.
    pub(super) unmapped: Vec<Unmapped>,
}

/// A facet whose value is a word: number, reference id, and other words for its codes.
struct WordFacet {
    facet: Facet,
    mdc: u32,
    name: &'static str,
    words: &'static [(&'static str, &'static str)],
}

/// Maps the alerts of one OBR.
pub(super) struct AlertMapper<'a, 'm> {
    pub(super) context: &'a Context<'m>,
    pub(super) tree: &'a Containment<'m>,
    pub(super) parts: &'a Parts,
    pub(super) request: Option<Segment<'m>>,
}

impl<'m> AlertMapper<'_, 'm> {
    /// The observation of an alert; `None` for one without an event.
    pub(super) fn map(&self, alert: &Alert<'m>, devices: &mut Devices) -> Option<MappedAlert> {
        let context = self.context;
        let (event, term) = (alert.event?, alert.event_term()?);
        let position = self.position_of(&event)?;
        let place = self.place(alert, &event, devices);
        let concept = coding::concept(term, context.characters)?;
        let effective = context.effective(&event, self.request);
        let phase = alert.codes(Facet::Phase).first().copied();
        let (at, period) = period(&effective, phase);
        let (component, unmapped) = self.components(alert);
        let is_test = alert.observations().any(|observation| observation.is_not_clinical());
        let mut code = concept.concept.clone();
        code.text = code.text.or_else(|| self.words(alert, &event, term));
        let observation = Observation {
            resource_type: "Observation",
            id: self.id(alert, &place, position),
            meta: context.meta_of(is_test),
            status: status_of(&event, phase, alert.codes(Facet::State).first().copied()),
            category: transaction_category(Transaction::Pcd04).into_iter().collect(),
            code,
            subject: subject(position, &event, None, &place, &effective, context),
            effective_date_time: at,
            effective_period: period,
            issued: context.issued(),
            value: None,
            data_absent_reason: None,
            interpretation: status::interpretation(&event, context.characters),
            note: self.notes(alert, &concept, &effective, position),
            body_site: coding::concept(event.site(), context.characters).map(|site| site.concept),
            method: None,
            device: self.device(alert, &place, devices),
            reference_range: Vec::new(),
            component,
        };
        Some(MappedAlert { observation, unmapped })
    }

    /// The OBX that the alert consists of, by their positions.
    pub(super) fn positions(&self, alert: &Alert<'m>) -> Vec<usize> {
        let facets = FACETS.into_iter().flat_map(|facet| alert.facet(facet).observations());
        let own = alert.event.into_iter().chain(facets);
        own.filter_map(|facet| self.position_of(&facet)).collect()
    }

    fn position_of(&self, observation: &Obx<'m>) -> Option<usize> {
        let placed = self.tree.nodes().iter().map(|node| (node.position, node.observation));
        let mut all = placed.chain(self.tree.unplaced().iter().copied());
        all.find(|(_, known)| known == observation).map(|(position, _)| position)
    }

    /// The device that the alert is of: the one that it names, else the one that the message describes.
    fn place(&self, alert: &Alert<'m>, event: &Obx<'m>, devices: &mut Devices) -> Place {
        let context = self.context;
        let node = self.tree.nodes().iter().find(|node| node.observation == *event);
        let described = node.map(|node| self.parts.place(node, self.tree, context));
        let named =
            alert.device().and_then(|field| Equipment::of(field, context.source.sender, context.characters));
        match (named, described) {
            (Some(equipment), described) => {
                let part: Part = devices.add_equipment(&equipment, context);
                match described {
                    Some(described) if described.system.id == part.id => described,
                    _ => Place::of_part(&part, ""),
                }
            }
            (None, Some(described)) => described,
            (None, None) => self.parts.default_place(),
        }
    }

    /// The same for every report of an alert: its device and the number of its first report (OBR-29, else
    /// OBR-3).
    fn id(&self, alert: &Alert<'m>, place: &Place, position: usize) -> String {
        let Some(report) = alert.report() else {
            return format!("{}.{}", self.context.source.message, self.context.ordinal(position));
        };
        let Filler { number, namespace, assigner } = report.continues.as_ref().unwrap_or(&report.key.filler);
        let [number, namespace, assigner] =
            [number, namespace, assigner].map(|part| String::from_utf8_lossy(part));
        id_of(&["alert", &place.system.id, &number, &namespace, &assigner])
    }

    /// The words of the device for the event.
    fn words(&self, alert: &Alert<'m>, event: &Obx<'m>, term: Field<'m>) -> Option<String> {
        let characters = self.context.characters;
        let own = (term == event.identifier()).then(|| text::joined(event.value(), characters)).flatten();
        own.or_else(|| text::joined(valid(alert.facet(Facet::Text).observation())?.value(), characters))
    }

    fn word(&self, facet: Obx<'m>) -> Option<String> {
        let value = facet.value();
        let word = text::first(value, self.context.characters)
            .or_else(|| text::component(value.component(2), self.context.characters));
        word.map(|word| word.to_lowercase())
    }

    fn components(&self, alert: &Alert<'m>) -> (Vec<Component>, Vec<Unmapped>) {
        let (mut components, mut unmapped) = (Vec::new(), Vec::new());
        for known in [PHASE, STATE, INACTIVATION, PRIORITY, TYPE] {
            components.extend(self.facet(alert, &known));
        }
        let others = [Facet::Source, Facet::Measured, Facet::Text];
        for observation in others.into_iter().flat_map(|facet| alert.facet(facet).observations()) {
            let Some(term) = self.context.term(&observation) else { continue };
            match self.context.reader().content(&observation, term, None) {
                Ok(content) => components.extend(content.components()),
                Err(reason) => unmapped.extend(self.unmapped(&observation, reason)),
            }
        }
        (components, unmapped)
    }

    fn unmapped(&self, observation: &Obx<'m>, reason: Reason) -> Option<Unmapped> {
        let ordinal = self.context.ordinal(self.position_of(observation)?);
        Some(Unmapped { ordinal, reason })
    }

    /// A facet with each of its different values, the most dangerous first; priority and type also from OBX-8
    /// of the event.
    fn facet(&self, alert: &Alert<'m>, known: &WordFacet) -> Vec<Component> {
        let code: CodeableConcept = Coding::new(MDC, known.mdc.to_string(), known.name).into();
        let component = |value: Option<String>, data_absent_reason| Component {
            code: code.clone(),
            value: value.map(|value| Value::CodeableConcept(CodeableConcept::text(value))),
            data_absent_reason,
            interpretation: Vec::new(),
            reference_range: Vec::new(),
        };
        let stated = alert.facet(known.facet);
        let word = |code: &'static str| find_word(code.as_bytes(), known.words).unwrap_or(code).to_owned();
        let mut words: Vec<String> = alert.codes(known.facet).into_iter().map(word).collect();
        if words.is_empty() {
            // Not in the table: as it was sent.
            let valid = stated.observations().filter_map(|one| valid(Some(one)));
            words.extend(valid.filter_map(|one| self.word(one)));
        }
        if words.is_empty() {
            let absent = |facet: Obx<'m>| {
                status::absent_reason(&facet).unwrap_or_else(|| status::missing_reason(&facet))
            };
            let missing = stated.observation().map(|facet| component(None, Some(absent(facet))));
            return missing.into_iter().collect();
        }
        words.into_iter().map(|word| component(Some(word), None)).collect()
    }

    fn notes(
        &self,
        alert: &Alert<'m>,
        term: &Concept,
        effective: &Effective,
        position: usize,
    ) -> Vec<Annotation> {
        let found = [
            (term.is_contradictory, CONTRADICTORY_EVENT),
            (alert.contradicts_itself, CONTRADICTORY_FACET),
            (alert.has_facets_elsewhere(), FACET_ELSEWHERE),
            (alert.has_further_events, FURTHER_EVENT),
            (alert.is_reported_differently, REPORTED_TWICE),
        ];
        let own =
            found.into_iter().filter(|(is_found, _)| *is_found).map(|(_, note)| note).chain(effective.note);
        own.map(|note| Annotation { text: note.to_owned() }).chain(self.context.notes(position)).collect()
    }

    /// The metric that the alert is about, else the device.
    fn device(&self, alert: &Alert<'m>, place: &Place, devices: &mut Devices) -> Reference {
        let measured = alert.measured_term().and_then(|term| coding::concept(term, self.context.characters));
        let Some(kind) = measured else { return Reference::to("Device", &place.parent.id) };
        let metric = NewMetric { kind, unit: None, category: "unspecified", limits: None, is_numeric: true };
        devices.add_metric(metric, place, self.context).reference
    }
}

/// An alert is preliminary until its last report.
fn status_of(event: &Obx<'_>, phase: Option<&str>, state: Option<&str>) -> &'static str {
    if Standing::of(event).is_void() {
        return status::status(event);
    }
    match phase {
        Some(phase) if LAST_PHASES.contains(&phase) => "final",
        Some(_) => "preliminary",
        None if state == Some("inactive") => "final",
        None => "preliminary",
    }
}

/// When the alert began or ended, as far as this report knows it; the time of the report otherwise.
fn period(effective: &Effective, phase: Option<&str>) -> (Option<String>, Option<Period>) {
    let at = effective.at.clone().or_else(|| effective.period.as_ref()?.start.clone());
    match phase {
        Some("start" | "start_only" | "present") if at.is_some() => {
            (None, Some(Period { start: at, end: None }))
        }
        Some("end") if at.is_some() => (None, Some(Period { start: None, end: at })),
        _ => (at, None),
    }
}

fn valid(facet: Option<Obx<'_>>) -> Option<Obx<'_>> {
    facet.filter(|facet| !Standing::of(facet).is_void())
}

/// After these no report of the alert follows (IHE PCD TF vol. 2, table B.8.5-4).
const LAST_PHASES: [&str; 3] = ["end", "tpoint", "start_only"];

/// The facets whose observations belong to the alert.
const FACETS: [Facet; 8] = [
    Facet::Measured,
    Facet::Source,
    Facet::Phase,
    Facet::State,
    Facet::Inactivation,
    Facet::Priority,
    Facet::Kind,
    Facet::Text,
];

const PHASE: WordFacet =
    WordFacet { facet: Facet::Phase, mdc: 68_481, name: "MDC_ATTR_EVENT_PHASE", words: &[] };
const STATE: WordFacet =
    WordFacet { facet: Facet::State, mdc: 68_482, name: "MDC_ATTR_ALARM_STATE", words: &[] };
const INACTIVATION: WordFacet = WordFacet {
    facet: Facet::Inactivation,
    mdc: 68_483,
    name: "MDC_ATTR_ALARM_INACTIVATION_STATE",
    words: &[],
};
const PRIORITY: WordFacet = WordFacet {
    facet: Facet::Priority,
    mdc: 68_484,
    name: "MDC_ATTR_ALARM_PRIORITY",
    words: &[
        ("PH", "high"),
        ("PM", "medium"),
        ("PL", "low"),
        ("PU", "unknown"),
        ("PI", "information"),
        ("PN", "no"),
    ],
};
const TYPE: WordFacet = WordFacet {
    facet: Facet::Kind,
    mdc: 68_485,
    name: "MDC_ATTR_ALERT_TYPE",
    words: &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")],
};

const FACET_ELSEWHERE: &str = "A facet is stated only at a place of the device where the event is not.";
const CONTRADICTORY_EVENT: &str = "The event has the number of one term and the name of another one.";
const CONTRADICTORY_FACET: &str = "A facet is stated twice, with different values.";
const FURTHER_EVENT: &str = "The message has a further event or phase that belongs to no alert.";
const REPORTED_TWICE: &str = "The message has this report twice, with different contents.";
