//! A file: what a notification is about, as a FHIR Bundle of the type `collection`.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::caller::Caller;
use super::error::FileError;
use crate::api::partner::key_of;
use crate::clients::Interaction;
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

/// The files of these notifications, in their order. Those whose message was removed, or whose device the
/// client may not read, have none.
pub(super) async fn files(caller: &Caller<'_>, of: &[PartnerNotification]) -> Result<Vec<File>, FileError> {
    let messages: Vec<MessageId> = of.iter().filter_map(|own| own.message).collect();
    let of_store = |error| FileError::of_store(&error);
    let renderer = caller.state.reads.renderer(caller.reader.client()).await.map_err(of_store)?;
    let rendered = renderer.render(&messages).await.map_err(of_store)?;
    let file = |own: &PartnerNotification| {
        let found = rendered.get(&own.message?)?;
        caller.reader.may_read_device(&found.message.device).then(|| file_of(caller, own, found))
    };
    Ok(of.iter().filter_map(file).collect())
}

fn file_of(caller: &Caller<'_>, own: &PartnerNotification, rendered: &Rendered) -> File {
    let base = caller.state.reads.base();
    let may_read = |resource: &&Resource| {
        let reference = resource.reference();
        let kind = reference.split('/').next().unwrap_or_default();
        caller.reader.may(Interaction::Read, kind)
    };
    let entry = |resource| Entry { full_url: format!("{base}/{}", Resource::reference(resource)), resource };
    let collection = Collection {
        resource_type: "Bundle",
        id: own.id.to_string(),
        kind: "collection",
        timestamp: own.at.to_string(),
        entry: rendered.mapped.resources.iter().filter(may_read).map(entry).collect(),
    };
    // A resource that cannot be written as JSON is a fault of the program; the file is empty then.
    let body = Bytes::from(serde_json::to_vec(&collection).unwrap_or_default());
    let digest = Fingerprint::sha256(&body).to_string();
    let etag = format!("\"{}\"", digest.get(..32).unwrap_or_default());
    File { key: key_of(&caller.organisation, own.id), body, etag, at: own.at }
}
