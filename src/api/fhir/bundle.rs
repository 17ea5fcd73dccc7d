//! A page of an answer while it is filled.

use serde_json::value::RawValue;

use super::answer::Failure;
use super::cursor::Cursor;
use crate::fhir::Resource;
use crate::model::explained;

/// A resource of a page, and its JSON.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) resource: Resource,
    pub(super) json: Box<RawValue>,
}

/// What a page has, and where the next one begins.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) found: Vec<Matched>,
    pub(super) next: Option<Cursor>,
    pub(super) total: Option<u64>,
}

/// Fills a page up to its count and its bytes.
#[derive(Debug)]
pub(super) struct Collector {
    found: Vec<Matched>,
    bytes: usize,
    count: usize,
    max_bytes: usize,
}

impl Collector {
    pub(super) const fn new(count: usize, max_bytes: usize) -> Self {
        Self { found: Vec::new(), bytes: 0, count, max_bytes }
    }

    /// Whether nothing more is taken.
    pub(super) const fn is_full(&self) -> bool {
        self.found.len() >= self.count || self.bytes >= self.max_bytes
    }

    pub(super) fn push(&mut self, resource: Resource) -> Result<(), Failure> {
        let json = to_json(&resource)?;
        self.bytes = self.bytes.saturating_add(json.get().len());
        self.found.push(Matched { resource, json });
        Ok(())
    }

    pub(super) fn finish(self, next: Option<Cursor>, total: Option<u64>) -> Page {
        Page { found: self.found, next, total }
    }
}

pub(super) fn to_json(resource: &impl serde::Serialize) -> Result<Box<RawValue>, Failure> {
    serde_json::value::to_raw_value(resource).map_err(|error| {
        tracing::error!(error = %explained(&error), "a FHIR resource could not be written as JSON");
        Failure::fault()
    })
}
