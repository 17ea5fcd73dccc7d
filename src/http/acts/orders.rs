//! What people do with orders and refused messages.

use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::act::{Act, Outcome, Preview, act, call};
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::http::person::Person;
use crate::http::problem::Problem;
use crate::model::MessageId;

/// A message for a device.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http) struct NewOrder {
    /// The Common Name of the device.
    device: String,
    /// The HL7 message, in base64.
    message: String,
    /// How long it may be sent: `30s`, `5m`.
    #[serde(default = "half_a_minute")]
    within: String,
}

/// A message for the device of the path.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http) struct NewMessage {
    /// The HL7 message, in base64. It has to name the device as its target: MSH-5, OBX-18 or PRT-10.
    message: String,
    /// How long it may be sent: `30s`, `5m`.
    #[serde(default = "half_a_minute")]
    within: String,
    /// For a PCD-05 whose MSA-2 is empty: the id of a message that reported the alert. MSA-2 becomes the
    /// control id that reported the alert first.
    alert: Option<String>,
}

fn half_a_minute() -> String {
    "30s".to_owned()
}

/// Queues an order for a device, and does not wait for its outcome.
#[utoipa::path(post, path = "/api/orders", tag = "act", params(Preview), request_body = NewOrder,
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn send(
    person: Person,
    State(state): State<AdminState>,
    Query(query): Query<Preview>,
    Json(NewOrder { device, message, within }): Json<NewOrder>,
) -> Outcome {
    queue(&state, &person, query.preview, (&device, &within), message, &[]).await
}

/// Queues a message for a device that the message names as its target, and does not wait for its outcome.
#[utoipa::path(post, path = "/api/devices/{cn}/messages", tag = "act",
    params(("cn" = String, Path, description = "The Common Name of the device"), Preview),
    request_body = NewMessage, responses((status = 200, body = Act)))]
pub(in crate::http) async fn send_to(
    person: Person,
    State(state): State<AdminState>,
    Path(device): Path<String>,
    Query(query): Query<Preview>,
    Json(NewMessage { message, within, alert }): Json<NewMessage>,
) -> Outcome {
    let mut options = vec!["--must-name-device".to_owned()];
    options.extend(alert.map(|alert| format!("--alert={alert}")));
    queue(&state, &person, query.preview, (&device, &within), message, &options).await
}

async fn queue(
    state: &AdminState,
    person: &Person,
    preview: bool,
    (device, within): (&str, &str),
    message: String,
    options: &[String],
) -> Outcome {
    let bytes = STANDARD.decode(&message).map(|bytes| bytes.len());
    let bytes = bytes.map_err(|_| Problem::bad_request("message has to be base64"))?;
    let what =
        format!("sends a message of {bytes} bytes to {device}, as soon as it is connected, within {within}");
    let within = format!("--within={within}");
    let words = ["order", "send", "--no-wait", &within].into_iter().chain(options.iter().map(String::as_str));
    let mut call = call(words.chain(["--", device, ORDER]));
    call.files.insert(ORDER.to_owned(), message);
    act(state, person, preview, what, call).await
}

/// Withdraws an order: it is not sent again.
#[utoipa::path(post, path = "/api/orders/{id}/withdraw", tag = "act",
    params(("id" = String, Path, description = "The id of the order"), Preview),
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn withdraw(
    person: Person,
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Query(query): Query<Preview>,
) -> Outcome {
    let id = parse(&id)?;
    let entry =
        state.store.outbox_entry(id).await?.ok_or_else(|| Problem::not_found("no order has this id"))?.0;
    let sent = if entry.attempts > 0 { "the device may have it already" } else { "it was not sent yet" };
    let what = format!("withdraws the order for {}, so that it is not sent again; {sent}", entry.device);
    act(&state, &person, query.preview, what, call(["order", "withdraw", "--", &id.to_string()])).await
}

/// Accepts a message that was rejected, by the present configuration and directory.
#[utoipa::path(post, path = "/api/messages/{id}/reconsider", tag = "act",
    params(("id" = String, Path, description = "The id of the message"), Preview),
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn reconsider(
    person: Person,
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Query(query): Query<Preview>,
) -> Outcome {
    let id = parse(&id)?.to_string();
    let mut words = vec!["message", "reconsider"];
    // Without it the command says what it would do.
    if !query.preview {
        words.push("--apply");
    }
    words.extend(["--", &id]);
    let what = "stores the message as accepted if today's rules accept it; nothing is sent".to_owned();
    let PlainJson(mut act) = act(&state, &person, false, what, call(words)).await?;
    act.done = !query.preview;
    Ok(PlainJson(act))
}

fn parse(id: &str) -> Result<MessageId, Problem> {
    id.parse().map_err(|_| Problem::not_found("nothing has this id"))
}

/// The name under which the order is given to the command.
const ORDER: &str = "order.hl7";
