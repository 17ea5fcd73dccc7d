//! An alert report (PCD-04) as one `Observation`, which each further report of the alert replaces.
//!
//! Element for element it has what `DeviceAlert` of R6 has. It documents an alert; it is no way to alarm a
//! person.

use super::coding::{self, Concept, MDC, term_key};
use super::context::Context;
use super::datatypes::{Annotation, CodeableConcept, Coding, Period, Reference};
use super::devices::{Devices, NewMetric, Part, Parts, Place};
use super::identity::{Equipment, id_of};
use super::observation::{subject, transaction_category};
use super::resource::{Component, Observation, Value};
use super::status;
use super::term::Term;
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

/// What the facets of an alert become.
struct Components {
    component: Vec<Component>,
    unmapped: Vec<Unmapped>,
    notes: Vec<Annotation>,
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
        let Components { component, unmapped, notes } = self.components(alert);
        let is_test = alert.observations().any(|observation| observation.is_not_clinical());
        let mut code = concept.concept.clone();
        code.text = self.text(alert, &event, term, code.text);
        let observation = Observation {
            resource_type: "Observation",
            id: self.id(alert, &concept, &place, position),
            meta: context.meta_of(is_test),
            status: status_of(&event, phase, alert.codes(Facet::State).first().copied()),
            category: transaction_category(Transaction::Pcd04).into_iter().collect(),
            code,
            subject: subject(position, None, &place, &effective, context),
            effective_date_time: at,
            effective_period: period,
            issued: context.issued(),
            value: None,
            data_absent_reason: None,
            interpretation: status::interpretation(&event, context.characters),
            note: self.notes(alert, &concept, &effective, position).into_iter().chain(notes).collect(),
            body_site: coding::several(event.site(), context.characters),
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

    /// The same for every report of an alert: its device, the number of its first report (OBR-29, else
    /// OBR-3), its event and the place of that. Some senders have several alerts under one number: the end of
    /// one of them must not replace another one.
    fn id(&self, alert: &Alert<'m>, concept: &Concept, place: &Place, position: usize) -> String {
        let Some(report) = alert.report() else {
            return self.context.id_of(position);
        };
        // Some senders name the alert in OBR-29 of its first report too.
        let parent = alert.parent().or(report.continues.as_ref());
        let Filler { number, namespace, assigner } = parent.unwrap_or(&report.key.filler);
        let [number, namespace, assigner] =
            [number, namespace, assigner].map(|part| String::from_utf8_lossy(part));
        let event = term_key(Some(concept));
        let at = alert.event.and_then(|event| event.path().ok()).map(|path| {
            let [mds, vmd, channel, metric, ..] = path.numbers();
            format!("{mds}.{vmd}.{channel}.{metric}")
        });
        id_of(&["alert", &place.system.id, &number, &namespace, &assigner, &event, &at.unwrap_or_default()])
    }

    /// The words of the device for the event: those of its term, and OBX-5 where that has no term. Else the
    /// text of the alert.
    fn text(
        &self,
        alert: &Alert<'m>,
        event: &Obx<'m>,
        term: Field<'m>,
        named: Option<String>,
    ) -> Option<String> {
        let characters = self.context.characters;
        let is_value_text = term == event.identifier() && valid(Some(*event)).is_some();
        let own = is_value_text.then(|| text::all(event.value(), characters)).flatten();
        match (named, own) {
            (Some(named), Some(own)) if named != own => Some(format!("{named}: {own}")),
            (named, own) => named
                .or(own)
                .or_else(|| text::all(valid(alert.facet(Facet::Text).observation())?.value(), characters)),
        }
    }

    fn word(&self, facet: Obx<'m>) -> Option<String> {
        let value = facet.value();
        let word = text::first(value, self.context.characters)
            .or_else(|| text::component(value.component(2), self.context.characters));
        word.map(|word| word.to_lowercase())
    }

    fn components(&self, alert: &Alert<'m>) -> Components {
        let (mut components, mut unmapped, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for known in [PHASE, STATE, INACTIVATION, PRIORITY, TYPE] {
            components.extend(self.facet(alert, &known));
        }
        let others = [Facet::Source, Facet::Measured, Facet::Text];
        for observation in others.into_iter().flat_map(|facet| alert.facet(facet).observations()) {
            let term = Term::of(observation.identifier(), self.context.characters);
            if term.concept.is_none() {
                continue;
            }
            match self.context.reader().content(&observation, &term, None) {
                Ok(content) => {
                    notes.extend(content.notes.iter().map(|note| Annotation { text: (*note).to_owned() }));
                    components.extend(content.components());
                }
                Err(reason) => unmapped.extend(self.unmapped(&observation, reason)),
            }
        }
        Components { component: components, unmapped, notes }
    }

    fn unmapped(&self, observation: &Obx<'m>, reason: Reason) -> Option<Unmapped> {
        let ordinal = self.context.ordinal(self.position_of(observation)?);
        Some(Unmapped { ordinal, reason })
    }

    /// A facet with each of its different values, the most dangerous first; priority and type also from OBX-8
    /// of the event.
    fn facet(&self, alert: &Alert<'m>, known: &WordFacet) -> Vec<Component> {
        let code: CodeableConcept = Coding::new(MDC, known.mdc.to_string(), known.name).into();
        let stated = alert.facet(known.facet);
        let flags =
            stated.observations().flat_map(|one| status::interpretation(&one, self.context.characters));
        let mut interpretation: Vec<CodeableConcept> = Vec::new();
        for flag in flags {
            interpretation.extend((!interpretation.contains(&flag)).then_some(flag));
        }
        let component = |value: Option<String>, data_absent_reason| Component {
            code: code.clone(),
            value: value.map(|value| Value::CodeableConcept(CodeableConcept::text(value))),
            data_absent_reason,
            interpretation: interpretation.clone(),
            reference_range: Vec::new(),
        };
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
            (term.is_named_otherwise, OTHER_NAME),
            (alert.contradicts_itself, CONTRADICTORY_FACET),
            (alert.has_facets_elsewhere(), FACET_ELSEWHERE),
            (alert.has_further_events, FURTHER_EVENT),
            (alert.is_reported_differently, REPORTED_TWICE),
        ];
        let own =
            found.into_iter().filter(|(is_found, _)| *is_found).map(|(_, note)| note).chain(effective.note);
        let own = own.map(|note| Annotation { text: note.to_owned() });
        own.chain(self.further_events(alert)).chain(self.context.notes(position)).collect()
    }

    /// Each further term in the field that names the event.
    fn further_events(&self, alert: &Alert<'m>) -> impl Iterator<Item = Annotation> {
        let characters = self.context.characters;
        let others = alert.event_term().filter(|term| self.names_terms(*term)).into_iter();
        others.flat_map(|term| term.repetitions().skip(1).collect::<Vec<_>>()).filter_map(move |other| {
            let parts = other.components().filter_map(|part| text::component(part, characters));
            let words = parts.collect::<Vec<_>>().join(" ");
            (!words.is_empty())
                .then(|| Annotation { text: format!("The sender names a further event: {words}") })
        })
    }

    /// Whether a field with the event has terms; that of a sender without terms is a text.
    fn names_terms(&self, term: Field<'m>) -> bool {
        coding::concept(term, self.context.characters)
            .is_some_and(|concept| !concept.concept.coding.is_empty())
    }

    /// The metric that the alert is about, else the device.
    fn device(&self, alert: &Alert<'m>, place: &Place, devices: &mut Devices) -> Reference {
        let measured = alert.measured_term().and_then(|term| coding::concept(term, self.context.characters));
        let Some(kind) = measured else { return Reference::to("Device", &place.parent.id) };
        let (category, is_numeric) = ("unspecified", true);
        let metric = NewMetric { kind, unit: None, category, limits: None, equipment: None, is_numeric };
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
const OTHER_NAME: &str = "The event has the number of one term and a text that is not its name.";
const CONTRADICTORY_FACET: &str = "A facet is stated twice, with different values.";
const FURTHER_EVENT: &str = "The message has a further event or phase that belongs to no alert.";
const REPORTED_TWICE: &str = "The message has this report twice, with different contents.";
