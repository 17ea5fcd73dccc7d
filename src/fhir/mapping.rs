//! A message, from its segments to its resources.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::alert::AlertMapper;
use super::compound;
use super::content::Content;
use super::context::Context;
use super::decimal::Decimal;
use super::devices::{Devices, Parts, is_part};
use super::observation::{Draft, Origin, compound, request, single};
use super::patient::demographics;
use super::resource::{Observation, Resource};
use super::source::{Options, Source};
use super::time::Effective;
use super::unmapped::{Reason, Unmapped};
use super::value::number;
use super::wanted::{Chosen, Wanted};
use crate::hl7::{Message, Segment};
use crate::pcd::nomenclature::{Coded, Unit, find_unit};
use crate::pcd::{
    Alert, Containment, Facet, Level, Node, Observation as Obx, Standing, Transaction, is_heartbeat,
};

/// What one message becomes.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    /// The resources; a reference to one of them comes after it.
    pub resources: Vec<Resource>,
    /// The OBX that became none, or that have a part which became none.
    pub unmapped: Vec<Unmapped>,
}

/// The resources of a message, and what of it became none.
#[must_use]
pub fn map(message: &Message<'_>, source: &Source<'_>, options: &Options) -> Mapped {
    map_wanted(message, source, options, &Wanted::All)
}

/// The observations of a message that are wanted, as [`map`] has them, and the devices, metrics and patients
/// that these refer to. What else is in the result is not complete.
#[must_use]
pub fn map_wanted(message: &Message<'_>, source: &Source<'_>, options: &Options, wanted: &Wanted) -> Mapped {
    let observations = message.segments().filter(|segment| segment.is(b"OBX")).count();
    let nothing = |reason| {
        let unmapped = (1..=observations).map(|ordinal| Unmapped { ordinal, reason });
        Mapped { resources: Vec::new(), unmapped: unmapped.collect() }
    };
    match Transaction::of(message).filter(|transaction| MAPPED.contains(transaction)) {
        None => nothing(Reason::Transaction),
        Some(_) if observations > MAX_OBSERVATIONS => nothing(Reason::TooManyObservations),
        Some(transaction) => Mapping::new(&Context::new(message, transaction, source, options)).run(wanted),
    }
}

/// One message while it is mapped.
struct Mapping<'a, 'm> {
    context: &'a Context<'m>,
    devices: Devices,
    observations: Vec<Observation>,
    unmapped: Vec<Unmapped>,
    /// The OBX of alerts: a message may repeat them under a further OBR.
    reported: HashSet<&'m [u8]>,
    /// Positions of OBX that no one wants.
    left_out: HashSet<usize>,
}

/// An OBX with its position and its node.
type Placed<'m> = (usize, Obx<'m>, Option<Node<'m>>);

/// The observations of one OBR while they are mapped.
struct Tree<'t, 'm> {
    tree: &'t Containment<'m>,
    parts: Parts,
    request: Option<Segment<'m>>,
    is_device: bool,
    /// Every OBX with its node, in the order of the message.
    all: Rc<[Placed<'m>]>,
    /// Positions of OBX that are mapped, or counted.
    done: HashSet<usize>,
    contents: HashMap<usize, Content>,
    drafts: Vec<Draft>,
    /// The draft that has the OBX at each position.
    draft_of: HashMap<usize, usize>,
}

impl<'a, 'm> Mapping<'a, 'm> {
    fn new(context: &'a Context<'m>) -> Self {
        Self {
            context,
            devices: Devices::default(),
            observations: Vec::new(),
            unmapped: Vec::new(),
            reported: HashSet::new(),
            left_out: HashSet::new(),
        }
    }

    fn run(mut self, wanted: &Wanted) -> Mapped {
        let context = self.context;
        let trees = Containment::all_of(context.message);
        match wanted.choose(&trees, context) {
            Chosen::Nothing => return Mapped::default(),
            Chosen::AllBut(left_out) => self.left_out = left_out,
        }
        let is_alert = context.transaction == Transaction::Pcd04;
        let alerts = if is_alert { Alert::all_of(context.message) } else { Vec::new() };
        // An alert counts the OBRs, and observations before the first one as one.
        let mut number = 0;
        for tree in &trees {
            let request = request(tree.begin(), context);
            let may_have_alert = request.is_some() || tree.begin().is_none();
            let own = alerts.iter().filter(|alert| may_have_alert && alert.position == number);
            self.tree(tree, own.collect(), request);
            number += usize::from(may_have_alert);
        }
        self.finish()
    }

    fn tree(&mut self, tree: &Containment<'m>, alerts: Vec<&Alert<'m>>, request: Option<Segment<'m>>) {
        let is_device = tree.describes_device(Some(self.context.transaction));
        let parts = self.devices.add_tree(tree, is_device, self.context);
        let mut tree = Tree {
            tree,
            parts,
            request,
            is_device,
            all: all(tree, is_device),
            done: HashSet::new(),
            contents: HashMap::new(),
            drafts: Vec::new(),
            draft_of: HashMap::new(),
        };
        for alert in alerts {
            self.alert(alert, &mut tree);
        }
        self.structure(&mut tree);
        self.read_contents(&mut tree);
        self.compounds(&mut tree);
        self.singles(&mut tree);
        self.facets(&mut tree);
        for (position, ..) in tree.all().iter().copied() {
            if !tree.done.contains(&position) && !tree.draft_of.contains_key(&position) {
                self.unmapped
                    .push(Unmapped { ordinal: self.context.ordinal(position), reason: Reason::Unknown });
            }
        }
        let drafts = std::mem::take(&mut tree.drafts);
        self.observations.extend(drafts.into_iter().map(|draft| {
            let is_profiled = is_subject_profiled(&draft.observation, &self.devices);
            draft.finish(is_profiled)
        }));
    }

    fn alert(&mut self, alert: &Alert<'m>, tree: &mut Tree<'_, 'm>) {
        let mapper =
            AlertMapper { context: self.context, tree: tree.tree, parts: &tree.parts, request: tree.request };
        let positions = mapper.positions(alert);
        let Some(mapped) = mapper.map(alert, &mut self.devices) else { return };
        let own = tree.all.iter().filter(|(position, ..)| positions.contains(position));
        self.reported.extend(own.map(|(_, obx, _)| obx.segment().raw()));
        tree.done.extend(positions);
        self.unmapped.extend(mapped.unmapped);
        let mut observation = mapped.observation;
        if let Some(known) = self.observations.iter().find(|known| known.id == observation.id) {
            if is_same(known, &observation) {
                return;
            }
            // Two reports of one alert in one message: none of them is the later one.
            let position = alert.event.and_then(|event| tree.position_of(&event));
            observation.id = self.context.id_of(position.unwrap_or_default());
        }
        self.observations.push(observation);
    }

    /// What describes the device, what is left out, and attributes.
    fn structure(&mut self, tree: &mut Tree<'_, 'm>) {
        for (position, obx, node) in tree.all().iter().copied() {
            if tree.done.contains(&position) {
                continue;
            }
            if self.reported.contains(obx.segment().raw()) {
                tree.done.insert(position);
                continue;
            }
            let reason = if is_heartbeat(&obx) {
                Some(Reason::Heartbeat)
            } else if node.is_some_and(|node| tree.is_device && is_part(&node)) {
                tree.done.insert(position);
                let has_value = !matches!(obx.value().trimmed(), b"" | b"\"\"");
                has_value.then_some(Reason::ContainerValue)
            } else if self.context.term(position).is_none() {
                Some(Reason::NoTerm)
            } else if self.context.known(position).is_some_and(|term| demographics(term)) {
                Some(Reason::Demographics)
            } else if self.context.transaction == Transaction::Pcd04 && Facet::of(&obx).is_some() {
                // What an alert has is done. The phase or the state of no alert says nothing by itself.
                Some(Reason::AlertFacet)
            } else {
                if self.attribute(position, &obx, node, tree) || self.left_out.contains(&position) {
                    tree.done.insert(position);
                }
                None
            };
            if let Some(reason) = reason {
                tree.done.insert(position);
                self.unmapped.push(Unmapped { ordinal: self.context.ordinal(position), reason });
            }
        }
    }

    /// Whether an OBX is an attribute of the device, and set.
    fn attribute(
        &mut self,
        position: usize,
        obx: &Obx<'m>,
        node: Option<Node<'m>>,
        tree: &Tree<'_, 'm>,
    ) -> bool {
        let term = self.context.term(position).filter(|_| tree.is_device);
        let mdc = term.and_then(|term| term.mdc).filter(|mdc| Devices::is_attribute(*mdc));
        let Some(mdc) = mdc else { return false };
        let place = tree.place(node, self.context);
        let is_valid = super::status::absent_reason(obx).is_none() && self.context.ordinal(position) > 0;
        is_valid && self.devices.set_attribute(&place.parent.id, mdc, obx, self.context)
    }

    fn read_contents(&mut self, tree: &mut Tree<'_, 'm>) {
        let periods = tree.sample_periods();
        for (position, obx, _) in tree.all().iter().copied() {
            let Some(term) = self.context.known(position).filter(|_| !tree.done.contains(&position)) else {
                continue;
            };
            match self.context.reader().content(&obx, term, periods.get(&position)) {
                Ok(content) => {
                    tree.contents.insert(position, content);
                }
                Err(reason) => {
                    tree.done.insert(position);
                    self.unmapped.push(Unmapped { ordinal: self.context.ordinal(position), reason });
                }
            }
        }
    }

    fn compounds(&mut self, tree: &mut Tree<'_, 'm>) {
        if !tree.is_device {
            return;
        }
        for group in compound::groups(tree.tree, &tree.contents, tree.request, self.context) {
            let Some(first) = group.members.first().and_then(|first| tree.node(*first)) else { continue };
            let head = group.head.and_then(|head| tree.node(head));
            let effective = compound::effective(&first, head.as_ref(), tree.request, self.context);
            let place = tree.place(head.or(Some(first)), self.context);
            let position = group.head.or_else(|| group.members.iter().min().copied());
            let (Some(position), obx) = (position, first.observation) else { continue };
            let members: Vec<_> = group
                .members
                .iter()
                .filter_map(|member| Some((*member, tree.contents.remove(member)?)))
                .collect();
            if let Some(head) = group.head {
                tree.contents.remove(&head);
            }
            let origin = Origin { position, obx, effective, place, has_metric: true };
            let draft = compound(origin, group.term, members, &mut self.devices, self.context);
            tree.add(draft, group.members.iter().copied().chain(group.head));
        }
    }

    fn singles(&mut self, tree: &mut Tree<'_, 'm>) {
        for (position, obx, node) in tree.all().iter().copied() {
            let has_metric = node.is_some_and(|node| node.path.level() >= Level::Facet)
                && node.is_some_and(|node| tree.metric_of(&node).is_some());
            if has_metric {
                continue;
            }
            if let Some(content) = tree.contents.remove(&position) {
                self.single(position, obx, node, content, tree);
            }
        }
    }

    fn facets(&mut self, tree: &mut Tree<'_, 'm>) {
        for (position, obx, node) in tree.all().iter().copied() {
            let Some(content) = tree.contents.remove(&position) else { continue };
            let effective = tree.effective(&obx, node, self.context);
            let moment = compound::Moment::of(&obx, &effective);
            let metric = node.and_then(|node| tree.metric_of(&node));
            let draft = metric.and_then(|metric| tree.drafts.get_mut(*tree.draft_of.get(&metric)?));
            tree.done.insert(position);
            let refused = match draft.filter(|draft| draft.moment == moment) {
                Some(draft) => draft.add_facet(position, content, self.context).err(),
                None => Some(Box::new(content)),
            };
            if let Some(content) = refused {
                self.single(position, obx, node, *content, tree);
            }
        }
    }

    fn single(
        &mut self,
        position: usize,
        obx: Obx<'m>,
        node: Option<Node<'m>>,
        content: Content,
        tree: &mut Tree<'_, 'm>,
    ) {
        let effective = tree.effective(&obx, node, self.context);
        let place = tree.place(node, self.context);
        let origin = Origin { position, obx, effective, place, has_metric: tree.is_device };
        let draft = single(origin, content, &mut self.devices, self.context);
        tree.add(draft, std::iter::once(position));
    }

    fn finish(self) -> Mapped {
        let Self { context, devices, observations, mut unmapped, .. } = self;
        let mut patients = BTreeMap::new();
        for (position, _) in context.message.segments().enumerate() {
            if let Some(patient) = context.patients.at(position) {
                patients.entry(patient.id.clone()).or_insert_with(|| patient.clone());
            }
        }
        let subjects: HashSet<&str> = observations
            .iter()
            .filter_map(|observation| observation.subject.reference.as_deref()?.strip_prefix("Patient/"))
            .collect();
        let named = patients.into_values().filter(|patient| subjects.contains(&*patient.id));
        let Devices { devices, metrics, .. } = devices;
        let mut resources: Vec<Resource> = named.map(Resource::Patient).collect();
        let used = used_devices(&devices, &metrics, &observations);
        let used: Vec<bool> = devices.iter().map(|device| used.contains(&*device.id)).collect();
        resources.extend(
            devices.into_iter().zip(used).filter(|(_, is_used)| *is_used).map(|(it, _)| Resource::Device(it)),
        );
        resources.extend(metrics.into_iter().map(Resource::DeviceMetric));
        resources.extend(observations.into_iter().map(|it| Resource::Observation(Box::new(it))));
        unmapped.sort_by_key(|unmapped| unmapped.ordinal);
        Mapped { resources, unmapped }
    }
}

impl<'m> Tree<'_, 'm> {
    /// Every OBX with its node, in the order of the message.
    fn all(&self) -> Rc<[Placed<'m>]> {
        Rc::clone(&self.all)
    }

    fn node(&self, position: usize) -> Option<Node<'m>> {
        self.tree.nodes().iter().find(|node| node.position == position).copied()
    }

    fn position_of(&self, observation: &Obx<'m>) -> Option<usize> {
        self.all.iter().find(|(_, known, _)| known == observation).map(|(position, ..)| *position)
    }

    fn place(&self, node: Option<Node<'m>>, context: &Context<'_>) -> super::devices::Place {
        node.map_or_else(|| self.parts.default_place(), |node| self.parts.place(&node, self.tree, context))
    }

    /// The position of the metric that a facet is of.
    fn metric_of(&self, node: &Node<'m>) -> Option<usize> {
        let mut metrics =
            self.tree.containers(node).filter(|container| container.path.level() == Level::Metric);
        metrics
            .next()
            .map(|metric| metric.position)
            .filter(|metric| self.contents.contains_key(metric) || self.draft_of.contains_key(metric))
    }

    /// The time of an observation; a facet has that of its metric, where only that has one.
    fn effective(&self, obx: &Obx<'m>, node: Option<Node<'m>>, context: &Context<'m>) -> Rc<Effective> {
        let metric = node.filter(|node| node.path.level() >= Level::Facet).and_then(|node| {
            let mut metrics =
                self.tree.containers(&node).filter(|container| container.path.level() == Level::Metric);
            metrics.next().copied()
        });
        match node {
            Some(node) => compound::effective(&node, metric.as_ref(), self.request, context),
            None => context.effective(obx, self.request),
        }
    }

    /// Milliseconds between the samples of each metric that has a facet for it.
    fn sample_periods(&self) -> HashMap<usize, Decimal> {
        let facets = self.tree.nodes().iter().filter_map(|node| {
            let metric =
                self.tree.containers(node).find(|container| container.path.level() == Level::Metric)?;
            Some((metric.position, sample_period(&node.observation)?))
        });
        facets.collect()
    }

    fn add(&mut self, draft: Draft, positions: impl Iterator<Item = usize>) {
        for position in positions {
            self.draft_of.insert(position, self.drafts.len());
        }
        self.drafts.push(draft);
    }
}

/// Every OBX with its node, in the order of the message.
fn all<'m>(tree: &Containment<'m>, is_device: bool) -> Rc<[Placed<'m>]> {
    let placed = tree.nodes().iter().map(|node| {
        let node = *node;
        (node.position, node.observation, is_device.then_some(node))
    });
    let unplaced = tree.unplaced().iter().map(|(position, observation)| (*position, *observation, None));
    let mut all: Vec<_> = placed.chain(unplaced).collect();
    all.sort_by_key(|(position, ..)| *position);
    all.into()
}

/// The devices that a resource refers to, with what contains them.
fn used_devices<'r>(
    devices: &'r [super::resource::Device],
    metrics: &'r [super::resource::DeviceMetric],
    observations: &'r [Observation],
) -> HashSet<&'r str> {
    let is_described = devices.iter().filter(|device| device.kind.is_some()).map(|device| &*device.id);
    let mut used: HashSet<&str> = is_described.collect();
    let references = metrics
        .iter()
        .flat_map(|metric| [&metric.source, &metric.parent])
        .chain(observations.iter().flat_map(|observation| [&observation.subject, &observation.device]))
        .chain(devices.iter().filter_map(|device| device.parent.as_ref()));
    used.extend(references.filter_map(|it| it.reference.as_deref()?.strip_prefix("Device/")));
    used
}

/// The guide allows a patient, or an MDS that satisfies its profile.
fn is_subject_profiled(observation: &Observation, devices: &Devices) -> bool {
    let Some(reference) = observation.subject.reference.as_deref() else { return false };
    match reference.strip_prefix("Device/") {
        Some(id) => devices.devices.iter().any(|device| device.id == id && !device.meta.profile.is_empty()),
        None => true,
    }
}

/// Whether two reports in one message have the same content.
fn is_same(one: &Observation, other: &Observation) -> bool {
    let content = |observation: &Observation| serde_json::to_string(observation).ok();
    content(one) == content(other)
}

/// The milliseconds between two samples: by MDC_ATTR_SAMPLE_RATE, which gateways send without its number, or
/// by MDC_ATTR_TIME_PD_SAMP.
fn sample_period(facet: &Obx<'_>) -> Option<Decimal> {
    let (code, name) = (facet.code().trimmed(), facet.name().trimmed());
    let value = number(facet.value().repetitions().next()?)?;
    let amount = value.approximate();
    let unit = find_unit(Coded::of(facet.units(), 1)).and_then(Unit::ucum);
    let is_rate = code == b"68320" || SAMPLE_RATES.contains(&name);
    let milliseconds = match unit {
        _ if amount <= 0.0 || Standing::of(facet).is_void() => return None,
        Some("Hz") if is_rate => 1000.0 / amount,
        Some("ms") if code == b"67981" => return Some(value),
        Some("s") if code == b"67981" => 1000.0 * amount,
        _ => return None,
    };
    // As many digits as a sample rate can need.
    let text = format!("{milliseconds:.6}");
    Decimal::parse(text.trim_end_matches('0'))
}

const SAMPLE_RATES: [&[u8]; 2] = [b"MDC_ATTR_SAMP_RATE", b"MDC_ATTR_SAMPLE_RATE"];

/// OBX of a message that are mapped; of one with more, none: a reader of any of them would wait for all. Real
/// messages have some hundreds.
const MAX_OBSERVATIONS: usize = 4096;

/// The transactions that become resources.
const MAPPED: [Transaction; 5] =
    [Transaction::Pcd01, Transaction::Pcd04, Transaction::Pcd10, Transaction::Pcd15, Transaction::Pcd16];
