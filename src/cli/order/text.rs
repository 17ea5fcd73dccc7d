//! Orders as text.

use crate::cli::Output;
use crate::cli::text::{column, paragraph};
use crate::view::OrderView;

/// The names of the columns of the list.
pub(super) fn header() -> String {
    let [id, queued, device, kind, control_id, outcome, answer, sent] =
        ["ID", "QUEUED", "DEVICE", "TYPE", "CONTROL ID", "OUTCOME", "ANSWER", "SENT"];
    format!(
        "{id:<36}  {queued:<33}  {device:<20}  {kind:<16}  {control_id:<20}  {outcome:<12}  {answer} {sent}"
    )
}

/// A row of the list.
pub(super) fn line(order: &OrderView<'_>, output: Output) -> String {
    format!(
        "{}  {:<33}  {:<20}  {:<16}  {:<20}  {:<12}  {:<2}  sent {}{}{}",
        order.id,
        output.time(&order.queued_at),
        column(order.device),
        column(order.message_type),
        column(order.control_id),
        order.outcome,
        order.acknowledgement.unwrap_or_default(),
        attempts(order),
        order.addressee.as_ref().map(|device| format!(", for {}", column(device))).unwrap_or_default(),
        order.refusal.as_ref().map(|code| format!(", {code}")).unwrap_or_default(),
    )
}

/// Everything that is known about an order, except its content.
pub(super) fn details(order: &OrderView<'_>, output: Output) -> String {
    let last = order.sent_at.as_ref().map(|at| format!(", last at {}", output.time(at))).unwrap_or_default();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let time = |time: Option<&str>| time.map(|time| output.time(time)).unwrap_or_default();
    let refusal = order.refusal.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    paragraph(&[
        ("id", order.id.clone()),
        ("outcome", order.outcome.to_owned() + reason(order.reason)),
        ("delivery", delivery(order.delivery).to_owned()),
        ("result until", time(order.result_until.as_deref())),
        ("settled", time(order.settled_at.as_deref())),
        ("answered", text(order.acknowledgement) + &refusal),
        ("answer", text(order.answer.as_deref())),
        ("device", order.device.to_owned()),
        ("for", order.addressee.clone().unwrap_or_default()),
        ("type", order.message_type.to_owned()),
        ("control id", order.control_id.to_owned()),
        ("queued", output.time(&order.queued_at)),
        ("queued by", order.queued_by.to_owned()),
        ("expires", output.time(&order.expires_at)),
        ("sent", attempts(order) + &last),
    ])
}

/// Why it has its outcome, where an operator of the order did not decide that.
fn reason(code: Option<&str>) -> &'static str {
    match code {
        Some("device-removed") => ": its device was removed from the directory",
        _ => "",
    }
}

/// What is known of the device.
fn delivery(code: &str) -> &str {
    match code {
        "not-sent" => "the device does not have the order",
        "sent" => "sent; whether the device has the order is not known",
        "accepted" => "the device has the order; whether it was carried out is not known",
        "no-error-reported" => "the device has the order and reported no error in time",
        "answered" => "the device has answered",
        other => other,
    }
}

fn attempts(order: &OrderView<'_>) -> String {
    match order.attempts {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}
