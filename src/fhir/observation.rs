//! One `Observation`.

use std::rc::Rc;

use super::compound::Moment;
use super::content::Content;
use super::context::Context;
use super::datatypes::{Annotation, CodeableConcept, Coding, Quantity, Reference};
use super::devices::{Devices, NewMetric, Place};
use super::profile;
use super::resource::{Component, Observation, Value};
use super::status;
use super::subject::Association;
use super::time::Effective;
use super::vital_signs::{self, VitalSign};
use super::{coding, coding::Concept, coding::UCUM};
use crate::hl7::Segment;
use crate::pcd::{Observation as Obx, Transaction};

/// One observation while its parts are added.
pub(super) struct Draft {
    pub(super) observation: Observation,
    pub(super) moment: Moment,
    /// Whether `device` satisfies the profile that the values need.
    is_metric_profiled: bool,
    /// Whether its values are numbers.
    is_numeric: bool,
    vital_sign: Option<&'static VitalSign>,
}

/// What a draft is made of.
pub(super) struct Origin<'m> {
    /// The position of the OBX that gives the observation its id.
    pub(super) position: usize,
    pub(super) obx: Obx<'m>,
    pub(super) effective: Rc<Effective>,
    pub(super) place: Place,
    /// Whether OBX-4 describes a device: then a metric is part of it.
    pub(super) has_metric: bool,
}

/// An observation of one OBX.
pub(super) fn single(
    origin: Origin<'_>,
    content: Content,
    devices: &mut Devices,
    context: &Context<'_>,
) -> Draft {
    let kind = concept_of(&content);
    let is_numeric = is_numeric(&origin.obx, &content.values);
    let mut draft = draft(&origin, kind, is_numeric, Some(&content), devices, context);
    draft.vital_sign = content.vital_sign;
    let observation = &mut draft.observation;
    observation.note.extend(content.notes.iter().map(|note| Annotation { text: (*note).to_owned() }));
    let limits = content
        .limits
        .as_ref()
        .filter(|limits| !origin.has_metric || limits.extension(&content.units).is_none());
    observation.reference_range.extend(limits.map(|limits| limits.reference_range(&content.units)));
    if content.values.len() > 1 {
        observation.code = content.code.clone();
        observation.component = content.components();
    } else {
        let Content { code, values, absent, interpretation, .. } = content;
        observation.code = code;
        observation.value = values.into_iter().next();
        observation.data_absent_reason = absent;
        observation.interpretation = interpretation;
    }
    draft
}

/// An observation whose parts are other OBX.
pub(super) fn compound(
    origin: Origin<'_>,
    term: Concept,
    members: Vec<(usize, Content)>,
    devices: &mut Devices,
    context: &Context<'_>,
) -> Draft {
    let vital_sign = term.mdc.and_then(vital_signs::find);
    let mut draft = draft(&origin, term.clone(), true, None, devices, context);
    draft.vital_sign = vital_sign.filter(|_| members.iter().all(|(_, content)| content.vital_sign.is_some()));
    let observation = &mut draft.observation;
    observation.code = term.concept;
    observation.code.coding.splice(..0, vital_sign.into_iter().flat_map(VitalSign::codings));
    for (position, content) in members {
        observation.note.extend(content.notes.iter().map(|note| Annotation { text: (*note).to_owned() }));
        if position != origin.position {
            observation.note.extend(context.notes(position));
        }
        observation.component.extend(content.components());
    }
    draft
}

impl Draft {
    /// Adds a facet, unless it would be a second value of the same term.
    pub(super) fn add_facet(
        &mut self,
        position: usize,
        content: Content,
        context: &Context<'_>,
    ) -> Result<(), Box<Content>> {
        let is_of_same_term = content.code == self.observation.code;
        if is_of_same_term && self.observation.value.is_some() {
            return Err(Box::new(content));
        }
        let notes = content.notes.iter().map(|note| Annotation { text: (*note).to_owned() });
        self.observation.note.extend(notes.chain(context.notes(position)));
        self.observation.component.extend(content.components());
        Ok(())
    }

    /// The observation, with the profiles that it satisfies.
    pub(super) fn finish(mut self, is_subject_profiled: bool) -> Observation {
        let is_timed =
            self.observation.effective_date_time.is_some() || self.observation.effective_period.is_some();
        let is_coded = self.observation.code.code_of(coding::MDC).is_some();
        let own = self
            .own_profile()
            .filter(|_| is_timed && is_coded && is_subject_profiled && self.is_metric_profiled);
        let of_vital_sign = self.vital_sign.and_then(|vital| self.vital_sign_profile(vital));
        self.observation.meta.profile.extend(own.into_iter().chain(of_vital_sign));
        self.observation
    }

    /// The profile of the guide for this kind of value.
    fn own_profile(&self) -> Option<&'static str> {
        let Observation { value, data_absent_reason, component, .. } = &self.observation;
        if !self.is_numeric {
            let fits = match value {
                Some(Value::CodeableConcept(_) | Value::String(_)) => true,
                Some(_) => false,
                None => data_absent_reason.is_some(),
            };
            return fits.then_some(profile::ENUMERATION);
        }
        if value.is_none() && data_absent_reason.is_none() {
            let fits = component.iter().all(|part| is_ucum(part, None));
            return (fits && !component.is_empty()).then_some(profile::COMPOUND);
        }
        let fits = match value {
            Some(Value::Quantity(quantity)) => quantity.system == Some(UCUM),
            Some(_) => false,
            None => true,
        };
        fits.then_some(profile::NUMERIC)
    }

    /// The profile of R4 for the vital sign.
    fn vital_sign_profile(&self, vital: &VitalSign) -> Option<&'static str> {
        let Observation { value, data_absent_reason, component, subject, effective_date_time, .. } =
            &self.observation;
        let is_of_patient = subject.reference.as_ref().is_some_and(|it| it.starts_with("Patient/"));
        // To the day at least (invariant vs-1).
        let is_timed = effective_date_time.as_ref().is_some_and(|at| at.len() >= "2026-01-01".len());
        let is_in_unit = |quantity: &Quantity| quantity.code.is_some_and(|code| vital.units.contains(&code));
        let fits = match value {
            Some(Value::Quantity(quantity)) => is_in_unit(quantity),
            Some(_) => false,
            None if vital.units.is_empty() => is_blood_pressure(component),
            None => data_absent_reason.is_some(),
        };
        vital.profile.filter(|_| is_of_patient && is_timed && fits)
    }
}

/// Whether systolic and diastolic pressure are there, all in mmHg.
fn is_blood_pressure(component: &[Component]) -> bool {
    let has = |code| component.iter().filter(|part| has_loinc(&part.code, code)).count() == 1;
    has(SYSTOLIC) && has(DIASTOLIC) && component.iter().all(|part| is_ucum(part, Some("mm[Hg]")))
}

fn has_loinc(code: &CodeableConcept, loinc: &str) -> bool {
    code.code_of(vital_signs::LOINC) == Some(loinc)
}

/// Whether the value of a part is a number in UCUM, in this unit, or missing with a reason.
fn is_ucum(part: &Component, unit: Option<&str>) -> bool {
    match &part.value {
        Some(Value::Quantity(quantity)) => {
            quantity.system == Some(UCUM) && (unit.is_none() || quantity.code == unit)
        }
        Some(_) => false,
        None => part.data_absent_reason.is_some(),
    }
}

fn draft(
    origin: &Origin<'_>,
    kind: Concept,
    is_numeric: bool,
    content: Option<&Content>,
    devices: &mut Devices,
    context: &Context<'_>,
) -> Draft {
    let Origin { position, obx, effective, place, has_metric } = origin;
    let mut category = Vec::new();
    let vital_sign = kind.mdc.and_then(vital_signs::find);
    if content.map_or(vital_sign, |content| content.vital_sign).is_some() {
        category.push(Coding::new(CATEGORY, "vital-signs", "Vital Signs").into());
    }
    category.extend(transaction_category(context.transaction));
    let (device, is_metric_profiled) = if *has_metric {
        let limits = content.and_then(|content| content.limits.as_ref()?.extension(&content.units));
        let unit = content.and_then(|content| content.units.concept.clone());
        let equipment = context.equipment(*position, obx);
        let (kind, category) = (kind.clone(), metric_category(obx));
        let metric = NewMetric { kind, unit, category, limits, equipment, is_numeric };
        let metric = devices.add_metric(metric, place, context);
        (metric.reference, metric.is_profiled)
    } else {
        (Reference::to("Device", &place.parent.id), false)
    };
    let is_test = obx.is_not_clinical();
    let note = effective.note.map(|note| Annotation { text: note.to_owned() });
    let observation = Observation {
        resource_type: "Observation",
        id: context.id_of(*position),
        meta: context.meta_of(is_test),
        status: status::status(obx),
        category,
        code: kind.concept.clone(),
        subject: subject(*position, kind.mdc, place, effective, context),
        effective_date_time: effective.at.clone(),
        effective_period: effective.period.clone(),
        issued: context.issued(),
        value: None,
        data_absent_reason: None,
        interpretation: Vec::new(),
        note: note.into_iter().chain(context.notes(*position)).collect(),
        body_site: coding::several(obx.site(), context.characters),
        method: coding::several(obx.method(), context.characters),
        device,
        reference_range: Vec::new(),
        component: Vec::new(),
    };
    let moment = Moment::of(obx, effective);
    Draft { observation, moment, is_metric_profiled, is_numeric, vital_sign: None }
}

/// Whose an observation is.
pub(super) fn subject(
    position: usize,
    mdc: Option<u32>,
    place: &Place,
    effective: &Effective,
    context: &Context<'_>,
) -> Reference {
    // Attributes of the device, such as the time of its clock. An event of an infusion is the patient's.
    let is_attribute = mdc.is_some_and(|mdc| ATTRIBUTES.contains(&mdc));
    let names_patient = context.known(position).is_some_and(|term| term.patient.is_some());
    let is_of_patient = names_patient || context.transaction == Transaction::Pcd10;
    let association = Association {
        patient: context.patients.at(position).map(|patient| patient.id.as_str()),
        device: &place.system.id,
        place: context.place.as_deref(),
        at: effective.at.as_deref(),
        is_of_device: is_attribute && !is_of_patient,
    };
    association.subject()
}

/// The transaction of what is no PCD-01, as its OID.
pub(super) fn transaction_category(transaction: Transaction) -> Option<CodeableConcept> {
    let (oid, name) = match transaction {
        Transaction::Pcd04 => ("1.3.6.1.4.1.19376.1.6.1.4.1", "PCD-04"),
        Transaction::Pcd10 => ("1.3.6.1.4.1.19376.1.6.1.10.1", "PCD-10"),
        Transaction::Pcd15 => ("1.3.6.1.4.1.19376.1.6.1.15.1", "PCD-15"),
        Transaction::Pcd16 => ("1.3.6.1.4.1.19376.1.6.1.16.1", "PCD-16"),
        _ => return None,
    };
    Some(Coding::new("urn:ietf:rfc:3986", format!("urn:oid:{oid}"), name).into())
}

fn concept_of(content: &Content) -> Concept {
    let mut concept = content.code.clone();
    concept.coding.retain(|coding| coding.system != Some(vital_signs::LOINC));
    if concept == CodeableConcept::default() {
        concept = content.code.clone();
    }
    Concept { concept, mdc: content.mdc, is_contradictory: false, is_named_otherwise: false }
}

fn is_numeric(obx: &Obx<'_>, values: &[Value]) -> bool {
    match values.first() {
        Some(value) => matches!(value, Value::Quantity(_) | Value::Range(_) | Value::Ratio(_)),
        None => matches!(obx.value_type().trimmed(), b"NM" | b"SN"),
    }
}

/// `DeviceMetric.category` by OBX-17 (MDC: AMEAS, MMEAS, ASET, MSET, ACALC, MCALC).
fn metric_category(obx: &Obx<'_>) -> &'static str {
    if obx.method().trimmed().is_empty() {
        return "unspecified";
    }
    let methods: Vec<_> = obx.method().repetitions().map(|method| method.component(1).shown_text()).collect();
    let ends_with = |end: &[u8]| methods.iter().any(|method| method.to_ascii_uppercase().ends_with(end));
    match () {
        () if ends_with(b"SET") => "setting",
        () if ends_with(b"CALC") => "calculation",
        () if ends_with(b"MEAS") => "measurement",
        () => "unspecified",
    }
}

/// The request of a tree: its OBR.
pub(super) fn request<'m>(begin: Option<usize>, context: &Context<'m>) -> Option<Segment<'m>> {
    context.message.segments().nth(begin?).filter(|segment| segment.is(b"OBR"))
}

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const SYSTOLIC: &str = "8480-6";
const DIASTOLIC: &str = "8462-4";
/// Partition 1 of ISO/IEEE 11073-10101.
const ATTRIBUTES: std::ops::Range<u32> = 1 << 16..2 << 16;
