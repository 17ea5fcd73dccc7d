//! Changes that are commands: the page says what the command would do, and its form runs it in the name of
//! the person.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::frame::Frame;
use super::message::{find, reason_of, without_patient};
use super::problem::{Failure, NotDone, Pages};
use super::response::page;
use super::visitor::Visitor;
use crate::audit::ViewedAs;
use crate::http::{AdminState, Person};

/// What a command would do, or has done, and the form that runs it.
#[derive(Template)]
#[template(path = "command.html")]
pub(super) struct CommandPage {
    pub(super) frame: Frame,
    pub(super) effects: Vec<String>,
    pub(super) action: String,
    /// The label of the text that the form asks for; empty: none.
    pub(super) asks: &'static str,
    /// Its value.
    pub(super) value: String,
    /// Empty: there is nothing to do.
    pub(super) button: &'static str,
    pub(super) back: String,
}

/// `GET /messages/{id}/reconsider`.
pub(super) async fn reconsider_form(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/messages", "Decide again about this message?");
    let message = find(&state, &frame, &id).await?;
    let id = message.summary.id.to_string();
    let found = reconsider(&state, &person, &id, false).await?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (effects, button) = match text("outcome").as_str() {
        "acceptable" => (
            vec![
                format!("It was rejected: {}. By the rules of today it is accepted.", text("rejection")),
                "It is stored once more, as accepted, with the time of its receipt. The device is not answered again."
                    .to_owned(),
            ],
            "Accept it",
        ),
        "already-accepted" => (vec!["It is accepted already.".to_owned()], ""),
        _ => (vec![format!("By the rules of today it is rejected as well: {}.", text("reason"))], ""),
    };
    let back = format!("/messages/{id}");
    let action = format!("{back}/reconsider");
    Ok(page(&CommandPage { effects, action, asks: "", value: String::new(), button, back, frame }))
}

/// `POST /messages/{id}/reconsider`.
pub(super) async fn apply_reconsideration(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/messages", "The message stays rejected");
    let message = find(&state, &frame, &id).await?;
    let id = message.summary.id.to_string();
    let found = reconsider(&state, &person, &id, true).await?;
    if let Some(accepted) = found.get("message").and_then(Value::as_str) {
        return Ok(Redirect::to(&format!("/messages/{accepted}")).into_response());
    }
    let reason = found.get("reason").and_then(Value::as_str).unwrap_or("the command says nothing more");
    let next = format!("By the rules of today: {reason}.");
    Err(Failure::unusable(frame, "The message stays rejected", next).into())
}

/// What `message reconsider` prints about one message.
async fn reconsider(state: &AdminState, person: &Person, id: &str, apply: bool) -> Result<Value, NotDone> {
    let words = ["--json", "message", "reconsider", id].into_iter().chain(apply.then_some("--apply"));
    let ran = state.run_words(person, words).await?;
    match ran.stdout.lines().find_map(|line| serde_json::from_str(line).ok()) {
        Some(found) => Ok(found),
        None => Err(not_run(state, person, "/messages", &ran.stderr)),
    }
}

/// Why a person takes a copy of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Download {
    reason: String,
}

/// `POST /messages/{id}/download`: the bytes as they came, once the audit trail says who takes them and why.
pub(super) async fn download(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
    Form(download): Form<Download>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/messages", "Message");
    let reason = reason_of(&frame, &download.reason)?;
    let message = find(&state, &frame, &id).await?;
    without_patient(&frame, &reason, &message)?;
    let (id, device) = (message.summary.id, &message.summary.device);
    state.record_view(&person, id, device, ViewedAs::Raw, Some(reason)).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.hl7\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, message.raw).into_response())
}

/// `GET /system/backup`.
pub(super) async fn backup_form(State(state): Pages, visitor: Visitor) -> Response {
    let frame = Frame::new(&state, visitor, "/system", "Copy the store into a file?");
    page(&backup_page(frame, String::new()))
}

/// Where a backup goes.
#[derive(Debug, Deserialize)]
pub(super) struct Backup {
    value: String,
}

/// `POST /system/backup`.
pub(super) async fn backup(
    State(state): Pages,
    person: Person,
    Form(backup): Form<Backup>,
) -> Result<Response, NotDone> {
    let path = backup.value.trim();
    if !path.starts_with('/') {
        let frame = Frame::new(&state, Visitor::from(&person), "/system", "This was not done");
        let next = "The platform writes the copy: name the file by its absolute path.";
        return Err(Failure::unusable(frame, "This was not done", next).into());
    }
    let ran = state.run_words(&person, ["store", "backup", path]).await?;
    if ran.exit != 0 {
        return Err(not_run(&state, &person, "/system", &ran.stderr));
    }
    let frame = Frame::new(&state, Visitor::from(&person), "/system", "The store was copied");
    let effects = ran.stdout.lines().map(str::to_owned).collect();
    Ok(page(&CommandPage { effects, button: "", ..backup_page(frame, String::new()) }))
}

fn backup_page(frame: Frame, value: String) -> CommandPage {
    CommandPage {
        effects: vec![
            "The platform writes a copy of the whole store into a new file on its machine, as its own user, while \
             devices go on sending. The folder has to be there; a file that is there is not replaced."
                .to_owned(),
            "The copy holds every message and every patient in it: keep it where only those read who may.".to_owned(),
        ],
        action: "/system/backup".to_owned(),
        asks: "File, by its absolute path",
        value,
        button: "Copy",
        back: "/system".to_owned(),
        frame,
    }
}

pub(super) fn not_run(state: &AdminState, person: &Person, here: &'static str, stderr: &str) -> NotDone {
    let frame = Frame::new(state, Visitor::from(person), here, "This was not done");
    let what = stderr.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Failure::unusable(frame, "This was not done", what).into()
}
