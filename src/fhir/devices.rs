//! The containment of a message as `Device` and `DeviceMetric`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::coding::{Concept, MEASUREMENTS, term_key};
use super::context::Context;
use super::datatypes::{Coding, Extension, Reference};
use super::identity::{Equipment, id_of};
use super::profile;
use super::resource::{Device, DeviceMetric, UdiCarrier, Version};
use super::text;
use crate::pcd::{Containment, Level, Node, Observation, ObservationPath};

/// The devices and metrics of a message, each once.
#[derive(Default)]
pub(super) struct Devices {
    pub(super) devices: Vec<Device>,
    pub(super) metrics: Vec<DeviceMetric>,
    device_at: HashMap<String, usize>,
    metric_at: HashMap<String, usize>,
}

/// The parts of the device of one OBR.
pub(super) struct Parts {
    systems: BTreeMap<u32, Part>,
    parts: HashMap<ObservationPath, Part>,
    /// The device where nothing says which one.
    pub(super) default: Part,
    /// Terms that several metrics of one place have.
    shared: BTreeSet<([u32; 3], String)>,
}

/// A device, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The id of its resource.
    pub(super) id: Rc<str>,
    /// Whether it satisfies the profile of its level, and what contains it those of theirs.
    is_profiled: bool,
    level: Level,
}

/// Where a metric is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The MDS.
    pub(super) system: Part,
    /// The nearest part that contains the metric.
    pub(super) parent: Part,
    /// What distinguishes the metric from those with its term elsewhere in the device.
    key: String,
}

/// A metric to add.
pub(super) struct NewMetric {
    pub(super) kind: Concept,
    pub(super) unit: Option<super::datatypes::CodeableConcept>,
    pub(super) category: &'static str,
    pub(super) limits: Option<Extension>,
    /// What the observation itself names (OBX-18): a module or a sensor.
    pub(super) equipment: Option<Equipment>,
    /// Whether its values are numbers; otherwise codes and texts.
    pub(super) is_numeric: bool,
}

/// A metric as observations refer to it.
pub(super) struct MetricReference {
    pub(super) reference: Reference,
    /// Whether it satisfies the profile for its kind of values.
    pub(super) is_profiled: bool,
}

impl Devices {
    /// Adds the devices of one OBR.
    pub(super) fn add_tree(
        &mut self,
        tree: &Containment<'_>,
        is_device: bool,
        context: &Context<'_>,
    ) -> Parts {
        let nodes: &[Node<'_>] = if is_device { tree.nodes() } else { &[] };
        let mut systems = BTreeMap::new();
        for number in nodes.iter().map(|node| mds_number(node.path)).collect::<BTreeSet<_>>() {
            systems.insert(number, self.add_system(number, nodes, context));
        }
        let default = match (systems.len(), systems.values().next()) {
            (1, Some(only)) => only.clone(),
            _ => self.add_sender(context),
        };
        let mut parts = Parts { systems, parts: HashMap::new(), default, shared: BTreeSet::new() };
        for node in nodes.iter().filter(|node| is_part(node) && node.path.level() != Level::Mds) {
            let part = self.add_part(node, tree, &parts, context);
            parts.parts.insert(node.path, part);
        }
        parts.shared = shared_terms(nodes, context);
        parts
    }

    /// Adds an MDS: as the message describes it, or as far as it names it.
    fn add_system(&mut self, number: u32, nodes: &[Node<'_>], context: &Context<'_>) -> Part {
        let own = nodes.iter().filter(|node| mds_number(node.path) == number);
        let described = own.clone().find(|node| node.path.level() == Level::Mds && is_part(node));
        let named = described.and_then(|node| context.equipment(node.position, &node.observation));
        let equipment = named.or_else(|| only_equipment(own, context));
        let is_named = equipment.is_some();
        let kind = described.and_then(|node| context.term(node.position)).cloned();
        let equipment = equipment.unwrap_or_else(|| Equipment::of_sender(context.source.sender));
        // A sender with several devices that it does not name: they differ by number and kind.
        let place = if is_named { String::new() } else { format!("{number}:{}", term_key(kind.as_ref())) };
        self.system(&equipment, &place, kind, context)
    }

    /// The device of an alert that names its own equipment.
    pub(super) fn add_equipment(&mut self, equipment: &Equipment, context: &Context<'_>) -> Part {
        self.system(equipment, "", None, context)
    }

    fn add_sender(&mut self, context: &Context<'_>) -> Part {
        self.system(&Equipment::of_sender(context.source.sender), "", None, context)
    }

    fn system(
        &mut self,
        equipment: &Equipment,
        place: &str,
        kind: Option<Concept>,
        context: &Context<'_>,
    ) -> Part {
        let id = id_of(&["mds", &equipment.key, place]);
        let mut meta = context.meta();
        let is_profiled = kind.as_ref().is_some_and(|kind| kind.mdc.is_some());
        meta.profile.extend(is_profiled.then_some(profile::MDS));
        let device = Device {
            resource_type: "Device",
            id: id.clone(),
            meta,
            identifier: vec![equipment.identifier.clone()],
            kind: kind.map(|kind| kind.concept),
            location: context.place.clone().map(Reference::named),
            ..Device::default()
        };
        self.add(device);
        // A device that another OBR of the message describes is the same one.
        let is_profiled = self.device(&id).is_some_and(|known| !known.meta.profile.is_empty());
        Part { id: id.into(), is_profiled, level: Level::Mds }
    }

    /// Adds a VMD or a channel.
    fn add_part(
        &mut self,
        node: &Node<'_>,
        tree: &Containment<'_>,
        parts: &Parts,
        context: &Context<'_>,
    ) -> Part {
        let place = parts.place(node, tree, context);
        let level = node.path.level();
        let kind = context.term(node.position).cloned();
        let id = id_of(&["part", &place.system.id, &place.key, &term_key(kind.as_ref())]);
        let named = context.equipment(node.position, &node.observation);
        let system = self.device(&place.system.id);
        let own = named
            .map(|equipment| equipment.identifier)
            .filter(|identifier| system.is_none_or(|system| !system.identifier.contains(identifier)));
        let (profile, container) = match level {
            Level::Vmd => (profile::VMD, Level::Mds),
            _ => (profile::CHANNEL, Level::Vmd),
        };
        let is_contained = place.parent.is_profiled && place.parent.level == container;
        let is_profiled = is_contained && kind.as_ref().is_some_and(|kind| kind.mdc.is_some());
        let mut meta = context.meta();
        meta.profile.extend(is_profiled.then_some(profile));
        self.add(Device {
            resource_type: "Device",
            id: id.clone(),
            meta,
            identifier: own.into_iter().collect(),
            kind: kind.map(|kind| kind.concept),
            parent: Some(Reference::to("Device", &place.parent.id)),
            ..Device::default()
        });
        Part { id: id.into(), is_profiled, level }
    }

    /// Adds a metric; of one that is there already the limits, if it has none.
    pub(super) fn add_metric(
        &mut self,
        new: NewMetric,
        place: &Place,
        context: &Context<'_>,
    ) -> MetricReference {
        let NewMetric { kind, unit, category, limits, equipment, is_numeric } = new;
        let own = equipment.filter(|equipment| !self.is_of_part(place, equipment));
        let term = term_key(Some(&kind));
        let mut id = vec!["metric", &*place.system.id, &*place.key, &*term];
        id.extend(own.as_ref().map(|equipment| &*equipment.key));
        let (id, identifier) = (id_of(&id), own.as_ref().map(|equipment| equipment.identifier.clone()));
        let is_placed = place.parent.is_profiled && place.parent.level == Level::Channel;
        let own = if is_numeric { profile::NUMERIC_METRIC } else { profile::ENUMERATION_METRIC };
        let mut meta = context.meta();
        meta.profile.extend((is_placed && kind.mdc.is_some()).then_some(own));
        let reference = Reference::to("DeviceMetric", &id);
        if let Some(known) = self.metric_at.get(&id).and_then(|at| self.metrics.get_mut(*at)) {
            if known.extension.is_empty() {
                known.extension.extend(limits);
            }
            known.unit = known.unit.take().or(unit);
            return MetricReference { reference, is_profiled: known.meta.profile.contains(&own) };
        }
        let is_profiled = !meta.profile.is_empty();
        self.metric_at.insert(id.clone(), self.metrics.len());
        self.metrics.push(DeviceMetric {
            resource_type: "DeviceMetric",
            id,
            meta,
            identifier: identifier.into_iter().collect(),
            extension: limits.into_iter().collect(),
            kind: kind.concept,
            unit,
            source: Reference::to("Device", &place.system.id),
            parent: Reference::to("Device", &place.parent.id),
            category,
        });
        MetricReference { reference, is_profiled }
    }

    /// Whether the device or the part that contains a metric has this identifier.
    fn is_of_part(&self, place: &Place, equipment: &Equipment) -> bool {
        let parts = [&place.system, &place.parent].map(|part| self.device(&part.id));
        parts.into_iter().flatten().any(|device| device.identifier.contains(&equipment.identifier))
    }

    /// Whether a number in MDC is that of an attribute of a device.
    pub(super) fn is_attribute(mdc: u32) -> bool {
        [MODEL, UDI, MODEL_NUMBER, MANUFACTURER, SERIAL, PART].contains(&mdc)
            || VERSIONS.iter().any(|(known, _)| *known == mdc)
    }

    /// Sets an attribute of a device; false when the term is none, or when the device has another value.
    pub(super) fn set_attribute(
        &mut self,
        id: &str,
        mdc: u32,
        observation: &Observation<'_>,
        context: &Context<'_>,
    ) -> bool {
        let Some(device) = self.device_at.get(id).and_then(|at| self.devices.get_mut(*at)) else {
            return false;
        };
        let characters = context.characters;
        let whole = text::all(observation.value(), characters);
        match mdc {
            MODEL => {
                // Manufacturer and model, as 10201 has them in one attribute.
                let manufacturer = text::first(observation.value(), characters);
                let model = text::component(observation.value().component(2), characters);
                let may_set =
                    may_set(&device.manufacturer, &manufacturer) && may_set(&device.model_number, &model);
                return may_set
                    && set(&mut device.manufacturer, manufacturer)
                    && set(&mut device.model_number, model);
            }
            MODEL_NUMBER => return set(&mut device.model_number, whole),
            MANUFACTURER => return set(&mut device.manufacturer, whole),
            SERIAL => return set(&mut device.serial_number, whole),
            PART => return set(&mut device.part_number, whole),
            UDI => {
                device.udi_carrier = whole.map(|carrier_hrf| UdiCarrier { carrier_hrf }).into_iter().collect()
            }
            _ => {
                let Some((_, name)) = VERSIONS.iter().find(|(known, _)| *known == mdc) else { return false };
                let Some(value) = whole else { return true };
                let kind = Coding::new(super::coding::MDC, mdc.to_string(), name).into();
                let version = Version { kind, value };
                if !device.version.contains(&version) {
                    device.version.push(version);
                }
            }
        }
        true
    }

    /// The device with this id.
    fn device(&self, id: &str) -> Option<&Device> {
        self.device_at.get(id).and_then(|at| self.devices.get(*at))
    }

    /// Adds a device, or what it says more than the one that is known.
    fn add(&mut self, device: Device) {
        match self.device_at.get(&device.id).and_then(|at| self.devices.get_mut(*at)) {
            Some(known) if known.kind.is_none() => {
                known.kind = device.kind;
                known.meta = device.meta;
            }
            Some(_) => {}
            None => {
                self.device_at.insert(device.id.clone(), self.devices.len());
                self.devices.push(device);
            }
        }
    }
}

impl Parts {
    /// The place of a node.
    pub(super) fn place(&self, node: &Node<'_>, tree: &Containment<'_>, context: &Context<'_>) -> Place {
        let number = mds_number(node.path);
        let system = self.systems.get(&number).unwrap_or(&self.default).clone();
        let parent = tree.containers(node).find_map(|container| self.parts.get(&container.path));
        let parent = parent.unwrap_or(&system).clone();
        let mut key = self.key(node, tree, context);
        let is_shared = || {
            let term = context.term_key(node.position).to_owned();
            self.shared.contains(&(numbers_above(node.path), term))
        };
        if node.path.level() >= Level::Metric && !self.shared.is_empty() && is_shared() {
            key.push_str(&format!("/{}", node.path));
        }
        Place { system, parent, key }
    }

    /// The place of an observation without a path.
    pub(super) fn default_place(&self) -> Place {
        Place { system: self.default.clone(), parent: self.default.clone(), key: String::new() }
    }

    /// The numbers and terms of VMD and channel: two pumps of a rack differ by number only, and each may be
    /// alone in its message.
    fn key(&self, node: &Node<'_>, tree: &Containment<'_>, context: &Context<'_>) -> String {
        let [_, vmd, channel, ..] = node.path.numbers();
        let terms: Vec<_> = tree
            .containers(node)
            .filter(|container| self.parts.contains_key(&container.path))
            .map(|container| context.term_key(container.position))
            .collect();
        format!("{vmd}.{channel}/{}", terms.join("/"))
    }
}

impl Place {
    /// The device as equipment of its own, where an alert names it.
    pub(super) fn of_part(part: &Part, key: &str) -> Self {
        Self { system: part.clone(), parent: part.clone(), key: key.to_owned() }
    }
}

/// Whether a node describes a device or a part of one: a container whose term is no measurement. Some devices
/// put a measurement with parts in place of a channel: `150020^MDC_PRESS_BLD_NONINV` as `1.0.1`.
pub(super) fn is_part(node: &Node<'_>) -> bool {
    if node.path.level() >= Level::Metric {
        return false;
    }
    let name = node.observation.name().trimmed();
    let number =
        std::str::from_utf8(node.observation.code().trimmed()).ok().and_then(|code| code.parse().ok());
    name.starts_with(b"MDC_DEV") || number.is_none_or(|number: u32| !MEASUREMENTS.contains(&number))
}

fn mds_number(path: ObservationPath) -> u32 {
    let [mds, ..] = path.numbers();
    mds
}

/// The numbers of what contains a metric.
fn numbers_above(path: ObservationPath) -> [u32; 3] {
    let [mds, vmd, channel, ..] = path.numbers();
    [mds, vmd, channel]
}

/// The equipment that all nodes with equipment name, if it is one.
fn only_equipment<'n>(nodes: impl Iterator<Item = &'n Node<'n>>, context: &Context<'_>) -> Option<Equipment> {
    let mut found = nodes.filter_map(|node| context.equipment(node.position, &node.observation));
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

fn shared_terms(nodes: &[Node<'_>], context: &Context<'_>) -> BTreeSet<([u32; 3], String)> {
    let (mut known, mut shared) = (HashSet::new(), BTreeSet::new());
    for node in nodes.iter().filter(|node| node.path.level() >= Level::Metric) {
        let (numbers, term) = (numbers_above(node.path), context.term_key(node.position));
        if !known.insert((numbers, term)) {
            shared.insert((numbers, term.to_owned()));
        }
    }
    shared
}

/// Whether an attribute may have this value: it has no other one.
fn may_set(attribute: &Option<String>, value: &Option<String>) -> bool {
    attribute.is_none() || value.is_none() || attribute == value
}

/// Sets an attribute; false when it has another value.
fn set(attribute: &mut Option<String>, value: Option<String>) -> bool {
    let may_set = may_set(attribute, &value);
    *attribute = attribute.take().or(value);
    may_set
}

const MODEL: u32 = 67_880;
const UDI: u32 = 67_916;
const MODEL_NUMBER: u32 = 531_969;
const MANUFACTURER: u32 = 531_970;
const SERIAL: u32 = 531_972;
const PART: u32 = 531_973;

const VERSIONS: [(u32, &str); 4] = [
    (531_974, "MDC_ID_PROD_SPEC_HW"),
    (531_975, "MDC_ID_PROD_SPEC_SW"),
    (531_976, "MDC_ID_PROD_SPEC_FW"),
    (531_977, "MDC_ID_PROD_SPEC_PROTOCOL_REV"),
];
