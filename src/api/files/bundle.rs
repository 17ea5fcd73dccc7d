//! A file: what a notification is about, as a FHIR Bundle of the type `collection`.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::caller::Caller;
use super::error::FileError;
use crate::api::partner::key_of;
use crate::clients::{Interaction, Reader};
use crate::fhir::Resource;
use crate::model::{Fingerprint, MessageId};
use crate::render::Rendered;
use crate::store::PartnerNotification;

/// A file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) key: String,
    pub(super) body: Bytes,
    pub(super) etag: String,
    pub(super) at: Timestamp,
    /// The opaque ids of the patients in it.
    pub(super) patients: Vec<String>,
}

/// A Bundle of the type `collection` (R4). Decimals keep the digits that the device sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collection<'r> {
    resource_type: &'static str,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    /// FHIR has no empty lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'r> {
    full_url: String,
    resource: &'r Resource,
}

/// What a listing says of a file.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: usize,
    pub(super) etag: String,
    pub(super) at: Timestamp,
}

/// The file of a notification, and what `then` makes of it. `None`: its message was removed, or the client
/// may not read its device.
pub(super) async fn file<T: Send + 'static>(
    caller: &Caller<'_>,
    own: &PartnerNotification,
    then: impl FnOnce(File) -> T + Send + 'static,
) -> Result<Option<T>, FileError> {
    let of_store = |error| FileError::of_store(&error);
    let Some(message) = own.message else { return Ok(None) };
    let renderer = caller.state.reads.renderer(caller.reader.client()).await.map_err(of_store)?;
    let (reader, base) = (caller.reader.clone(), caller.state.reads.base().to_owned());
    let (key, id, at) = (key_of(&caller.organisation, own.id), own.id, own.at);
    let made = renderer.render_as(message, move |rendered| {
        let may_read = reader.may_read_device(&rendered.message.device);
        may_read.then(|| then(File::of(&rendered, &reader, &base, (key, id, at))))
    });
    Ok(made.await.map_err(of_store)?.flatten())
}

impl File {
    fn of(rendered: &Rendered, reader: &Reader, base: &str, of: (String, MessageId, Timestamp)) -> Self {
        let (key, id, at) = of;
        let may_read = |resource: &&Resource| {
            let reference = resource.reference();
            let kind = reference.split('/').next().unwrap_or_default();
            reader.may(Interaction::Read, kind)
        };
        let entry =
            |resource| Entry { full_url: format!("{base}/{}", Resource::reference(resource)), resource };
        let collection = Collection {
            resource_type: "Bundle",
            id: id.to_string(),
            kind: "collection",
            timestamp: at.to_string(),
            entry: rendered.mapped.resources.iter().filter(may_read).map(entry).collect(),
        };
        let shown = collection.entry.iter().filter_map(|entry| entry.resource.patient());
        let patients: BTreeSet<&str> = shown.collect();
        let patients = patients.into_iter().map(str::to_owned).collect();
        // A resource that cannot be written as JSON is a fault of the program; the file is empty then.
        let body = Bytes::from(serde_json::to_vec(&collection).unwrap_or_default());
        let digest = Fingerprint::sha256(&body).to_string();
        let etag = format!("\"{}\"", digest.get(..32).unwrap_or_default());
        Self { key, body, etag, at, patients }
    }

    /// What a listing says of it.
    pub(super) fn listed(self) -> Listed {
        Listed { key: self.key, size: self.body.len(), etag: self.etag, at: self.at }
    }
}
