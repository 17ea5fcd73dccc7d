//! `/messages/search`: messages by patient, order or text. A look at content: the form is sent as a POST, so
//! that what is searched for is in no address, no log and no history of a browser.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::element::{Html, grouped, sentence};
use super::frame::Frame;
use super::layout::{Choice, Table, choices};
use super::messages;
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::query::{SPANS, since};
use super::response::page_with;
use super::visitor::Visitor;
use crate::http::{AdminState, Person};
use crate::model::{MessageId, PatientKey};
use crate::store::{MessageFilter, Scanned};
use crate::view::{ContentQuery, ContentTerms};

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    asked: Asked,
    /// Why the search cannot be made; possibly empty.
    problem: String,
    spans: Vec<Choice>,
    /// Since when messages are found by patient and order.
    reach: Html,
    found: Option<Found>,
}

/// What was found.
struct Found {
    table: Table,
    /// How far the search went.
    note: String,
    /// The last message that was read; the search goes on before it. Empty: there is nothing older.
    before: String,
}

/// What is shown below the form, or above it.
enum Outcome {
    /// Nothing was searched for.
    None,
    Found(Found),
    /// Why the search cannot be made.
    Unusable(&'static str),
}

/// The form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    patient: String,
    order: String,
    segment: String,
    text: String,
    device: String,
    since: String,
    before: String,
    reason: String,
}

/// The empty form.
pub(super) async fn form(State(state): Pages, visitor: Visitor) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/messages", TITLE);
    show(&state, frame, Asked::default(), Outcome::None).await
}

/// A page of what is found, once the audit trail says who searches and why.
pub(super) async fn results(
    State(state): Pages,
    person: Person,
    Form(asked): Form<Asked>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/messages", TITLE);
    let key = state.store().patient_key().await;
    let (query, reason) = match asked.query(&frame, &key) {
        Ok(asked) => asked,
        // With what the person has written: one field of several is to be changed.
        Err(why) => return Ok(show(&state, frame, asked, Outcome::Unusable(why)).await?),
    };
    let scanned = state.search_content(&person, &query, reason).await?;
    let found = Found::new(&scanned, &frame, !asked.text.trim().is_empty());
    Ok(show(&state, frame, asked, Outcome::Found(found)).await?)
}

async fn show(state: &AdminState, frame: Frame, asked: Asked, outcome: Outcome) -> Result<Response, Failure> {
    let reach = match state.store().searched_since().await.or_failure(&frame)? {
        Some(oldest) => Html::joined([
            Html::text("By patient and order, messages are found since"),
            frame.times.moment(oldest),
        ]),
        None => Html::text("No message in the store has a number of a patient or an order that is indexed"),
    };
    let spans = choices(SPANS, &asked.since);
    let (status, problem, found) = match outcome {
        Outcome::None => (StatusCode::OK, String::new(), None),
        Outcome::Found(found) => (StatusCode::OK, String::new(), Some(found)),
        Outcome::Unusable(why) => {
            (StatusCode::BAD_REQUEST, format!("This search cannot be made. {}", sentence(why)), None)
        }
    };
    Ok(page_with(status, &SearchPage { frame, asked, problem, spans, reach, found }))
}

impl Asked {
    /// The search and its reason.
    fn query(&self, frame: &Frame, key: &PatientKey) -> Result<(ContentQuery, String), &'static str> {
        let Self { patient, order, segment, text, .. } = self;
        let terms = ContentTerms { patient, order, segment, text };
        let reason = terms.reason(&self.reason)?;
        Ok((ContentQuery::new(terms, self.filter(frame)?, key)?, reason))
    }

    fn filter(&self, frame: &Frame) -> Result<MessageFilter, &'static str> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let device = given(&self.device).map(|name| name.parse()).transpose();
        let device = device.map_err(|_| "the device must be the Common Name of a certificate")?;
        let since = given(&self.since).map(|text| since(&text, frame.times.now()).ok_or(()));
        let since = since.transpose().map_err(
            |()| "the time must be a duration such as 24h or 7d, or a time such as 2026-01-31T08:00:00Z",
        )?;
        let before = given(&self.before).map(|id| id.parse::<MessageId>()).transpose();
        let before = before.map_err(|_| "the position of the page is no id of a message")?;
        Ok(MessageFilter { device, since, before, limit: ROWS, ..MessageFilter::default() })
    }
}

impl Found {
    fn new(scanned: &Scanned, frame: &Frame, is_text: bool) -> Self {
        let table = messages::table(&scanned.messages, frame, "No message fits.");
        let before = scanned.stopped_at.map(|id| id.to_string()).unwrap_or_default();
        let note = match (is_text, scanned.stopped_at.is_some()) {
            (true, true) => format!("{} messages were read; older ones were not.", grouped(scanned.searched)),
            (true, false) => format!("{} messages were read: all that there are.", grouped(scanned.searched)),
            (false, _) => String::new(),
        };
        Self { table, note, before }
    }
}

const TITLE: &str = "Search by patient, order or text";
/// Rows of a page.
const ROWS: u32 = 100;
