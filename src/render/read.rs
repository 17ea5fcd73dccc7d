//! Reads of the index: resources are rendered from the stored bytes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;

use super::mapper::{GroupKey, Mapper, groups, system_of};
use super::turns::ReaderTurns;
use crate::fhir::{Mapped, Options, Resource, Wanted};
use crate::model::{DeviceId, MessageId};
use crate::store::{FoundGroup, FoundResource, ProjectedMessage, Store, StoreError};

/// Reads resources of the index.
#[derive(Debug, Clone)]
pub struct Renderer {
    store: Store,
    mapper: Arc<Mapper>,
    turns: Option<ReaderTurns>,
}

/// What a read found.
#[derive(Debug)]
pub enum Found {
    /// The resource.
    Resource(Box<Seen>),
    /// It was there: its message is removed, or does not have it any more.
    Gone,
    /// Nothing.
    Nothing,
}

/// A resource as a reader sees it.
#[derive(Debug)]
pub struct Seen {
    /// The resource.
    pub resource: Resource,
    /// The message that it was rendered from.
    pub message: MessageId,
    /// Who sent that.
    pub sender: DeviceId,
    /// Of an observation `Device/ID` of the MDS.
    pub system: Option<String>,
    /// `meta.versionId`.
    pub version: u64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
}

/// A stored message with what it becomes.
#[derive(Debug)]
pub struct Rendered {
    /// The message.
    pub message: ProjectedMessage,
    /// Its resources, as the mapping makes them: without what the index knows.
    pub mapped: Mapped,
}

/// An observation as a reader sees it, with its place in the order of time.
#[derive(Debug)]
pub struct Timed {
    /// Its time.
    pub at: Timestamp,
    /// The place of its group in the order of changes.
    pub seq: u64,
    /// Its place among the resources of the message.
    pub place: usize,
    /// The observation.
    pub resource: Resource,
    /// The message that it was rendered from.
    pub message: MessageId,
    /// `Device/ID` of the MDS.
    pub system: String,
    /// `meta.versionId`.
    pub version: u64,
    /// `meta.lastUpdated`.
    pub updated: Timestamp,
}

impl Renderer {
    /// A renderer. Resources are those of the mapping with these settings.
    ///
    /// # Errors
    /// When the key of the ids of patients cannot be read: with another one there would be other patients.
    pub async fn new(store: &Store, options: Options) -> Result<Self, StoreError> {
        Ok(Self::of(store, Arc::new(Mapper::new(store, options).await?)))
    }

    /// A renderer that maps so.
    #[must_use]
    pub fn of(store: &Store, mapper: Arc<Mapper>) -> Self {
        Self { store: store.clone(), mapper, turns: None }
    }

    /// The same, which waits for the turns of a reader.
    #[must_use]
    pub fn with_turns(self, turns: ReaderTurns) -> Self {
        Self { turns: Some(turns), ..self }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// The observations that are in these groups of a message, as readers see them, in the order of the
    /// message.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn observations(
        &self,
        rendered: &mut Rendered,
        of: &[FoundGroup],
    ) -> Result<Vec<Timed>, StoreError> {
        let mut found = rendered.take_observations(of);
        for timed in &mut found {
            self.join_period(&mut timed.resource, timed.version).await?;
        }
        Ok(found)
    }

    /// A version of a device, metric, patient or alert, from a message that has it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn version(
        &self,
        rendered: &Rendered,
        reference: &str,
        (version, updated): (u64, Timestamp),
    ) -> Result<Option<Seen>, StoreError> {
        let Some(mut seen) = rendered.seen(reference, version, updated) else { return Ok(None) };
        self.join_period(&mut seen.resource, version).await?;
        Ok(Some(seen))
    }

    /// How it maps.
    #[must_use]
    pub fn mapper(&self) -> &Mapper {
        &self.mapper
    }

    /// The resource with this reference (`TYPE/ID`).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&self, reference: &str) -> Result<Found, StoreError> {
        let measured = reference.strip_prefix("Observation/").and_then(|id| id.split_once('.'));
        let measured = measured.and_then(|(message, ordinal)| Some((message.parse().ok()?, ordinal)));
        if let Some((message, ordinal)) = measured {
            return self.read_measured(reference, message, ordinal.parse().unwrap_or_default()).await;
        }
        if let Some(found) = self.store.projected_resource(reference).await? {
            let rendered = self.render(&[found.message]).await?;
            let FoundResource { message, version, projected_at, .. } = found;
            let seen = rendered.get(&message).and_then(|it| it.seen(reference, version, projected_at));
            let Some(mut seen) = seen else { return Ok(Found::Gone) };
            self.join_period(&mut seen.resource, version).await?;
            self.add_links(&mut seen.resource).await?;
            return Ok(Found::Resource(Box::new(seen)));
        }
        Ok(if self.store.was_removed(reference).await? { Found::Gone } else { Found::Nothing })
    }

    /// One measurement: no other one of its message is made.
    async fn read_measured(
        &self,
        reference: &str,
        message: MessageId,
        ordinal: usize,
    ) -> Result<Found, StoreError> {
        let (groups, stored) = self.store.grouped_message(message).await?;
        if groups.is_empty() {
            // Retention does not remove all kinds of messages in the order of their ids. Who knows the id of
            // a message was given it.
            let is_stored = !self.store.senders_of(&[message]).await?.is_empty();
            let may_have_been = !is_stored && message.time() <= self.store.now();
            return Ok(if may_have_been { Found::Gone } else { Found::Nothing });
        }
        let wanted = Wanted::Ordinal(ordinal);
        let rendered = match stored {
            Some(stored) if stored.raw.len() <= MAX_SMALL_BYTES => rendered(&self.mapper, stored, &wanted),
            Some(stored) => self.map(vec![stored], &wanted).await.pop(),
            None => None,
        };
        let Some(mut rendered) = rendered else { return Ok(Found::Gone) };
        let found = rendered.take_observations(&groups);
        let found = found.into_iter().find(|found| found.resource.is(reference));
        let sender = rendered.message.device;
        Ok(found.map_or(Found::Nothing, |Timed { resource, version, updated, system, .. }| {
            let system = Some(system);
            Found::Resource(Box::new(Seen { resource, message, sender, system, version, updated }))
        }))
    }

    /// The newest observations of a patient or of a device (`Patient/ID`, `Device/ID` of an MDS), the newest
    /// first, each with its message.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn newest(
        &self,
        reference: &str,
        count: usize,
    ) -> Result<Vec<(Resource, MessageId)>, StoreError> {
        let mut found: Vec<Timed> = Vec::new();
        let mut behind: Option<FoundGroup> = None;
        for _ in 0..MAX_PAGES {
            let page = self.store.latest_groups(reference, behind.as_ref(), GROUPS_OF_A_PAGE).await?;
            for group in &page {
                // No observation of a further group is newer than it.
                if found.get(count.saturating_sub(1)).is_some_and(|last| group.at < last.at) {
                    return Ok(first(found, count));
                }
                if let Some(mut rendered) = self.render(&[group.message]).await?.remove(&group.message) {
                    found.extend(self.observations(&mut rendered, std::slice::from_ref(group)).await?);
                    found.sort_by_key(|timed| std::cmp::Reverse(timed.at));
                    found.truncate(count.max(1));
                }
            }
            if page.len() < GROUPS_OF_A_PAGE as usize {
                break;
            }
            behind = page.into_iter().next_back();
        }
        Ok(first(found, count))
    }

    /// What stored messages become. Those that are not there are left out, and those that are not what was
    /// received or cannot be mapped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn render(&self, messages: &[MessageId]) -> Result<HashMap<MessageId, Rendered>, StoreError> {
        self.render_wanted(messages, &Wanted::All).await
    }

    /// The same of what is wanted of them: nothing else of them is complete.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn render_wanted(
        &self,
        messages: &[MessageId],
        wanted: &Wanted,
    ) -> Result<HashMap<MessageId, Rendered>, StoreError> {
        let mut rest = messages.to_vec();
        rest.sort_unstable();
        rest.dedup();
        let mut found = HashMap::new();
        while !rest.is_empty() {
            let (stored, is_cut) = self.store.projected_messages(&rest, MAX_BATCH_BYTES).await?;
            let last = stored.last().map(|message| message.id).filter(|_| is_cut);
            rest.retain(|id| last.is_some_and(|last| *id > last));
            let mapped = self.map(stored, wanted).await;
            found.extend(mapped.into_iter().map(|rendered| (rendered.message.id, rendered)));
        }
        Ok(found)
    }

    /// What one stored message becomes, and `then` of that, which may compute: only its result is held.
    /// `None` as for [`Self::render`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn render_as<T: Send + 'static>(
        &self,
        message: MessageId,
        then: impl FnOnce(Rendered) -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let (mut stored, _) = self.store.projected_messages(&[message], MAX_BATCH_BYTES).await?;
        let Some(stored) = stored.pop() else { return Ok(None) };
        let mapper = Arc::clone(&self.mapper);
        Ok(self.compute(move || rendered(&mapper, stored, &Wanted::All).map(then)).await.flatten())
    }

    async fn map(&self, stored: Vec<ProjectedMessage>, wanted: &Wanted) -> Vec<Rendered> {
        let (mapper, wanted) = (Arc::clone(&self.mapper), wanted.clone());
        let mapped = self.compute(move || {
            stored.into_iter().filter_map(|message| rendered(&mapper, message, &wanted)).collect()
        });
        mapped.await.unwrap_or_default()
    }

    /// Computes in a turn of the reader, and not on a thread that serves devices.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = match &self.turns {
            Some(turns) => Some(turns.take().await),
            None => None,
        };
        let computed = tokio::task::spawn_blocking(move || {
            // The request may have been given up; the processor is busy all the same.
            let _turn = turn;
            work()
        });
        computed.await.ok()
    }
}

/// One message that cannot be mapped must not keep others from readers.
fn rendered(mapper: &Mapper, message: ProjectedMessage, wanted: &Wanted) -> Option<Rendered> {
    let mapped = catch_unwind(AssertUnwindSafe(|| mapper.map_wanted(&message, wanted)));
    let mapped = mapped.ok().flatten().filter(|_| message.is_sound)?;
    Some(Rendered { message, mapped })
}

impl Rendered {
    /// A device, metric, patient or alert of the message, of this version.
    #[must_use]
    pub fn seen(&self, reference: &str, version: u64, updated: Timestamp) -> Option<Seen> {
        let found = self.mapped.resources.iter().find(|resource| resource.is(reference))?;
        let mut resource = found.clone();
        stamp(&mut resource, version, updated);
        let (message, sender) = (self.message.id, self.message.device.clone());
        let system = match &resource {
            Resource::Observation(it) => {
                it.device.reference.as_deref().and_then(|device| system_of(&self.mapped, device))
            }
            Resource::Patient(_) | Resource::Device(_) | Resource::DeviceMetric(_) => None,
        };
        Some(Seen { resource, message, sender, system, version, updated })
    }

    /// The observations that are in these groups of the message, in the order of the message. The resources
    /// without them are left.
    fn take_observations(&mut self, of: &[FoundGroup]) -> Vec<Timed> {
        let Self { message, mapped } = self;
        let groups = groups(mapped, message.id, message.received_at);
        let mut wanted: HashMap<usize, (Timestamp, &FoundGroup)> = HashMap::new();
        for group in of.iter().filter(|group| group.message == message.id) {
            let FoundGroup { subject, device, alert, part, .. } = group.clone();
            let placed = groups.get(&GroupKey { subject, device, alert, part });
            wanted.extend(placed.into_iter().flatten().map(|placed| (placed.place, (placed.at, group))));
        }
        let mut found = Vec::new();
        let mut left = Vec::new();
        for (place, mut resource) in std::mem::take(&mut mapped.resources).into_iter().enumerate() {
            match wanted.get(&place) {
                Some((at, group)) => {
                    stamp(&mut resource, group.version, group.projected_at);
                    found.push(Timed {
                        at: *at,
                        seq: group.seq,
                        place,
                        resource,
                        message: message.id,
                        system: group.device.clone(),
                        version: group.version,
                        updated: group.projected_at,
                    });
                }
                None => left.push(resource),
            }
        }
        mapped.resources = left;
        found
    }
}

fn first(found: Vec<Timed>, count: usize) -> Vec<(Resource, MessageId)> {
    found.into_iter().take(count).map(|timed| (timed.resource, timed.message)).collect()
}

/// Sets what the index knows of a resource.
fn stamp(resource: &mut Resource, version: u64, projected_at: Timestamp) {
    let meta = resource.meta_mut();
    meta.version_id = version.to_string();
    meta.last_updated = Some(projected_at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
}

/// Groups that are read at once.
const GROUPS_OF_A_PAGE: u32 = 32;
/// Pages that one read looks through.
const MAX_PAGES: usize = 64;
/// Of a message of so many bytes one observation is made at once, without a turn: a tenth of a millisecond.
const MAX_SMALL_BYTES: usize = 16 << 10;
/// Bytes of messages that are held at once.
const MAX_BATCH_BYTES: usize = 8 << 20;
