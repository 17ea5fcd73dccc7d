//! `Bundle`: answers to searches, and the versions of a resource.

use serde::Serialize;
use serde_json::value::RawValue;

/// A `Bundle`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    resource_type: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it was made.
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

/// A part of a bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    full_url: Option<String>,
    resource: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Search>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
}

#[derive(Debug, Serialize)]
struct Search {
    mode: &'static str,
}

#[derive(Debug, Serialize)]
struct Request {
    method: &'static str,
    url: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status: &'static str,
    etag: String,
    last_modified: String,
}

/// Why a resource is in the answer to a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchMode {
    /// It was searched.
    Match,
    /// Something that was found refers to it.
    Include,
    /// It is about the search.
    Outcome,
}

impl Bundle {
    /// The answer to a search.
    #[must_use]
    pub fn search(timestamp: String, own: String, entry: Vec<Entry>) -> Self {
        Self::of("searchset", timestamp, own, entry)
    }

    /// Versions of a resource.
    #[must_use]
    pub fn history(timestamp: String, own: String, entry: Vec<Entry>) -> Self {
        Self::of("history", timestamp, own, entry)
    }

    fn of(kind: &'static str, timestamp: String, own: String, entry: Vec<Entry>) -> Self {
        let link = vec![Link { relation: "self", url: own }];
        Self { resource_type: "Bundle", kind, timestamp, total: None, link, entry }
    }

    /// The same with the address of the next page.
    #[must_use]
    pub fn with_next(mut self, url: String) -> Self {
        self.link.push(Link { relation: "next", url });
        self
    }

    /// The same with the number of all that was found.
    #[must_use]
    pub fn with_total(self, total: Option<u64>) -> Self {
        Self { total, ..self }
    }
}

impl Entry {
    /// A resource of a search, as JSON.
    #[must_use]
    pub fn found(base: &str, reference: &str, resource: Box<RawValue>, mode: SearchMode) -> Self {
        let mode = match mode {
            SearchMode::Match => "match",
            SearchMode::Include => "include",
            SearchMode::Outcome => "outcome",
        };
        let full_url = (mode != "outcome").then(|| format!("{base}/{reference}"));
        Self { full_url, resource, search: Some(Search { mode }), request: None, response: None }
    }

    /// A version of a resource, as JSON.
    #[must_use]
    pub fn version(
        base: &str,
        reference: &str,
        resource: Box<RawValue>,
        version: u64,
        last_modified: String,
    ) -> Self {
        Self {
            full_url: Some(format!("{base}/{reference}")),
            resource,
            search: None,
            request: Some(Request { method: "PUT", url: reference.to_owned() }),
            response: Some(Response {
                status: if version == 1 { "201" } else { "200" },
                etag: format!("W/\"{version}\""),
                last_modified,
            }),
        }
    }
}
