//! Searches: which index finds them, and the Bundle.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;

use super::answer::{Answer, Failure};
use super::bundle::{Matched, Page, to_json};
use super::cursor::Cursor;
use super::read::{Asking, MESSAGES_AT_ONCE, Scope};
use super::{list, observations};
use crate::clients::Interaction;
use crate::fhir::search::{Query, Reading, ResourceType, Selector, parse};
use crate::fhir::{Bundle, Entry, OperationOutcome, Reference, Resource, SearchMode};
use crate::model::MessageId;
use crate::render::system_of;
use crate::store::{FoundResource, GroupsOf, ResourcesOf};

impl Asking<'_> {
    /// search-type.
    pub(super) async fn search(
        &self,
        kind: ResourceType,
        parameters: &[(String, String)],
        is_lenient: bool,
    ) -> Result<(Answer, Vec<Resource>), Failure> {
        if !self.reader.may(Interaction::Search, kind.name()) {
            return Err(Failure::forbidden(kind.name()));
        }
        for (name, other) in CHAINED {
            let is_named = parameters.iter().any(|(named, _)| named == name);
            if is_named && !self.reader.may(Interaction::Search, other) {
                return Err(Failure::forbidden(other));
            }
        }
        let mapper = self.renderer.mapper();
        let reading = Reading {
            zone: &mapper.options.zone,
            patient_id: &|text| mapper.key.opaque_id(text),
            is_lenient,
        };
        let mut query = parse(kind, parameters, &reading)?;
        if let Some(patient) = query.subjects.iter().find(|subject| subject.starts_with("Patient/")) {
            query.same = self.reads.store.same_patients(patient).await?;
        }
        let cursor = match &query.page {
            Some(page) => Some(Cursor::read(page, &query, &mapper.key)?),
            None => None,
        };
        let scope = Scope { reads: self.reads, renderer: self.renderer, reader: self.reader, query: &query };
        let mut page = scope.page(cursor).await?;
        if query.count == 0 {
            page.next = None;
        }
        let included = scope.included(&page.found).await?;
        self.bundle(&query, page, included)
    }

    fn bundle(
        &self,
        query: &Query,
        page: Page,
        included: Vec<Matched>,
    ) -> Result<(Answer, Vec<Resource>), Failure> {
        let base = &self.reads.base;
        let mut entries = Vec::new();
        let mut resources = Vec::new();
        let found = page.found.into_iter().map(|matched| (matched, SearchMode::Match));
        let included = included.into_iter().map(|matched| (matched, SearchMode::Include));
        for (Matched { resource, json }, mode) in found.chain(included) {
            entries.push(Entry::found(base, &resource.reference(), json, mode));
            resources.push(resource);
        }
        if !query.ignored.is_empty() {
            let text = format!(
                "these parameters are unknown here and were ignored, as Prefer: handling=lenient asks for: {}",
                query.ignored.join(", ")
            );
            let outcome = to_json(&OperationOutcome::warning("not-supported", "not-supported", text))?;
            entries.push(Entry::found(base, "", outcome, SearchMode::Outcome));
        }
        let own = link(base, query, None);
        let mut bundle = Bundle::search(self.reads.now(), own, entries).with_total(page.total);
        if let Some(next) = &page.next {
            let text = next.text(query, &self.renderer.mapper().key);
            bundle = bundle.with_next(link(base, query, Some(&text)));
        }
        Ok((Answer::json(StatusCode::OK, &bundle)?, resources))
    }
}

impl Scope<'_> {
    async fn page(&self, cursor: Option<Cursor>) -> Result<Page, Failure> {
        let prefix = format!("{}/", self.query.kind.name());
        let is_observation = self.query.kind == ResourceType::Observation;
        match self.query.selector()? {
            Selector::Ids(ids) => observations::by_id(self, ids, cursor).await,
            Selector::Subject(subject) => {
                let same = &self.query.same;
                let is_one_of_several = same.len() > 1 && same.iter().any(|one| one == subject);
                let of = match is_one_of_several {
                    true => GroupsOf::Subjects(same),
                    false => GroupsOf::Subject(subject),
                };
                observations::by_time(self, of, cursor).await
            }
            Selector::System(system) => observations::by_time(self, GroupsOf::Device(system), cursor).await,
            Selector::Device(device) => {
                let system = self.system_of(device).await?;
                observations::by_time(self, GroupsOf::Device(&system), cursor).await
            }
            Selector::Updated if is_observation => observations::by_change(self, cursor).await,
            Selector::Updated => list::list(self, ResourcesOf::Changes(&prefix), cursor).await,
            Selector::Key(key) => list::list(self, ResourcesOf::Key(key), cursor).await,
            Selector::All => list::list(self, ResourcesOf::All(&prefix), cursor).await,
        }
    }

    /// The MDS of a device or metric; itself where the index does not know it.
    async fn system_of(&self, device: &str) -> Result<String, Failure> {
        let Some(found) = self.reads.store.projected_resource(device).await? else {
            return Ok(device.to_owned());
        };
        let rendered = self.renderer.render(&[found.message]).await?;
        let system = rendered.get(&found.message).and_then(|it| system_of(&it.mapped, device));
        Ok(system.unwrap_or_else(|| device.to_owned()))
    }

    /// What is included: each once, and nothing that the reader may not read.
    async fn included(&self, found: &[Matched]) -> Result<Vec<Matched>, Failure> {
        let mut wanted = BTreeSet::new();
        for matched in found {
            wanted.extend(self.included_by(&matched.resource));
        }
        let known: BTreeSet<String> = found.iter().map(|matched| matched.resource.reference()).collect();
        let may_read = |reference: &&String| {
            let kind = ResourceType::of_reference(reference);
            kind.is_some_and(|kind| self.reader.may(Interaction::Read, kind.name()))
        };
        let wanted: Vec<&str> = wanted.difference(&known).filter(may_read).map(String::as_str).collect();
        let rows = self.reads.store.projected_resources(&wanted).await?;
        let mut of_message: BTreeMap<MessageId, Vec<FoundResource>> = BTreeMap::new();
        for row in rows {
            of_message.entry(row.message).or_default().push(row);
        }
        let messages: Vec<MessageId> = of_message.keys().copied().collect();
        let mut included = Vec::new();
        // Each message is mapped once, whatever of it is included.
        for part in messages.chunks(MESSAGES_AT_ONCE) {
            let rendered = self.renderer.render(part).await?;
            for message in part {
                let Some(rendered) = rendered.get(message) else { continue };
                for row in of_message.remove(message).unwrap_or_default() {
                    if let Some(seen) = self.listed(rendered, &row).await? {
                        let json = to_json(&seen.resource)?;
                        included.push(Matched { resource: seen.resource, json });
                    }
                }
            }
        }
        included.sort_by_key(|matched| matched.resource.reference());
        Ok(included)
    }

    fn included_by(&self, resource: &Resource) -> Vec<String> {
        let include = self.query.include;
        let references: Vec<(bool, Option<&Reference>)> = match resource {
            Resource::Observation(it) => {
                vec![(include.device, Some(&it.device)), (include.subject, Some(&it.subject))]
            }
            Resource::Device(it) => vec![(include.device, it.parent.as_ref())],
            Resource::DeviceMetric(it) => {
                vec![(include.device, Some(&it.parent)), (include.source, Some(&it.source))]
            }
            Resource::Patient(_) => Vec::new(),
        };
        let wanted = references.into_iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.filter_map(|(_, reference)| reference?.reference.clone()).collect()
    }
}

/// The address of a search.
fn link(base: &str, query: &Query, page: Option<&str>) -> String {
    let mut url = format!("{base}/{}", query.kind.name());
    let page = page.map(|page| ("_page", page));
    let parameters = query.link.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(page);
    for (number, (name, value)) in parameters.enumerate() {
        url.push(if number == 0 { '?' } else { '&' });
        push_encoded(&mut url, name);
        url.push('=');
        push_encoded(&mut url, value);
    }
    url
}

/// Percent-encodes what is not unreserved (RFC 3986 2.3); a colon and a solidus may stand in a query.
fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Parameters that search another type than that of the answer, and this type.
const CHAINED: [(&str, &str); 2] =
    [("patient.identifier", "Patient"), ("device:DeviceMetric.source", "DeviceMetric")];
