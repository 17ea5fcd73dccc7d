//! Reads: one resource, one of its versions, all of its versions.

use std::collections::HashMap;

use axum::http::{StatusCode, header};
use jiff::Timestamp;

use super::answer::{Answer, Failure};
use super::bundle::{Collector, to_json};
use super::reads::{Reads, instant};
use crate::clients::{Interaction, Reader};
use crate::fhir::search::{Query, ResourceType};
use crate::fhir::{Bundle, Entry, Resource, Wanted};
use crate::model::MessageId;
use crate::render::{Found, Renderer, Seen, Timed};
use crate::store::{FoundGroup, FoundVersion};

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

impl Scope<'_> {
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
        let messages: Vec<MessageId> = groups.iter().map(|group| group.message).collect();
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

    /// The resource with this reference, if the reader may see it.
    pub(super) async fn seen(&self, reference: &str) -> Result<Option<Seen>, Failure> {
        let asking = Asking { reads: self.reads, renderer: self.renderer, reader: self.reader };
        match asking.found(reference).await? {
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
                self.in_another_message(reference, seen.version, seen.updated).await
            }
            other => Ok(other),
        }
    }

    /// A patient or a device of which the last message is not for the reader: as an earlier one has it.
    async fn in_another_message(
        &self,
        reference: &str,
        version: u64,
        updated: Timestamp,
    ) -> Result<Found, Failure> {
        let groups = self.reads.store.latest_groups(reference, None, OTHER_MESSAGES).await?;
        let messages: Vec<MessageId> = groups.iter().map(|group| group.message).collect();
        let rendered = self.renderer.render(&messages).await?;
        let own = groups.iter().filter_map(|group| rendered.get(&group.message));
        let mut allowed = own.filter(|it| self.reader.may_read_device(&it.message.device));
        let mut seen = allowed.find_map(|it| it.seen(reference, version, updated));
        if let Some(seen) = &mut seen {
            self.renderer.add_links(&mut seen.resource).await?;
        }
        Ok(seen.map_or(Found::Nothing, |seen| Found::Resource(Box::new(seen))))
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
        let messages: Vec<MessageId> = versions.iter().map(|version| version.message).collect();
        let rendered = self.renderer.render(&messages).await?;
        let mut seen = Vec::new();
        for version in versions {
            let Some(rendered) = rendered.get(&version.message) else { continue };
            if self.reader.may_read_device(&rendered.message.device) {
                let of = (version.version, version.projected_at);
                seen.extend(self.renderer.version(rendered, reference, of).await?);
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

/// Messages in which a patient or a device is looked for that the reader may see.
const OTHER_MESSAGES: u32 = 64;
