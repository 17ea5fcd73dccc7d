//! `/registrations`: clients that have registered themselves, and what operators do about them.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::command::{CommandPage, not_run};
use super::element::{Html, Tone};
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::response::page;
use super::visitor::Visitor;
use crate::clients::Registration;
use crate::http::{AdminState, Person};

#[derive(Template)]
#[template(path = "registrations.html")]
struct RegistrationsPage {
    frame: Frame,
    is_on: bool,
    pending: Table,
    approved: Table,
    /// Those that are not listed.
    more: usize,
}

#[derive(Template)]
#[template(path = "registration.html")]
struct RegistrationPage {
    frame: Frame,
    name: String,
    state: Html,
    facts: Facts,
    address: String,
    may_approve: bool,
    may_reject: bool,
    /// Number and name of each organisation.
    organisations: Vec<(String, String)>,
    scopes: String,
    revision: String,
}

/// `GET /registrations`.
pub(super) async fn show(State(state): Pages, visitor: Visitor) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Registrations").live();
    let all = state.store().registrations().await.or_failure(&frame)?;
    let (mut approved, mut pending): (Vec<_>, Vec<_>) = all.iter().partition(|own| own.is_approved);
    pending.sort_by_key(|own| own.registered_at);
    approved.sort_by_key(|own| std::cmp::Reverse(own.registered_at));
    let more = pending.len().saturating_sub(ROWS) + approved.len().saturating_sub(ROWS);
    let table = |caption: &str, empty: &str, all: &[&Registration]| {
        let row = |own: &&Registration| {
            vec![
                Html::link(&address(own), &own.name),
                tag(own),
                Html::text(&own.issuer),
                Html::text(&own.scopes.to_string()),
                frame.times.moment(own.registered_at),
            ]
        };
        let columns = ["Calls itself", "State", "Issuer", "Scopes", "Registered"];
        Table::new(caption, &columns, empty).with(all.iter().take(ROWS).map(row))
    };
    Ok(page(&RegistrationsPage {
        is_on: state.config().load().api.registration.enabled,
        pending: table("Clients that wait for an operator", "No client waits.", &pending).list(),
        approved: table("Clients that were approved, the last one first", "There is none.", &approved),
        more,
        frame,
    }))
}

/// `GET /registrations/{id}`.
pub(super) async fn one(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Registration");
    let own = find(&state, &frame, &id).await?;
    let organisations = state.store().organisations().await.or_failure(&frame)?;
    let organisations = organisations.into_iter().map(|own| (own.oid.to_string(), own.name));
    let facts = Facts::new([
        ("Client", Html::code(own.client.as_str())),
        ("Calls itself", Html::text(&own.name)),
        ("Community", Html::text(&own.community)),
        ("Issuer", Html::text(&own.issuer)),
        ("Contacts", Html::text(&own.contacts.join(", "))),
        ("Scopes", Html::text(&own.scopes.to_string())),
        ("Reads for", Html::text(if own.redirect_uris.is_empty() { "itself" } else { "people" })),
        ("Answers go to", Html::text(&own.redirect_uris.join(" "))),
        ("Registered", frame.times.moment(own.registered_at)),
        ("Revision", Html::code(&own.revision())),
    ]);
    let may = frame.visitor.may_administer;
    Ok(page(&RegistrationPage {
        name: own.name.clone(),
        state: tag(&own),
        facts,
        address: address(&own),
        may_approve: may && !own.is_approved,
        may_reject: may,
        organisations: organisations.collect(),
        scopes: own.scopes.to_string(),
        revision: own.revision(),
        frame,
    }))
}

/// What an operator admits, as the form has it.
#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    organisation: String,
    scopes: String,
    revision: String,
}

/// `POST /registrations/{id}/approve`: what the page has shown, and nothing that the client says since.
pub(super) async fn approve(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
    Form(Approval { organisation, scopes, revision }): Form<Approval>,
) -> Result<Response, NotDone> {
    // Joined to its option, no value can be another option.
    let words = [
        "approve".to_owned(),
        format!("--organisation={}", organisation.trim()),
        format!("--scopes={}", scopes.trim()),
        format!("--revision={}", revision.trim()),
    ];
    run(&state, &person, &id, &words, true).await
}

/// `GET /registrations/{id}/reject`.
pub(super) async fn reject_form(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Reject this registration?");
    let own = find(&state, &frame, &id).await?;
    let effects = vec![
        "The client is suspended, and its tokens end at once.".to_owned(),
        format!(
            "When {} registers itself again, it waits for an operator, whatever is configured.",
            own.issuer
        ),
    ];
    let back = address(&own);
    let action = format!("{back}/reject");
    Ok(page(&CommandPage { frame, effects, action, asks: "", value: String::new(), button: "Reject", back }))
}

/// `POST /registrations/{id}/reject`.
pub(super) async fn reject(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, NotDone> {
    run(&state, &person, &id, &["reject".to_owned()], false).await
}

/// Runs `reader` with these words, and shows the registration, if it is still there.
async fn run(
    state: &AdminState,
    person: &Person,
    id: &str,
    words: &[String],
    stays: bool,
) -> Result<Response, NotDone> {
    let frame = Frame::new(state, Visitor::from(person), "/trust", "Registration");
    let registration = find(state, &frame, id).await?;
    let own = registration.client.to_string();
    let words = words.iter().map(String::as_str);
    let words = ["reader"].into_iter().chain(words).chain(["--", own.as_str()]);
    let ran = state.run_words(person, words).await?;
    match ran.exit {
        0 if stays => Ok(Redirect::to(&address(&registration)).into_response()),
        0 => Ok(Redirect::to("/registrations").into_response()),
        _ => Err(not_run(state, person, "/trust", &ran.stderr)),
    }
}

fn tag(own: &Registration) -> Html {
    if own.is_approved { Html::tag(Tone::Good, "approved") } else { Html::tag(Tone::Watch, "waits") }
}

fn address(own: &Registration) -> String {
    format!("/registrations/{}", own.client)
}

async fn find(state: &AdminState, frame: &Frame, id: &str) -> Result<Registration, Failure> {
    let all = state.store().registrations().await.or_failure(frame)?;
    all.into_iter().find(|own| own.client.as_str() == id).ok_or_else(|| {
        Failure::missing(frame.clone(), "There is no such registration", "The page Registrations lists all.")
    })
}

/// Rows of a table.
const ROWS: usize = 200;
