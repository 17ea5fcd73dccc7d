//! From messages to rows of the index. Pure, but for what it remembers of earlier batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::SignedDuration;
use serde::Serialize;

use super::messages::ReadMessages;
use crate::fhir::{Mapped, Meta, REVISION, Reason, Resource, search};
use crate::model::{Fingerprint, MessageId};
use crate::render::{GroupKey, Mapper, groups};
use crate::store::{
    FoundGroup, GroupRow, ProjectedMessage, Report, ReportKind, ReportPlace, ResourceRow, TrailRow,
};

/// What the index has of resources, so that what does not change is not written: hash and message.
#[derive(Debug, Default)]
pub(super) struct KnownResources(HashMap<String, (i64, MessageId)>);

/// The hashes of the resources that the index renders from a message.
pub(super) type Standing = HashMap<(MessageId, String), i64>;

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The number of the last row of the trail in it; `None`: none fits.
    pub(super) to: Option<u64>,
    pub(super) resources: Vec<ResourceRow>,
    pub(super) groups: Vec<GroupRow>,
    /// The messages in it.
    pub(super) messages: Vec<MessageId>,
    /// Groups of an earlier mapping, by their place in the order of changes.
    pub(super) stale: Vec<u64>,
    pub(super) counts: Counts,
}

/// What is counted of a batch.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) messages: u64,
    pub(super) observations: u64,
    pub(super) unmapped: BTreeMap<&'static str, u64>,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    pub(super) left_out: u64,
}

/// The rows of one message.
#[derive(Debug, Default)]
struct MessageRows {
    /// Without keys: most of them the index has already.
    resources: Vec<ResourceRow>,
    /// Those that the index renders from this message, with another content.
    replaced: HashSet<String>,
    /// What keys are made of.
    mapped: Vec<Resource>,
    groups: Vec<GroupRow>,
    observations: u64,
    unmapped: Vec<Reason>,
    left_out: u64,
}

/// The rows of a batch: of the rows of the trail as many as fit. `standing`: of what is projected again, what
/// the index has of these messages.
pub(super) fn batch(
    mapper: &Mapper,
    trail: &[TrailRow],
    messages: &ReadMessages,
    known: &mut KnownResources,
    standing: &Standing,
) -> Batch {
    let mut batch = Batch::default();
    for row in trail {
        if let Some(id) = row.message {
            match messages.get(id) {
                Some(message) => {
                    let mut rows = message_rows(mapper, message, &mut batch.counts);
                    if row.is_reconsidered {
                        rows.yield_to_newer();
                    }
                    rows.replace(standing);
                    let fits = batch.rows() + rows.resources.len() + rows.groups.len() <= MAX_ROWS;
                    if !fits && batch.to.is_some() {
                        return batch;
                    }
                    batch.messages.push(id);
                    batch.take(rows, known);
                }
                None if messages.is_unread(id) => return batch,
                // Retention has removed it.
                None => batch.counts.skip("gone"),
            }
        }
        batch.to = Some(row.number);
    }
    batch
}

fn message_rows(mapper: &Mapper, message: &ProjectedMessage, counts: &mut Counts) -> MessageRows {
    if !message.is_sound {
        counts.skip("altered");
        return MessageRows::default();
    }
    // One message must not keep all others from the index.
    match catch_unwind(AssertUnwindSafe(|| mapper.map(message))) {
        Ok(Some(mapped)) => rows_of(message, mapped),
        Ok(None) => {
            counts.skip("unreadable");
            MessageRows::default()
        }
        Err(_) => {
            counts.skip("fault");
            tracing::error!(message = %message.id, "a message could not be mapped to FHIR; it is left out");
            MessageRows::default()
        }
    }
}

impl MessageRows {
    /// What the index renders from this message, and now becomes something else, is replaced: no earlier
    /// message replaces it, and a later one may not be looked at for minutes.
    fn replace(&mut self, standing: &Standing) {
        for row in &mut self.resources {
            let stands = standing.get(&(row.message, row.reference.clone()));
            if stands.is_some_and(|hash| *hash != row.hash) {
                row.yields = false;
                self.replaced.insert(row.reference.clone());
            }
        }
    }

    /// The message came before others that were accepted earlier: a device stays as these describe it.
    /// Reports of alerts have their own order: of the end of one it is not known when it came.
    fn yield_to_newer(&mut self) {
        for row in &mut self.resources {
            row.yields = row.report.is_none();
            if let Some(report) = &mut row.report {
                report.kind = report.kind.without_arrival();
            }
        }
        for group in &mut self.groups {
            group.kind = group.kind.without_arrival();
        }
    }
}

impl Batch {
    /// Reports of alerts in the order of their own times, whenever they came; but the one that counts is the
    /// last one of its alert.
    fn order_reports(&mut self) {
        let resources = std::mem::take(&mut self.resources);
        let (mut reports, others): (Vec<_>, Vec<_>) =
            resources.into_iter().partition(|row| row.report.is_some());
        // As if each had come in a batch of its own.
        reports.sort_by_key(|row| row.message);
        let mut last: HashMap<String, ReportPlace> = HashMap::new();
        for place in reports.iter().filter_map(|row| Some((row, ReportPlace::of(row)?))) {
            let (row, place) = place;
            let counts = last.get(&row.reference).is_none_or(|known| !known.outlasts(&place));
            if counts {
                last.insert(row.reference.clone(), place);
            }
        }
        let counts = |row: &ResourceRow| last.get(&row.reference).is_some_and(|it| it.message == row.message);
        reports.sort_by_key(|row| (counts(row), row.report.map(|report| report.at), row.message));
        self.resources = others.into_iter().chain(reports).collect();
    }

    /// Compares with what the index has of the messages of the batch: usually nothing. Groups that the
    /// present mapping does not make are stale, and what stands in their place has a later version.
    pub(super) fn compare(&mut self, indexed: &[FoundGroup]) {
        self.order_reports();
        let mut versions: HashMap<MessageId, u64> = HashMap::new();
        for found in indexed {
            let FoundGroup { seq, message, version, .. } = found;
            if !self.groups.iter().any(|row| is_same(row, found)) {
                self.stale.push(*seq);
                let latest = versions.entry(*message).or_default();
                *latest = (*latest).max(*version);
            }
        }
        for row in &mut self.groups {
            let is_new = !indexed.iter().any(|found| is_same(row, found));
            if let Some(former) = versions.get(&row.message).filter(|_| is_new) {
                let next = u32::try_from(former.saturating_add(1)).unwrap_or(u32::MAX);
                row.version = row.version.max(next);
            }
        }
    }

    fn rows(&self) -> usize {
        self.resources.len() + self.groups.len()
    }

    fn take(&mut self, rows: MessageRows, known: &mut KnownResources) {
        let MessageRows { resources, replaced, mapped, groups, observations, unmapped, left_out } = rows;
        self.counts.messages += 1;
        self.counts.observations += observations;
        self.counts.left_out += left_out;
        for reason in unmapped {
            *self.counts.unmapped.entry(reason.label()).or_default() += 1;
        }
        // What a group refers to is written in any case: retention may have removed it since.
        let is_referred = |row: &ResourceRow| {
            groups.iter().any(|group| {
                [&group.subject, &group.device].contains(&&row.reference)
                    || group.alert.as_ref() == Some(&row.reference)
            })
        };
        let is_in_batch = |batch: &[ResourceRow], row: &ResourceRow| {
            batch.iter().any(|other| other.reference == row.reference && other.hash == row.hash)
        };
        for mut row in resources {
            let is_new = known.learn(&row);
            if is_new
                || replaced.contains(&row.reference)
                || (is_referred(&row) && !is_in_batch(&self.resources, &row))
            {
                let resource = mapped.iter().find(|resource| resource.is(&row.reference));
                row.keys = resource.map(search::keys).unwrap_or_default();
                self.resources.push(row);
            }
        }
        self.groups.extend(groups);
    }
}

fn is_same(row: &GroupRow, found: &FoundGroup) -> bool {
    (row.message, &row.subject, &row.device, &row.alert, row.part)
        == (found.message, &found.subject, &found.device, &found.alert, found.part)
}

impl Counts {
    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }
}

impl KnownResources {
    /// Takes a row; false when the index has it, rendered from a message that is not much older.
    fn learn(&mut self, row: &ResourceRow) -> bool {
        let known = self.0.get(&row.reference);
        if row.yields && known.is_some_and(|(hash, _)| *hash != row.hash) {
            return false;
        }
        let is_known = known.is_some_and(|(hash, message)| {
            let age = row.message.time().duration_since(message.time());
            *hash == row.hash && age < REFRESHED_AFTER
        });
        if !is_known {
            if self.0.len() >= MAX_KNOWN {
                self.0.clear();
            }
            self.0.insert(row.reference.clone(), (row.hash, row.message));
        }
        !is_known
    }
}

/// The rows of a mapped message.
fn rows_of(message: &ProjectedMessage, mut mapped: Mapped) -> MessageRows {
    let id = message.id;
    let mut rows = MessageRows {
        unmapped: mapped.unmapped.iter().map(|unmapped| unmapped.reason).collect(),
        ..MessageRows::default()
    };
    let (own, mut hasher) = (format!("{id}."), Hasher::default());
    for resource in &mut mapped.resources {
        make_neutral(resource.meta_mut());
        rows.observations += u64::from(matches!(resource, Resource::Observation(_)));
        rows.resources.extend(resource_row(resource, (id, &own), &mut hasher));
    }
    let groups = groups(&mapped, id, message.received_at);
    let left_out =
        rows.resources.len().saturating_sub(MAX_RESOURCES) + groups.len().saturating_sub(MAX_GROUPS);
    rows.left_out = u64::try_from(left_out).unwrap_or(u64::MAX);
    rows.groups.extend(groups.into_iter().take(MAX_GROUPS).map(|(key, mut placed)| {
        let at = placed.iter().map(|placed| placed.at).max().unwrap_or(message.received_at);
        placed.sort_by_key(|placed| placed.place);
        let observations: Vec<_> =
            placed.iter().filter_map(|placed| mapped.resources.get(placed.place)).collect();
        let GroupKey { subject, device, alert, part } = key;
        let hash = hasher.hash(&observations);
        let goes_on = |it: &&Resource| matches!(it, Resource::Observation(it) if it.status == "preliminary");
        let kind = match &alert {
            None => ReportKind::Timed,
            Some(_) if observations.iter().any(goes_on) => ReportKind::GoesOn,
            Some(_) => ReportKind::End,
        };
        GroupRow { message: id, subject, device, alert, part, at, hash, version: REVISION, kind }
    }));
    rows.mapped = mapped.resources;
    for row in &mut rows.resources {
        let report = rows.groups.iter().find(|group| group.alert.as_ref() == Some(&row.reference));
        row.report = report.map(|group| Report { at: group.at, kind: group.kind });
    }
    // What the groups refer to comes first, and stays.
    let is_referred = |row: &ResourceRow| {
        rows.groups.iter().any(|group| {
            [&group.subject, &group.device].contains(&&row.reference)
                || group.alert.as_ref() == Some(&row.reference)
        })
    };
    rows.resources.sort_by_key(|row| !is_referred(row));
    rows.resources.truncate(MAX_RESOURCES);
    rows
}

/// The row of a device, metric, patient or alert; measurements, whose ids begin with `own`, have none.
fn resource_row(
    resource: &Resource,
    (message, own): (MessageId, &str),
    hasher: &mut Hasher,
) -> Option<ResourceRow> {
    if matches!(resource, Resource::Observation(observation) if observation.id.starts_with(own)) {
        return None;
    }
    let is_named_only = match resource {
        Resource::Device(device) => device.kind.is_none() && device.parent.is_none(),
        // That of an alert: measurements say more of it.
        Resource::DeviceMetric(metric) => {
            metric.category == "unspecified" && metric.unit.is_none() && metric.extension.is_empty()
        }
        _ => false,
    };
    Some(ResourceRow {
        reference: resource.reference(),
        message,
        hash: hasher.hash(resource),
        yields: is_named_only,
        report: None,
        keys: Vec::new(),
    })
}

/// Leaves out what is not of the content.
fn make_neutral(meta: &mut Meta) {
    meta.version_id.clear();
    meta.source.clear();
}

/// Hashes contents, in a buffer that is used again.
#[derive(Default)]
struct Hasher(Vec<u8>);

impl Hasher {
    /// The first 64 bits of the SHA-256 of the JSON.
    fn hash(&mut self, content: &impl Serialize) -> i64 {
        self.0.clear();
        if serde_json::to_writer(&mut self.0, content).is_err() {
            self.0.clear();
        }
        let digest = Fingerprint::sha256(&self.0);
        let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        i64::from_be_bytes(first)
    }
}

/// Rows of a transaction: senders wait for it.
const MAX_ROWS: usize = 600;
/// Resources of one message in the index, besides its measurements.
const MAX_RESOURCES: usize = 1024;
/// Subjects and devices of one message.
const MAX_GROUPS: usize = 64;
/// Resources that are remembered.
const MAX_KNOWN: usize = 100_000;
/// After this time the index takes a newer message for what does not change.
const REFRESHED_AFTER: SignedDuration = SignedDuration::from_mins(10);
