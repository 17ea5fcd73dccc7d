//! `/api/messages/search`: a look at content, so a POST with a reason, which is recorded.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::response::page_limit;
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::http::person::Person;
use crate::http::problem::Problem;
use crate::store::MessageFilter;
use crate::view::{ContentQuery, ContentTerms, MessageView};

/// What is searched for: a number of a patient, a number of an order, or a text.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http) struct SearchQuestion {
    /// A number of a patient or a visit, as PID-2, -3, -4, -18, -19, PV1-19 or MRG-1 has it.
    #[serde(default)]
    patient: String,
    /// A number of an order, as ORC-2, ORC-3, OBR-2 or OBR-3 has it.
    #[serde(default)]
    order: String,
    /// A text, in upper or lower case; needs a device, a time, or one of the numbers.
    #[serde(default)]
    text: String,
    /// The name of the segments in which the text is looked for; empty: all.
    #[serde(default)]
    segment: String,
    /// Only messages from the device with this Common Name.
    device: Option<String>,
    /// Only messages received at this time (RFC 3339) or later.
    since: Option<String>,
    /// Only messages older than this one: `stopped-at` of the previous page.
    before: Option<String>,
    /// Messages that are shown; without it 100.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Why, for the audit trail; without names and numbers of patients.
    reason: String,
}

/// What was found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) struct SearchResult {
    /// The messages without their content, newest first, as `/api/messages` has them.
    messages: Vec<Value>,
    /// How many messages were read.
    searched: u64,
    /// The last message that was read, where older ones were not; the search goes on before it.
    stopped_at: Option<String>,
    /// By patient and order nothing older than this is found; null: nothing is indexed.
    searched_since: Option<String>,
}

/// Messages by a number of a patient or an order, or by a text.
#[utoipa::path(post, path = "/api/messages/search", tag = "read", request_body = SearchQuestion,
    responses((status = 200, body = SearchResult)))]
pub(in crate::http) async fn search(
    person: Person,
    State(state): State<AdminState>,
    Json(question): Json<SearchQuestion>,
) -> Result<PlainJson<SearchResult>, Problem> {
    let terms = ContentTerms {
        patient: &question.patient,
        order: &question.order,
        segment: &question.segment,
        text: &question.text,
    };
    let reason = terms.reason(&question.reason).map_err(Problem::bad_request)?;
    let limit = page_limit(question.limit)?;
    let filter = question.filter(limit).ok_or_else(|| {
        Problem::bad_request(
            "device must be a Common Name, since a time such as 2026-01-31T08:00:00Z, and before an id that \
             /api/messages shows",
        )
    })?;
    let key = state.store.patient_key().await;
    let query = ContentQuery::new(terms, filter, &key).map_err(Problem::bad_request)?;
    let found = state.search_content(&person, &query, reason).await?;
    let since = state.store.searched_since().await?;
    let view = |message| serde_json::to_value(MessageView::from(message)).unwrap_or_default();
    Ok(PlainJson(SearchResult {
        messages: found.messages.iter().map(view).collect(),
        searched: found.searched,
        stopped_at: found.stopped_at.map(|id| id.to_string()),
        searched_since: since.map(|at| at.to_string()),
    }))
}

impl SearchQuestion {
    fn filter(&self, limit: u32) -> Option<MessageFilter> {
        let device = self.device.as_ref().map(|name| name.parse()).transpose().ok()?;
        let since = self.since.as_ref().map(|time| time.parse::<Timestamp>()).transpose().ok()?;
        let before = self.before.as_ref().map(|id| id.parse()).transpose().ok()?;
        Some(MessageFilter { device, since, before, limit, ..MessageFilter::default() })
    }
}
