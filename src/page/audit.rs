//! `/audit`: the audit trail, and whether it is whole.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::element::{Html, Tone, grouped};
use super::event::in_words;
use super::frame::Frame;
use super::layout::{Choice, Facts, Table, choices};
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::{SPANS, given, older, since};
use super::response::page;
use super::visitor::Visitor;
use crate::audit::Event;
use crate::http::AdminState;
use crate::store::{AuditFilter, AuditRow, Page, WITHOUT_MESSAGES};

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    event: Option<String>,
    device: Option<String>,
    since: Option<String>,
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    state: Html,
    state_text: String,
    facts: Facts,
    chains: Table,
    events: Vec<Choice>,
    spans: Vec<Choice>,
    table: Table,
    older: Html,
    device: String,
}

/// A page of the trail.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/audit", "Audit trail");
    // Accepted messages are as many as the messages: they are shown when they are asked for.
    let event = given(filters.event).unwrap_or_else(|| WITHOUT_MESSAGES.to_owned());
    let span = given(filters.since).unwrap_or_default();
    let is_group = [WITHOUT_MESSAGES, EVERYTHING].contains(&event.as_str());
    if !is_group && !Event::NAMES.contains(&event.as_str()) {
        let help = "The list of events names what can be searched for.";
        return Err(Failure::unusable(frame, format!("There is no event {event}"), help));
    }
    let device = given(filters.device).unwrap_or_default();
    let parsed = (!device.is_empty()).then(|| device.parse()).transpose();
    let Ok(parsed) = parsed else {
        return Err(Failure::unusable(
            frame,
            "This search cannot be made",
            "The device must be a Common Name.",
        ));
    };
    let from = since(&span, frame.times.now());
    if from.is_none() && !span.is_empty() {
        let help = "The time must be a duration such as 24h, or a time such as 2026-01-31T08:00:00Z.";
        return Err(Failure::unusable(frame, "This search cannot be made", help));
    }
    let position = filters.before.map_or(Page::Latest, Page::Before);
    let filter = AuditFilter {
        event: (event != EVERYTHING).then(|| event.clone()),
        device: parsed,
        since: from,
        page: position,
        limit: ROWS,
    };
    let (rows, _) = state.store().audit_page(&filter, MAX_BYTES).await.or_failure(&frame)?;
    let last = rows.last().filter(|row| row.sequence > 1).map(|row| row.sequence.to_string());
    let last = last.filter(|_| rows.len() >= ROWS as usize);
    let trail = state.store().latest_events(&["audit-signed", "audit-verified", "audit-pruned"], 1);
    let trail = trail.await.or_failure(&frame)?;
    let (tag, state_text) = wholeness(&state, &trail);
    let names = Event::NAMES.iter().map(|name| (*name, *name));
    let page_of = AuditPage {
        state: tag,
        state_text,
        facts: facts(&frame, &trail),
        chains: chains(&trail),
        events: choices(GROUPS.into_iter().chain(names), &event),
        spans: choices(SPANS, &span),
        table: table(&rows, &frame),
        older: older("/audit", &[("event", &event), ("device", &device), ("since", &span)], last),
        device,
        frame,
    };
    Ok(page(&page_of))
}

/// What a verification found.
#[derive(Clone, Copy)]
pub(super) enum Found {
    Whole,
    Broken,
    /// Every chain is whole, and a place that was noted elsewhere is not in one.
    PlaceMissing,
}

impl Found {
    pub(super) fn tag(self) -> Html {
        match self {
            Self::Whole => Html::tag(Tone::Good, "whole"),
            Self::Broken => Html::tag(Tone::Bad, "broken"),
            Self::PlaceMissing => Html::tag(Tone::Watch, "a noted place is missing"),
        }
    }
}

/// What a row `audit-verified` says.
pub(super) fn found(verified: &AuditRow) -> Found {
    let details = details(verified);
    let is_broken = |chain: &Value| !chain.get("broken-row").is_none_or(Value::is_null);
    let chains = details.get("chains").and_then(Value::as_array);
    let are_missing = details.get("missing-heads").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    if details.get("intact").and_then(Value::as_bool) == Some(true) {
        Found::Whole
    } else if are_missing && !chains.into_iter().flatten().any(is_broken) {
        Found::PlaceMissing
    } else {
        Found::Broken
    }
}

/// Whether the trail is whole, in a word and a sentence.
fn wholeness(state: &AdminState, trail: &[AuditRow]) -> (Html, String) {
    if let Some(divergence) = state.store().own_chain().refused() {
        return (Html::tag(Tone::Bad, "broken"), format!("{divergence}"));
    }
    let verified = trail.iter().find(|row| row.event == "audit-verified");
    match verified.map(found) {
        Some(found @ Found::Whole) => (found.tag(), "The last verification found every chain whole.".to_owned()),
        Some(found @ Found::Broken) => (
            found.tag(),
            "The last verification found a chain broken: pcd-platform audit verify names the row.".to_owned(),
        ),
        Some(found @ Found::PlaceMissing) => (
            found.tag(),
            "The last verification was given a signed place that is not in the trail: it was mistyped, or the end of \
             the trail was cut off. Compare it with where it was noted."
                .to_owned(),
        ),
        None => (
            Html::tag(Tone::Quiet, "not verified yet"),
            "The trail was not verified yet: run pcd-platform audit verify.".to_owned(),
        ),
    }
}

fn facts(frame: &Frame, trail: &[AuditRow]) -> Facts {
    let last = |event: &str| trail.iter().find(|row| row.event == event);
    let when = |row: &AuditRow| {
        Html::joined([frame.times.moment(row.at), Html::muted(&frame.times.relative(row.at))])
    };
    let verified = last("audit-verified").map(|row| {
        let actor = details(row).get("actor").and_then(Value::as_str).map(str::to_owned);
        Html::joined([when(row), Html::text(&format!("by {}", actor.unwrap_or_default()))])
    });
    let number = |row: &AuditRow| details(row).get("number").and_then(Value::as_u64).unwrap_or_default();
    let signed = last("audit-signed").map(|row| {
        Html::joined([when(row), Html::text(&format!("up to row {} of this node", grouped(number(row))))])
    });
    let pruned = last("audit-pruned").map(|row| {
        Html::joined([
            when(row),
            Html::text(&format!("rows up to {} were removed by retention", grouped(number(row)))),
        ])
    });
    Facts::new([
        ("Verified", verified.unwrap_or_default()),
        ("Signed", signed.unwrap_or_default()),
        ("Pruned", pruned.unwrap_or_default()),
    ])
}

/// The chains as the last verification found them.
fn chains(trail: &[AuditRow]) -> Table {
    let verified = trail.iter().find(|row| row.event == "audit-verified").map(details);
    let chains = verified.as_ref().and_then(|it| it.get("chains")).and_then(Value::as_array);
    let text = |chain: &Value, key: &str| match chain.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.as_u64().map(grouped).unwrap_or_default(),
        _ => String::new(),
    };
    let row = |chain: &Value| {
        let broken = text(chain, "broken-row");
        let state = if broken.is_empty() {
            Html::tag(Tone::Good, "whole")
        } else {
            Html::joined([Html::tag(Tone::Bad, "broken"), Html::text(&format!("at row {broken}"))])
        };
        vec![Html::text(&text(chain, "node")), state, Html::text(&text(chain, "rows"))]
    };
    let columns = ["Node", "State", "Rows"];
    Table::new("Chains at the last verification", &columns, "").with(chains.into_iter().flatten().map(row))
}

fn table(rows: &[AuditRow], frame: &Frame) -> Table {
    let columns = ["When", "Event", "Who", "What", "Why", "Row"];
    let row = |row: &AuditRow| {
        let in_words = in_words(row, &frame.times);
        vec![
            frame.times.moment(row.at),
            Html::code(&row.event),
            in_words.who,
            in_words.what,
            in_words.why,
            Html::muted(&format!("{} · {}", row.node, row.number)),
        ]
    };
    Table::new("Audit trail, newest first", &columns, "No row fits.").with(rows.iter().map(row)).list()
}

fn details(row: &AuditRow) -> Value {
    serde_json::from_str(&row.details).unwrap_or(Value::Null)
}

/// The value of the filter that leaves nothing out.
const EVERYTHING: &str = "all";
const GROUPS: [(&str, &str); 2] =
    [(WITHOUT_MESSAGES, "all but accepted messages"), (EVERYTHING, "all events")];
const ROWS: u32 = 100;
/// Bytes of the details of the rows of one page, about.
const MAX_BYTES: usize = 1 << 18;
