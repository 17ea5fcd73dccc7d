//! `/enrolments`: certificates that partners and devices ask for, and what operators do about them.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::command::{CommandPage, not_run};
use super::element::{Html, Tone, device_link};
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::response::page;
use super::visitor::Visitor;
use crate::enrol::State as Reached;
use crate::enrol::{Enrolment, EnrolmentId, Role};
use crate::http::{AdminState, Person};

#[derive(Template)]
#[template(path = "enrolments.html")]
struct EnrolmentsPage {
    frame: Frame,
    is_on: bool,
    pending: Table,
    others: Table,
    /// Those that are not listed.
    more: u64,
}

#[derive(Template)]
#[template(path = "enrolment.html")]
struct EnrolmentPage {
    frame: Frame,
    name: String,
    state: Html,
    facts: Facts,
    acts: Html,
}

/// A new invitation, and the code, which is shown this once.
#[derive(Template)]
#[template(path = "invited.html")]
struct InvitedPage {
    frame: Frame,
    facts: Facts,
}

/// `GET /enrolments`.
pub(super) async fn show(State(state): Pages, visitor: Visitor) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Enrolment").live();
    let pending = state.store().waiting_enrolments().await.or_failure(&frame)?;
    let (others, all) = state.store().other_enrolments(ROWS).await.or_failure(&frame)?;
    let more = all.saturating_sub(u64::from(ROWS));
    Ok(page(&EnrolmentsPage {
        is_on: state.config().load().enrol.enabled,
        pending: table("Requests that wait for an operator", "No request waits.", pending.iter(), &frame)
            .list(),
        others: table("Others, the last invitation first", "There is none.", others.iter(), &frame),
        more,
        frame,
    }))
}

fn table<'a>(
    caption: &str,
    empty: &str,
    enrolments: impl Iterator<Item = &'a Enrolment>,
    frame: &Frame,
) -> Table {
    let columns = ["Name", "State", "For", "Since", "Subject", "From", "Certificate ends"];
    let row = |enrolment: &Enrolment| {
        let record = &enrolment.record;
        let request = record.request.as_ref();
        let since = [
            record.decision.as_ref().map(|decision| decision.at),
            request.map(|request| request.at),
            Some(record.invitation.at),
        ];
        let since = since.into_iter().flatten().next();
        vec![
            Html::link(&address(enrolment), &record.name),
            tag(enrolment, frame),
            Html::text(record.role.as_str()),
            since.map(|at| frame.times.moment(at)).unwrap_or_default(),
            Html::text(request.map_or("", |request| &request.subject)),
            Html::text(&request.map(|request| request.peer.to_string()).unwrap_or_default()),
            record.certificate.as_ref().map(|own| frame.times.day(own.ends)).unwrap_or_default(),
        ]
    };
    Table::new(caption, &columns, empty).with(enrolments.map(row))
}

fn tag(enrolment: &Enrolment, frame: &Frame) -> Html {
    let (tone, word) = match enrolment.state {
        _ if enrolment.has_expired(frame.times.now()) => (Tone::Quiet, "expired"),
        Reached::Invited => (Tone::Quiet, "invited"),
        Reached::Pending => (Tone::Watch, "waits"),
        Reached::Issued => (Tone::Good, "issued"),
        Reached::Rejected => (Tone::Quiet, "rejected"),
        Reached::Revoked => (Tone::Bad, "revoked"),
    };
    Html::tag(tone, word)
}

fn address(enrolment: &Enrolment) -> String {
    format!("/enrolments/{}", enrolment.id)
}

/// `GET /enrolments/{id}`.
pub(super) async fn one(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Enrolment");
    let enrolment = find(&state, &frame, &id).await?;
    let (record, here) = (&enrolment.record, address(&enrolment));
    let may = frame.visitor.may_operate;
    let button = |what: &str, text: &str| Html::button(&format!("{here}/{what}"), text);
    let acts = match enrolment.state {
        Reached::Pending if may => Html::joined([button("approve", "Approve"), button("reject", "Reject")]),
        Reached::Invited if may => button("reject", "Withdraw"),
        Reached::Issued if may => button("revoke", "Revoke"),
        _ => Html::default(),
    };
    Ok(page(&EnrolmentPage {
        name: record.name.clone(),
        state: tag(&enrolment, &frame),
        facts: facts(&enrolment, &frame),
        acts,
        frame,
    }))
}

fn facts(enrolment: &Enrolment, frame: &Frame) -> Facts {
    let record = &enrolment.record;
    let (request, own) = (record.request.as_ref(), record.certificate.as_ref());
    let by = |at, by: &str| Html::joined([frame.times.moment(at), Html::muted(by)]);
    let device = record.device.as_ref();
    let device_fact = |value: fn(&crate::enrol::InvitedDevice) -> String| {
        device.map(|device| Html::text(&value(device))).unwrap_or_default()
    };
    let name = match (record.role, enrolment.state) {
        (Role::Device, Reached::Issued) => device_link(&record.name),
        _ => Html::text(&record.name),
    };
    Facts::new([
        ("Name", name),
        ("Certificate for", Html::text(record.role.as_str())),
        ("Environment", Html::text(&record.environment)),
        ("Invited", by(record.invitation.at, &record.invitation.by)),
        ("Code until", frame.times.moment(record.invitation.expires)),
        (
            "Wrong codes",
            if enrolment.failed == 0 { Html::default() } else { Html::text(&enrolment.failed.to_string()) },
        ),
        ("Renews", record.renews.map(|renews| Html::code(&renews.to_string())).unwrap_or_default()),
        (
            "Alternative names",
            Html::text(&record.alternative_names().unwrap_or_else(|| record.uris.clone()).join(", ")),
        ),
        ("Reader", Html::text(record.reader.as_deref().unwrap_or_default())),
        ("Called", device_fact(|device| device.name.clone())),
        ("Ward", device_fact(|device| device.ward.clone())),
        ("Serial number", device_fact(|device| device.serial.clone())),
        ("Speaks for", device_fact(|device| device.speaks_for.join(", "))),
        ("Requested", request.map(|own| by(own.at, &own.peer.to_string())).unwrap_or_default()),
        ("Subject", request.map(|own| Html::text(&own.subject)).unwrap_or_default()),
        (
            "SHA-256 of the public key",
            request.map(|own| Html::code(&own.key.to_string())).unwrap_or_default(),
        ),
        ("Decided", record.decision.as_ref().map(|own| by(own.at, &own.by)).unwrap_or_default()),
        ("Reason", Html::text(record.decision.as_ref().map_or("", |own| &own.reason))),
        (
            "SHA-256 of the certificate",
            own.map(|own| Html::code(&own.fingerprint.to_string())).unwrap_or_default(),
        ),
        ("Ends", own.map(|own| frame.times.day(own.ends)).unwrap_or_default()),
    ])
}

/// `GET /enrolments/{id}/approve`.
pub(super) async fn approve_form(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Approve this request?");
    let enrolment = find(&state, &frame, &id).await?;
    let subject = enrolment.record.request.as_ref().map_or("", |request| &request.subject);
    let mut effects = vec![
        format!(
            "The test PKI issues a certificate for {subject}, valid for {} days.",
            state.config().load().enrol.days
        ),
        "Make sure by another way that the public key is theirs: the SHA-256 of it is on the page before."
            .to_owned(),
    ];
    match enrolment.record.role {
        Role::Device => effects.push(
            "The device gets its entry of the directory, and may connect with this certificate within a second."
                .to_owned(),
        ),
        Role::Client | Role::Server => effects.extend(
            enrolment.record.reader.iter().map(|reader| format!("The client {reader} reads with this certificate.")),
        ),
    }
    let effects = if enrolment.state == Reached::Pending { effects } else { vec![settled(&enrolment)] };
    let button = if enrolment.state == Reached::Pending { "Approve" } else { "" };
    Ok(page(&form(frame, &enrolment, "approve", effects, button, "")))
}

/// `POST /enrolments/{id}/approve`.
pub(super) async fn approve(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, NotDone> {
    run(&state, &person, &id, &["approve"]).await
}

/// `GET /enrolments/{id}/reject`.
pub(super) async fn reject_form(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Reject this request?");
    let enrolment = find(&state, &frame, &id).await?;
    let can = matches!(enrolment.state, Reached::Invited | Reached::Pending);
    let effects = if can {
        vec![
            "No certificate is issued, and the code gives nothing any more. The partner sees the reason."
                .to_owned(),
        ]
    } else {
        vec![settled(&enrolment)]
    };
    Ok(page(&form(frame, &enrolment, "reject", effects, if can { "Reject" } else { "" }, REASON)))
}

/// `POST /enrolments/{id}/reject`.
pub(super) async fn reject(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
    Form(Reason { value }): Form<Reason>,
) -> Result<Response, NotDone> {
    run(&state, &person, &id, &["reject", &format!("--reason={}", value.trim())]).await
}

/// `GET /enrolments/{id}/revoke`.
pub(super) async fn revoke_form(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Revoke this certificate?");
    let enrolment = find(&state, &frame, &id).await?;
    let can = enrolment.state == Reached::Issued;
    let effects = if can {
        vec![
            "Within a second no node accepts it, nor what has renewed it: connections of either end, and nothing is renewed by \
             them. The test PKI revokes them and publishes its CRLs."
                .to_owned(),
            "Others than this platform ask the CA: a certificate of another CA has to be revoked there too.".to_owned(),
        ]
    } else {
        vec![settled(&enrolment)]
    };
    Ok(page(&form(frame, &enrolment, "revoke", effects, if can { "Revoke" } else { "" }, REASON)))
}

/// `POST /enrolments/{id}/revoke`.
pub(super) async fn revoke(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
    Form(Reason { value }): Form<Reason>,
) -> Result<Response, NotDone> {
    run(&state, &person, &id, &["revoke", &format!("--reason={}", value.trim())]).await
}

/// Why a request is rejected.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    value: String,
}

/// A device that is invited, as the form has it.
#[derive(Debug, Deserialize)]
pub(super) struct Invited {
    cn: String,
    name: String,
    ward: String,
    serial: String,
    identities: String,
}

/// `POST /enrolments/invite`: invites a device.
pub(super) async fn invite(
    State(state): Pages,
    person: Person,
    Form(Invited { cn, name, ward, serial, identities }): Form<Invited>,
) -> Result<Response, NotDone> {
    let mut words = vec!["--json".to_owned()];
    words.extend(["enrol", "invite", "--role", "device"].map(str::to_owned));
    // Joined to its option, no value can be another option.
    for (option, value) in
        [("name", &name), ("ward", &ward), ("serial", &serial), ("speaks-for", &identities)]
    {
        if !value.trim().is_empty() {
            words.push(format!("--{option}={}", value.trim()));
        }
    }
    words.extend(["--".to_owned(), cn.trim().to_owned()]);
    let ran = state.run_words(&person, words.iter().map(String::as_str)).await?;
    let line = ran.stdout.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(line) = line.filter(|_| ran.exit == 0) else {
        return Err(not_run(&state, &person, "/trust", &ran.stderr));
    };
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let facts = Facts::new([
        ("Name", Html::text(&text("name"))),
        ("User", Html::code(&text("id"))),
        ("Code", Html::code(&text("code"))),
        ("Address", Html::code(&text("address"))),
    ]);
    let frame = Frame::new(&state, Visitor::from(&person), "/trust", "The device is invited");
    Ok(page(&InvitedPage { frame, facts }))
}

/// Runs `enrol` with these words, and shows the enrolment.
async fn run(state: &AdminState, person: &Person, id: &str, words: &[&str]) -> Result<Response, NotDone> {
    let frame = Frame::new(state, Visitor::from(person), "/trust", "Enrolment");
    let enrolment = find(state, &frame, id).await?;
    let own = enrolment.id.to_string();
    let ran = state
        .run_words(person, ["enrol"].into_iter().chain(words.iter().copied()).chain(["--", &own]))
        .await?;
    match ran.exit {
        0 => Ok(Redirect::to(&address(&enrolment)).into_response()),
        _ => Err(not_run(state, person, "/trust", &ran.stderr)),
    }
}

fn form(
    frame: Frame,
    enrolment: &Enrolment,
    what: &str,
    effects: Vec<String>,
    button: &'static str,
    asks: &'static str,
) -> CommandPage {
    let back = address(enrolment);
    CommandPage { frame, effects, action: format!("{back}/{what}"), asks, value: String::new(), button, back }
}

fn settled(enrolment: &Enrolment) -> String {
    format!("It is {} already: nothing can be done here.", enrolment.state)
}

async fn find(state: &AdminState, frame: &Frame, id: &str) -> Result<Enrolment, Failure> {
    let found = match id.parse::<EnrolmentId>() {
        Ok(id) => state.store().enrolment(&id).await.or_failure(frame)?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        Failure::missing(frame.clone(), "There is no such enrolment", "The page Enrolment lists all.")
    })
}

/// The label of a reason.
const REASON: &str = "Why";
/// Rows of the table of those that do not wait.
const ROWS: u32 = 200;
