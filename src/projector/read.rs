//! Reads of the index: resources are rendered from the stored bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::batch::{GroupKey, Mapper, instant, systems};
use crate::fhir::{Mapped, Options, Resource};
use crate::model::MessageId;
use crate::store::{FoundGroup, ProjectedMessage, Store, StoreError};

/// Reads resources of the index.
#[derive(Debug)]
pub struct Renderer<'a> {
    store: &'a Store,
    mapper: Mapper,
}

/// What a read found.
#[derive(Debug)]
pub enum Found {
    /// The resource, and the message that it was rendered from.
    Resource(Box<Resource>, MessageId),
    /// It was there: its message is removed, or does not have it any more.
    Gone,
    /// Nothing.
    Nothing,
}

/// An observation with its time.
struct Timed {
    at: Timestamp,
    resource: Resource,
    message: MessageId,
}

impl<'a> Renderer<'a> {
    /// A renderer. Resources are those of the mapping with these settings.
    pub async fn new(store: &'a Store, options: Options) -> Self {
        Self { store, mapper: Mapper { options, key: store.patient_key().await } }
    }

    /// The resource with this reference (`TYPE/ID`).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&self, reference: &str) -> Result<Found, StoreError> {
        if let Some(found) = self.store.projected_resource(reference).await? {
            let rendered = self.rendered(found.message).await?;
            let resource = rendered.and_then(|(_, mapped)| {
                mapped.resources.into_iter().find(|resource| resource.reference() == reference)
            });
            return Ok(resource.map_or(Found::Gone, |mut resource| {
                stamp(&mut resource, found.version, found.projected_at);
                Found::Resource(Box::new(resource), found.message)
            }));
        }
        let measured = reference.strip_prefix("Observation/").and_then(|id| id.split_once('.'));
        let message = measured.and_then(|(message, _)| message.parse::<MessageId>().ok());
        match message {
            Some(message) => self.read_measured(reference, message).await,
            None => Ok(Found::Nothing),
        }
    }

    async fn read_measured(&self, reference: &str, message: MessageId) -> Result<Found, StoreError> {
        let groups = self.store.groups_of_message(message).await?;
        if groups.is_empty() {
            // Retention removes the oldest messages first.
            let oldest = self.store.oldest_message_before(Timestamp::MAX).await?;
            let may_have_been = oldest.is_none_or(|oldest| message.time() < oldest);
            return Ok(if may_have_been { Found::Gone } else { Found::Nothing });
        }
        let Some((stored, mapped)) = self.rendered(message).await? else { return Ok(Found::Gone) };
        let found = observations(&stored, mapped, &groups);
        let found = found.into_iter().find(|found| found.resource.reference() == reference);
        Ok(found.map_or(Found::Nothing, |found| Found::Resource(Box::new(found.resource), message)))
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
                if let Some((stored, mapped)) = self.rendered(group.message).await? {
                    found.extend(observations(&stored, mapped, std::slice::from_ref(group)));
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

    /// What a stored message becomes; `None` when it is not there, or not what was received.
    async fn rendered(&self, message: MessageId) -> Result<Option<(ProjectedMessage, Mapped)>, StoreError> {
        let (messages, _) = self.store.projected_messages(&[message], usize::MAX).await?;
        let stored = messages.into_iter().next().filter(|message| message.is_sound);
        Ok(stored.and_then(|stored| {
            let mapped = self.mapper.map(&stored)?;
            Some((stored, mapped))
        }))
    }
}

/// The observations of a message that are in these groups, as readers see them.
fn observations(stored: &ProjectedMessage, mapped: Mapped, groups: &[FoundGroup]) -> Vec<Timed> {
    let systems = systems(&mapped);
    let groups: BTreeMap<GroupKey, &FoundGroup> = groups
        .iter()
        .map(|group| {
            let FoundGroup { subject, device, alert, .. } = group.clone();
            (GroupKey { subject, device, alert }, group)
        })
        .collect();
    let mut found = Vec::new();
    for mut resource in mapped.resources {
        let Resource::Observation(observation) = &resource else { continue };
        let at = instant(observation, stored.received_at);
        let key = GroupKey::of(observation, stored.id, &systems);
        if let Some(group) = groups.get(&key) {
            stamp(&mut resource, group.version, group.projected_at);
            found.push(Timed { at, resource, message: stored.id });
        }
    }
    found
}

fn first(found: Vec<Timed>, count: usize) -> Vec<(Resource, MessageId)> {
    found.into_iter().take(count).map(|timed| (timed.resource, timed.message)).collect()
}

/// What the index knows of a resource.
fn stamp(resource: &mut Resource, version: u64, projected_at: Timestamp) {
    let meta = resource.meta_mut();
    meta.version_id = version.to_string();
    meta.last_updated = Some(projected_at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
}

/// Groups that are read at once.
const GROUPS_OF_A_PAGE: u32 = 32;
/// Pages that one read looks through.
const MAX_PAGES: usize = 64;
