//! `/messages`: received messages, newest first, with filters in the address.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::element::{Html, Tone, address, device_link, help_link};
use super::frame::Frame;
use super::layout::{Choice, Table, choices};
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::{SPANS, given, older, since};
use super::response::page;
use super::times::rounded;
use super::visitor::Visitor;
use crate::model::size_text;
use crate::pcd::DeviceIdentity;
use crate::store::{ForwardFilter, MessageFilter, MessageSummary, SearchEnd};

/// The filters of the form, as the address has them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    device: Option<String>,
    identity: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    verdict: Option<String>,
    reason: Option<String>,
    warning: Option<String>,
    forward: Option<String>,
    control_id: Option<String>,
    since: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage {
    frame: Frame,
    form: Form,
    table: Table,
    end: Option<String>,
    older: Html,
}

/// The form, with the present filters in it.
struct Form {
    device: String,
    identity: String,
    control_id: String,
    reason: String,
    warning: String,
    kinds: Vec<Choice>,
    verdicts: Vec<Choice>,
    spans: Vec<Choice>,
    /// In a gateway, or with such a filter.
    forwards: Vec<Choice>,
    is_filtered: bool,
}

/// A page of received messages.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/messages", "Messages");
    let shown = Shown::read(filters);
    let is_first = shown.before.is_empty();
    let filter = match shown.filter(frame.times.now()) {
        Ok(filter) => filter,
        Err(help) => return Err(Failure::unusable(frame, "This search cannot be made", help)),
    };
    let (messages, end) = state.store().search_messages(&filter).await.or_failure(&frame)?;
    let is_full = messages.len() >= ROWS as usize;
    let last = messages.last().filter(|_| is_full).map(|message| message.id.to_string());
    let last = last.or_else(|| end.as_ref().map(|end| end.floor.to_string()));
    let end = end.map(|end| stopped(&end));
    let table = table(&messages, &frame, shown.empty());
    let older = older("/messages", &shown.pairs(), last);
    let frame = if is_first { frame.live() } else { frame };
    let is_gateway = state.config().load().gateway.is_some();
    Ok(page(&MessagesPage { form: shown.form(is_gateway), frame, table, end, older }))
}

/// The last messages of a device, as its page shows them.
pub(super) fn table(messages: &[MessageSummary], frame: &Frame, empty: &str) -> Table {
    let rows = messages.iter().map(|message| row(message, frame));
    let columns = ["Received", "Device", "Kind", "Control id", "Answer", "Warnings", "Event before", "Size"];
    Table::new("Received messages, newest first", &columns, empty).with(rows).list()
}

fn row(message: &MessageSummary, frame: &Frame) -> Vec<Html> {
    let id = message.id.to_string();
    let received = frame.times.moment(message.received_at);
    let open = Html::written(format!("<a href=\"/messages/{id}\">{received}</a>"));
    let kind = message.transaction.as_deref().unwrap_or(&message.message_type);
    let warnings = message.warnings.iter().take(MAX_WARNINGS).map(|code| warning_link(code));
    let more = message.warnings.len().saturating_sub(MAX_WARNINGS);
    let more = if more > 0 { Html::muted(&format!("+{more}")) } else { Html::default() };
    let delay = message.event_time.map(|event| {
        let delay = message.received_at.duration_since(event);
        if delay.is_negative() { format!("−{}", rounded(delay.abs())) } else { rounded(delay) }
    });
    vec![
        open,
        device_link(message.device.as_str()),
        Html::text(kind),
        Html::code(&message.control_id),
        verdict(message.verdict.rejection()),
        Html::joined(warnings.chain([more])),
        Html::text(&delay.unwrap_or_default()),
        Html::text(&size_text(message.size)),
    ]
}

/// The verdict, with the reason as a link to its explanation.
pub(super) fn verdict(rejection: Option<&str>) -> Html {
    Html::joined([verdict_tag(rejection), rejection.map(|code| help_link(code, code)).unwrap_or_default()])
}

/// The verdict alone.
pub(super) fn verdict_tag(rejection: Option<&str>) -> Html {
    if rejection.is_some() { Html::tag(Tone::Bad, "rejected") } else { Html::tag(Tone::Good, "accepted") }
}

/// A warning, as a link to the messages that have it.
pub(super) fn warning_link(code: &str) -> Html {
    Html::link(&address("/messages", &[("warning", code)]), code)
}

fn stopped(end: &SearchEnd) -> String {
    format!(
        "The search stopped here, because the store has no index on {}. Choose a device or a time, or go on with \
         the older messages.",
        end.missing_index
    )
}

/// The filters without their empty fields.
#[derive(Debug, Clone, Default)]
struct Shown {
    device: String,
    identity: String,
    kind: String,
    verdict: String,
    reason: String,
    warning: String,
    forward: String,
    control_id: String,
    since: String,
    before: String,
}

impl Shown {
    fn read(filters: Filters) -> Self {
        let text = |value| given(value).unwrap_or_default();
        Self {
            device: text(filters.device),
            identity: text(filters.identity),
            kind: text(filters.kind),
            verdict: text(filters.verdict),
            reason: text(filters.reason),
            warning: text(filters.warning),
            forward: text(filters.forward),
            control_id: text(filters.control_id),
            since: text(filters.since),
            before: text(filters.before),
        }
    }

    /// The filters of the address, without the position of the page.
    fn pairs(&self) -> [(&'static str, &str); 9] {
        [
            ("device", &self.device),
            ("identity", &self.identity),
            ("type", &self.kind),
            ("verdict", &self.verdict),
            ("reason", &self.reason),
            ("warning", &self.warning),
            ("forward", &self.forward),
            ("control-id", &self.control_id),
            ("since", &self.since),
        ]
    }

    fn filter(&self, now: Timestamp) -> Result<MessageFilter, String> {
        let none = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let device = none(&self.device).map(|name| name.parse()).transpose();
        let device = device.map_err(|_| format!("{} is no Common Name of a device.", self.device))?;
        let before = none(&self.before).map(|id| id.parse()).transpose();
        let before = before.map_err(|_| "The position of the page is no id of a message.".to_owned())?;
        let identity = none(&self.identity).map(|text| DeviceIdentity::parse(&text).ok_or(()));
        let identity =
            identity.transpose().map_err(|()| "An identity has at least one character.".to_owned())?;
        let since = none(&self.since).map(|text| since(&text, now).ok_or(()));
        let since = since.transpose().map_err(|()| {
            "The time must be a duration such as 24h or 7d, or a time such as 2026-01-31T08:00:00Z."
                .to_owned()
        })?;
        let rejected = match self.verdict.as_str() {
            "" => false,
            "rejected" => true,
            other => return Err(format!("The verdict may be “rejected” or empty, and is {other}.")),
        };
        let forward = none(&self.forward).map(|name| ForwardFilter::parse(&name, now).ok_or(name));
        let forward = forward.transpose().map_err(|name| {
            format!("“forward” may be {} or empty, and is {name}.", ForwardFilter::NAMES.join(", "))
        })?;
        Ok(MessageFilter {
            device,
            identity,
            key: None,
            kind: none(&self.kind),
            since,
            rejected,
            reason: none(&self.reason),
            warning: none(&self.warning),
            forward,
            control_id: none(&self.control_id),
            before,
            limit: ROWS,
        })
    }

    const fn empty(&self) -> &'static str {
        if self.device.is_empty() && self.reason.is_empty() && self.control_id.is_empty() {
            "No message fits."
        } else {
            "No message fits. The names of devices, reasons and control ids must be written as the messages have them."
        }
    }

    fn form(&self, is_gateway: bool) -> Form {
        let is_forwarded = is_gateway || !self.forward.is_empty();
        let forwards = if is_forwarded { choices(FORWARDS, &self.forward) } else { Vec::new() };
        Form {
            device: self.device.clone(),
            identity: self.identity.clone(),
            control_id: self.control_id.clone(),
            reason: self.reason.clone(),
            warning: self.warning.clone(),
            kinds: choices(KINDS, &self.kind),
            verdicts: choices([("", "all"), ("rejected", "rejected")], &self.verdict),
            spans: choices(SPANS, &self.since),
            forwards,
            is_filtered: self.pairs().iter().any(|(_, value)| !value.is_empty()),
        }
    }
}

const KINDS: [(&str, &str); 8] = [
    ("", "all"),
    ("PCD-01", "PCD-01 values"),
    ("PCD-03", "PCD-03 orders"),
    ("PCD-04", "PCD-04 alarms"),
    ("PCD-05", "PCD-05 alarm states"),
    ("PCD-10", "PCD-10 pump events"),
    ("PCD-15", "PCD-15 device states"),
    ("PCD-16", "PCD-16 equipment"),
];

/// Where messages are on their way to the platform of a gateway.
const FORWARDS: [(&str, &str); 4] = [
    ("", "all"),
    ("waiting", "waiting for it"),
    ("refused", "refused by it"),
    ("refused-24h", "refused in the last 24 hours"),
];

/// Rows of a page.
const ROWS: u32 = 100;
/// Warnings in one row.
const MAX_WARNINGS: usize = 3;
