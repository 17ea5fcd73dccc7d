//! Reads: one resource, one of its versions, all of its versions.

use std::collections::HashMap;

use axum::http::{StatusCode, header};

use super::answer::{Answer, Failure};
use super::bundle::{Collector, to_json};
use super::reads::{Reads, instant};
use crate::clients::{Interaction, Reader};
use crate::fhir::search::{Query, ResourceType};
use crate::fhir::{Bundle, Entry, Resource, Wanted};
use crate::model::MessageId;
use crate::render::{Found, Rendered, Renderer, Seen, Timed};
use crate::store::{FoundGroup, FoundResource, FoundVersion};

/// Who reads, and how.
pub(super) struct Asking<'a> {
    pub(super) reads: &'a Reads,
    pub(super) renderer: &'a Renderer,
    pub(super) reader: &'a Reader,
}

/// A search of a reader.
pub(super) struct Scope<'a> {
    pub(super) reads: &'a Reads,
    pub(super) renderer: &'a Renderer,
    pub(super) reader: &'a Reader,
    pub(super) query: &'a Query,
}

impl<'a> Scope<'a> {
    pub(super) const fn asking(&self) -> Asking<'a> {
        Asking { reads: self.reads, renderer: self.renderer, reader: self.reader }
    }

    /// An empty page.
    pub(super) fn collector(&self) -> Collector {
        Collector::new(self.query.count, self.reads.config.load().api.max_page)
    }

    /// The observations of groups, by the place of the group in the order of changes. Messages of senders
    /// that the reader may not read are left out.
    pub(super) async fn observations(
        &self,
        groups: &[FoundGroup],
    ) -> Result<HashMap<u64, Vec<Timed>>, Failure> {
        let mut messages: Vec<MessageId> = groups.iter().map(|group| group.message).collect();
        if self.reader.devices().is_some() {
            // What is of others is not even opened: how long that takes would say how much there is.
            let senders = self.reads.store.senders_of(&messages).await?;
            messages.retain(|id| senders.get(id).is_some_and(|sender| self.reader.may_read_device(sender)));
        }
        let mut found: HashMap<u64, Vec<Timed>> = HashMap::new();
        let wanted = match self.query.codes.as_slice() {
            [] => Wanted::All,
            codes => Wanted::Codes(codes.to_vec()),
        };
        for mut rendered in self.renderer.render_wanted(&messages, &wanted).await?.into_values() {
            if !self.reader.may_read_device(&rendered.message.device) {
                continue;
            }
            for timed in self.renderer.observations(&mut rendered, groups).await? {
                found.entry(timed.seq).or_default().push(timed);
            }
        }
        Ok(found)
    }

    /// A device, metric or patient of the index as the reader may see it. `rendered`: the message that its
    /// row names.
    pub(super) async fn listed(
        &self,
        rendered: &Rendered,
        row: &FoundResource,
    ) -> Result<Option<Seen>, Failure> {
        if !self.reader.may_read_device(&rendered.message.device) {
            return self.asking().in_another_message(&row.reference).await;
        }
        let mut seen = rendered.seen(&row.reference, row.version, row.projected_at);
        if let Some(seen) = &mut seen {
            self.renderer.add_links(&mut seen.resource).await?;
        }
        Ok(seen)
    }

    /// The resource with this reference, if the reader may see it.
    pub(super) async fn seen(&self, reference: &str) -> Result<Option<Seen>, Failure> {
        match self.asking().found(reference).await? {
            Found::Resource(seen) => Ok(Some(*seen)),
            Found::Gone | Found::Nothing => Ok(None),
        }
    }
}

impl Asking<'_> {
    /// The resource with this reference. What the reader may not see is not there.
    async fn found(&self, reference: &str) -> Result<Found, Failure> {
        let found = self.renderer.read(reference).await?;
        match found {
            Found::Resource(seen) if !self.reader.may_read_device(&seen.sender) => {
                let other = self.in_another_message(reference).await?;
                Ok(other.map_or(Found::Nothing, |seen| Found::Resource(Box::new(seen))))
            }
            // Of what is gone it is not known who sent it.
            Found::Gone if self.reader.devices().is_some() => Ok(Found::Nothing),
            other => Ok(other),
        }
    }

    /// A resource of which the last message is not for the reader: as the newest one has it that is. Its
    /// version and its time are those that the index had when it came: a reader learns nothing of the reports
    /// of others.
    pub(super) async fn in_another_message(&self, reference: &str) -> Result<Option<Seen>, Failure> {
        let versions = self.reads.store.resource_versions(reference, None, OTHER_VERSIONS).await?;
        let found = match self.newest_readable(reference).await? {
            Some(group) => {
                let version = versions.iter().find(|version| version.projected_at <= group.projected_at);
                version.map(|version| (group.message, version))
            }
            // It has no observations of its own, such as a metric.
            None => {
                let messages: Vec<MessageId> = versions.iter().map(|version| version.message).collect();
                let senders = self.reads.store.senders_of(&messages).await?;
                let may_read = |version: &&FoundVersion| {
                    senders.get(&version.message).is_some_and(|sender| self.reader.may_read_device(sender))
                };
                versions.iter().find(may_read).map(|version| (version.message, version))
            }
        };
        let Some((message, version)) = found else { return Ok(None) };
        let rendered = self.renderer.render(&[message]).await?;
        let Some(rendered) = rendered.get(&message) else { return Ok(None) };
        let of = (version.version, version.projected_at);
        let mut seen = self.renderer.version(rendered, reference, of).await?;
        if let Some(seen) = &mut seen {
            self.renderer.add_links(&mut seen.resource).await?;
        }
        Ok(seen)
    }

    /// The newest group of a patient or of a device that the reader may read.
    async fn newest_readable(&self, reference: &str) -> Result<Option<FoundGroup>, Failure> {
        let mut behind: Option<FoundGroup> = None;
        for _ in 0..OTHER_PAGES {
            let groups = self.reads.store.latest_groups(reference, behind.as_ref(), OTHER_GROUPS).await?;
            let messages: Vec<MessageId> = groups.iter().map(|group| group.message).collect();
            let senders = self.reads.store.senders_of(&messages).await?;
            let may_read = |group: &&FoundGroup| {
                senders.get(&group.message).is_some_and(|sender| self.reader.may_read_device(sender))
            };
            if let Some(found) = groups.iter().find(may_read) {
                return Ok(Some(found.clone()));
            }
            if groups.len() < OTHER_GROUPS as usize {
                return Ok(None);
            }
            behind = groups.into_iter().next_back();
        }
        Ok(None)
    }

    /// read.
    pub(super) async fn read(
        &self,
        kind: ResourceType,
        id: &str,
    ) -> Result<(Answer, Vec<Resource>), Failure> {
        let seen = self.one(kind, id).await?;
        Ok((answer(&seen)?, vec![seen.resource]))
    }

    async fn one(&self, kind: ResourceType, id: &str) -> Result<Seen, Failure> {
        if !self.reader.may(Interaction::Read, kind.name()) {
            return Err(Failure::forbidden(kind.name()));
        }
        check_id(id)?;
        match self.found(&format!("{}/{id}", kind.name())).await? {
            Found::Resource(seen) => Ok(*seen),
            Found::Gone => Err(Failure::gone()),
            Found::Nothing => Err(Failure::not_found()),
        }
    }

    /// vread.
    pub(super) async fn version(
        &self,
        kind: ResourceType,
        id: &str,
        version: &str,
    ) -> Result<(Answer, Vec<Resource>), Failure> {
        let wanted: u64 = version.parse().map_err(|_| Failure::not_found())?;
        let current = self.one(kind, id).await?;
        if wanted == current.version {
            return Ok((answer(&current)?, vec![current.resource]));
        }
        if wanted == 0 || wanted > current.version {
            return Err(Failure::not_found());
        }
        let reference = current.resource.reference();
        let before = Some(wanted.saturating_add(1));
        let versions = self.reads.store.resource_versions(&reference, before, 1).await?;
        let seen =
            self.seen_versions(&reference, &versions).await?.into_iter().find(|seen| seen.version == wanted);
        let seen = seen.ok_or_else(|| {
            let text =
                "this version is not kept any more: its message was removed, or the mapping was corrected";
            Failure::new(StatusCode::GONE, "deleted", text)
        })?;
        Ok((answer(&seen)?, vec![seen.resource]))
    }

    /// history-instance.
    pub(super) async fn history(
        &self,
        kind: ResourceType,
        id: &str,
        (count, before): (u32, Option<u64>),
    ) -> Result<(Answer, Vec<Resource>), Failure> {
        let current = self.one(kind, id).await?;
        let reference = current.resource.reference();
        let mut found = self.reads.store.resource_versions(&reference, before, count + 1).await?;
        // Some of them may not be for this reader, or have no message any more: others may follow.
        let has_more = found.len() > count as usize;
        found.truncate(count as usize);
        let mut versions = self.seen_versions(&reference, &found).await?;
        if let Some(first) = versions.first_mut().filter(|first| first.version == current.version) {
            // With the links that were made since.
            *first = current;
        } else if before.is_none() {
            // Of a measurement the last version alone is there; another resource may be rendered from another
            // message than its version was, because that was removed.
            versions.insert(0, current);
        }
        let base = &self.reads.base;
        let mut entries = Vec::new();
        for seen in &versions {
            let json = to_json(&seen.resource)?;
            entries.push(Entry::version(base, &reference, json, seen.version, instant(seen.updated)));
        }
        let own = format!("{base}/{reference}/_history?_count={count}");
        let mut bundle = Bundle::history(self.reads.now(), own.clone(), entries);
        if let Some(last) = found.last().filter(|_| has_more) {
            bundle = bundle.with_next(format!("{own}&_before={}", last.version));
        }
        let resources = versions.into_iter().map(|seen| seen.resource).collect();
        Ok((Answer::json(StatusCode::OK, &bundle)?, resources))
    }

    /// Those of the versions that the reader may see.
    async fn seen_versions(&self, reference: &str, versions: &[FoundVersion]) -> Result<Vec<Seen>, Failure> {
        let mut seen = Vec::new();
        // In parts: all messages of a history may not fit into the memory.
        for part in versions.chunks(MESSAGES_AT_ONCE) {
            let messages: Vec<MessageId> = part.iter().map(|version| version.message).collect();
            let rendered = self.renderer.render(&messages).await?;
            for version in part {
                let Some(rendered) = rendered.get(&version.message) else { continue };
                if self.reader.may_read_device(&rendered.message.device) {
                    let of = (version.version, version.projected_at);
                    seen.extend(self.renderer.version(rendered, reference, of).await?);
                }
            }
        }
        Ok(seen)
    }
}

fn answer(seen: &Seen) -> Result<Answer, Failure> {
    let modified = seen.updated.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Ok(Answer::json(StatusCode::OK, &seen.resource)?
        .with(header::ETAG, &format!("W/\"{}\"", seen.version))
        .with(header::LAST_MODIFIED, &modified))
}

fn check_id(id: &str) -> Result<(), Failure> {
    let is_id = (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if is_id { Ok(()) } else { Err(Failure::bad("an id has 1 to 64 letters, digits, hyphens and dots")) }
}

/// Messages that are held at once, with what they become.
pub(super) const MESSAGES_AT_ONCE: usize = 16;
/// Groups that are looked at together for one that the reader may see, and how often.
const OTHER_GROUPS: u32 = 256;
const OTHER_PAGES: usize = 16;
/// Versions among which that of another message is.
const OTHER_VERSIONS: u32 = 256;
