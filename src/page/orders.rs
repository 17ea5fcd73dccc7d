//! `/orders`: messages for devices, and what became of them.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::element::{Html, Tone, device_link};
use super::frame::Frame;
use super::layout::{Choice, Facts, Table, choices};
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::{given, older};
use super::response::page;
use super::visitor::Visitor;
use crate::model::MessageId;
use crate::store::{OutboxEntry, OutboxFilter};
use crate::view::OrderView;

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    device: Option<String>,
    waiting: Option<String>,
    before: Option<String>,
    /// One order.
    id: Option<String>,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    device: String,
    states: Vec<Choice>,
    expired: Table,
    table: Table,
    older: Html,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    frame: Frame,
    outcome: Html,
    facts: Facts,
    act: Html,
    control_id: String,
}

/// A page of orders; one order with `id`.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/orders", "Orders to devices");
    if let Some(id) = given(filters.id) {
        let found = match id.parse::<MessageId>() {
            Ok(id) => state.store().outbox_entry(id).await.or_failure(&frame)?,
            Err(_) => None,
        };
        return match found {
            Some((entry, _)) => Ok(page(&one(frame, &entry))),
            None => Err(Failure::missing(frame, "There is no such order", "Retention may have removed it.")),
        };
    }
    let (device, waiting) =
        (given(filters.device).unwrap_or_default(), given(filters.waiting).unwrap_or_default());
    let parsed = (!device.is_empty()).then(|| device.parse()).transpose();
    let before = given(filters.before);
    let is_first = before.is_none();
    let before = before.map(|id| id.parse()).transpose();
    let (Ok(parsed), Ok(before)) = (parsed, before) else {
        let help = "The device must be a Common Name, and the position an id of an order.";
        return Err(Failure::unusable(frame, "This search cannot be made", help));
    };
    if !matches!(waiting.as_str(), "" | "1") {
        let help = "The parameter waiting is 1 for orders that wait, or is left out.";
        return Err(Failure::unusable(frame, "This search cannot be made", help));
    }
    let filter = OutboxFilter { device: parsed, waiting: waiting == "1", before, limit: ROWS };
    let entries = state.store().outbox(&filter).await.or_failure(&frame)?;
    let is_full = entries.len() >= ROWS as usize;
    let last = entries.last().filter(|_| is_full).map(|entry| entry.id.to_string());
    let is_urgent = |entry: &&OutboxEntry| matches!(OrderView::from(*entry).outcome, "expired" | "refused");
    let (expired, others): (Vec<_>, Vec<_>) = entries.iter().partition(is_urgent);
    let expired = table("Orders that expired or were refused", "", &expired, &frame);
    let table = table("Orders, newest first", "No order fits.", &others, &frame);
    let older = older("/orders", &[("device", &device), ("waiting", &waiting)], last);
    let states = choices([("", "all"), ("1", "waiting")], &waiting);
    let frame = if is_first { frame.live() } else { frame };
    Ok(page(&OrdersPage { frame, device, states, expired, table, older }))
}

fn table(caption: &str, empty: &str, entries: &[&OutboxEntry], frame: &Frame) -> Table {
    let columns = ["Queued", "Device", "Kind", "Control id", "Outcome", "Sent", "Expires", "By"];
    let row = |entry: &&OutboxEntry| {
        let queued = frame.times.moment(entry.queued_at);
        let order = OrderView::from(*entry);
        vec![
            Html::written(format!("<a href=\"/orders?id={}\">{queued}</a>", entry.id)),
            device_link(order.device),
            Html::text(order.message_type),
            Html::code(order.control_id),
            outcome(&order),
            Html::text(&match order.attempts {
                0 => "not yet".to_owned(),
                1 => "once".to_owned(),
                many => format!("{many} times"),
            }),
            frame.times.moment(entry.expires_at),
            Html::text(order.queued_by),
        ]
    };
    Table::new(caption, &columns, empty).with(entries.iter().map(row)).list()
}

fn outcome(order: &OrderView<'_>) -> Html {
    let tone = match order.outcome {
        "acknowledged" => Tone::Good,
        "expired" | "refused" => Tone::Bad,
        "unconfirmed" => Tone::Watch,
        _ => Tone::Quiet,
    };
    Html::tag(tone, order.outcome)
}

fn one(frame: Frame, entry: &OutboxEntry) -> OrderPage {
    let order = OrderView::from(entry);
    let times = &frame.times;
    let answer = entry.answer.map(|id| Html::link(&format!("/messages/{id}"), "the message that answered"));
    let facts = Facts::new([
        ("Device", device_link(order.device)),
        ("Kind", Html::text(order.message_type)),
        ("Control id", Html::code(order.control_id)),
        ("Queued", times.moment(entry.queued_at)),
        ("By", Html::text(order.queued_by)),
        ("Expires", times.moment(entry.expires_at)),
        ("Attempts", Html::text(&order.attempts.to_string())),
        ("Last attempt", entry.sent_at.map(|at| times.moment(at)).unwrap_or_default()),
        ("Delivery", Html::text(&order.delivery.replace('-', " "))),
        ("Device answered", Html::text(order.acknowledgement.unwrap_or_default())),
        ("Answer", answer.unwrap_or_default()),
        ("Result until", entry.result.map(|result| times.moment(result.until)).unwrap_or_default()),
        ("Settled", entry.settled.map(|(_, at)| times.moment(at)).unwrap_or_default()),
        ("Reason", Html::text(order.reason.unwrap_or_default())),
        ("Id", Html::code(&order.id)),
    ]);
    let frame = Frame { title: format!("Order {}", order.control_id), ..frame };
    let act = if frame.visitor.may_operate && order.outcome == "waiting" {
        Html::button(&format!("/orders/{}/withdraw", order.id), "Withdraw …")
    } else {
        Html::default()
    };
    OrderPage { act, outcome: outcome(&order), facts, control_id: order.control_id.to_owned(), frame }
}

const ROWS: u32 = 100;
