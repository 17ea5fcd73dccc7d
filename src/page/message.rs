//! `/messages/{id}`: one message, what was answered to it, and for whom it spoke. Its content is covered.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::answer::answers;
use super::element::{Html, Tone, address, device_link, help_link};
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::markdown::markdown;
use super::messages::{verdict_tag, warning_link};
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::response::page;
use super::times::rounded;
use super::tree;
use super::visitor::Visitor;
use crate::audit::ViewedAs;
use crate::authz::rules;
use crate::finding::help;
use crate::hl7::Message;
use crate::http::{AdminState, Person};
use crate::model::{MessageId, size_text};
use crate::pcd::{DeviceIdentity, KnownPatient};
use crate::store::{CUT, StoredMessage};
use crate::view::{MessageDetails, ReportedAlert, Tree, TreeOptions, not_shown_in_words};

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    heading: String,
    verdict: Html,
    /// Why it was rejected, and what that means.
    reason: Html,
    /// What a reader must know before anything else.
    cautions: Vec<Html>,
    alarms: Vec<Alarm>,
    facts: Facts,
    origin: Facts,
    answers: Table,
    identities: Table,
    content: Content,
    id: String,
    is_rejected: bool,
}

/// An alarm in words.
struct Alarm {
    sentence: String,
    first: Html,
}

/// The content, as far as it is shown.
pub(super) struct Content {
    /// Whether its values are shown.
    pub(super) is_open: bool,
    /// The observations.
    pub(super) trees: Vec<tree::Part>,
    /// The fields of other segments.
    pub(super) others: Table,
    /// How much of it is shown, where that is not all.
    pub(super) excerpt: Option<String>,
    /// Why there is no tree.
    pub(super) unreadable: Option<String>,
    /// The segments, byte for byte, with their separators.
    pub(super) raw: Table,
}

/// One message.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/messages", "Message");
    let message = find(&state, &frame, &id).await?;
    // Between two steps a browser that has gone is noticed: the rest is not computed.
    tokio::task::yield_now().await;
    let content = content(&message, &state, &frame, None);
    tokio::task::yield_now().await;
    show_with(&state, frame, &message, content).await
}

/// What a person asks to see of a message, and why.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Look {
    r#as: String,
    reason: String,
}

/// The content of one message, once the audit trail says who looks at it and why.
pub(super) async fn show_content(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
    Form(look): Form<Look>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/messages", "Message");
    let reason = reason_of(&frame, &look.reason)?;
    let viewed_as = match look.r#as.as_str() {
        "tree" => ViewedAs::Tree,
        "tree-with-patient" => ViewedAs::TreeWithPatient,
        "raw" => ViewedAs::Raw,
        _ => return Err(Failure::unusable(frame, "This form is unknown", "Choose one of the list.").into()),
    };
    let message = find(&state, &frame, &id).await?;
    without_patient(&frame, &reason, &message)?;
    let (id, device) = (message.summary.id, &message.summary.device);
    state.record_view(&person, id, device, viewed_as, Some(reason)).await?;
    tokio::task::yield_now().await;
    let content = content(&message, &state, &frame, Some(viewed_as));
    tokio::task::yield_now().await;
    Ok(show_with(&state, frame, &message, content).await?)
}

/// The reason that a person gives for a look at content.
pub(super) fn reason_of(frame: &Frame, reason: &str) -> Result<String, Failure> {
    let reason = reason.trim();
    let has_words = reason.chars().any(char::is_alphanumeric);
    if !has_words || reason.chars().count() > MAX_REASON {
        let next =
            "Write in a few words why you look at the content: the audit trail records it with your name.";
        return Err(Failure::unusable(frame.clone(), "A reason is missing, or too long", next));
    }
    Ok(reason.to_owned())
}

/// Refuses a reason that names the patient of the message: people without a right to the content read it.
pub(super) fn without_patient(frame: &Frame, reason: &str, message: &StoredMessage) -> Result<(), Failure> {
    let Ok(parsed) = Message::parse(&message.raw) else { return Ok(()) };
    if KnownPatient::of(&parsed, parsed.text_encoding()).without_any_patient(reason) == reason {
        return Ok(());
    }
    let next =
        "People who may not see the patient read the audit trail. Write the reason without name and number.";
    Err(Failure::unusable(frame.clone(), "The reason names the patient", next))
}

/// The message with this id.
pub(super) async fn find(state: &AdminState, frame: &Frame, id: &str) -> Result<StoredMessage, Failure> {
    let known = match id.parse::<MessageId>() {
        Ok(id) => state.store().message(id).await.or_failure(frame)?,
        Err(_) => None,
    };
    known.ok_or_else(|| {
        let next =
            "Retention removes messages when their time is over; the audit trail still has their rows.";
        Failure::missing(frame.clone(), "There is no such message", next)
    })
}

async fn show_with(
    state: &AdminState,
    frame: Frame,
    message: &StoredMessage,
    content: Content,
) -> Result<Response, Failure> {
    let zone = state.config().load().messages.zone.time_zone();
    let alerts = ReportedAlert::all_of(message, &zone, state.store()).await.or_failure(&frame)?;
    let forward = state.store().forwarding(message.summary.id).await.or_failure(&frame)?;
    let details = MessageDetails::new(message, &alerts).with_forward(forward);
    let summary = &message.summary;
    let kind = summary.transaction.clone().unwrap_or_else(|| summary.message_type.clone());
    let heading = format!("{kind} from {}", summary.device);
    let frame = Frame { title: heading.clone(), ..frame };
    let alarm = |alert: &ReportedAlert| Alarm {
        sentence: alert.sentence.clone(),
        first: match (&alert.first_message, alert.is_first) {
            (Some(first), false) => Html::link(&format!("/messages/{first}"), "its first message"),
            _ => Html::default(),
        },
    };
    let more = not_shown_in_words(details.alerts_not_shown);
    let more = more.map(|sentence| Alarm { sentence, first: Html::default() });
    Ok(page(&MessagePage {
        verdict: verdict_tag(summary.verdict.rejection()),
        reason: summary.verdict.rejection().map(reason).unwrap_or_default(),
        cautions: cautions(&details),
        alarms: alerts.iter().map(alarm).chain(more).collect(),
        facts: facts(message, &details, &frame),
        origin: origin(message, &details),
        answers: answers(&details),
        identities: identities(state, message, &details),
        content,
        id: summary.id.to_string(),
        is_rejected: summary.verdict.rejection().is_some(),
        heading,
        frame,
    }))
}

/// The content: covered, unless it was asked for and that was recorded.
fn content(
    message: &StoredMessage,
    state: &AdminState,
    frame: &Frame,
    viewed_as: Option<ViewedAs>,
) -> Content {
    let parsed = match Message::parse(&message.raw) {
        Ok(parsed) => parsed,
        Err(unreadable) => {
            return Content {
                is_open: viewed_as.is_some(),
                trees: Vec::new(),
                others: Table::default(),
                excerpt: None,
                unreadable: Some(unreadable.to_string()),
                raw: tree::raw(&message.raw, viewed_as),
            };
        }
    };
    let options = TreeOptions {
        with_patient: viewed_as == Some(ViewedAs::TreeWithPatient),
        full: false,
        zone: frame.times.zone().clone(),
        assumed_zone: state.config().load().messages.zone.time_zone(),
    };
    let known = Tree::new(&parsed, &options);
    let is_open = matches!(viewed_as, Some(ViewedAs::Tree | ViewedAs::TreeWithPatient));
    let trees = if is_open { tree::open(&known) } else { tree::covered(&known) };
    let others = if is_open { tree::others(&known) } else { Table::default() };
    let raw = tree::raw(&message.raw, viewed_as);
    let excerpt = known.excerpt.map(|excerpt| excerpt.in_words());
    Content { is_open: viewed_as.is_some(), trees, others, excerpt, unreadable: None, raw }
}

/// The reason of a rejection: its code, and what that means.
fn reason(code: &str) -> Html {
    let meaning = help(code).map(|page| markdown(&page.summary().replace('\n', " "))).unwrap_or_default();
    Html::joined([help_link(code, code), meaning])
}

fn cautions(details: &MessageDetails<'_>) -> Vec<Html> {
    let mut cautions = Vec::new();
    let mut add = |tone, word: &str, text: Html| cautions.push(Html::joined([Html::tag(tone, word), text]));
    if !details.intact {
        let text = "The stored bytes do not have the SHA-256 that was stored with them: they were changed or damaged. Do \
                    not rely on what is shown.";
        add(Tone::Bad, "changed", text.into());
    }
    if details.message.warnings.iter().any(|code| code == CUT) {
        add(Tone::Watch, "cut", "Only the beginning of the message is stored.".into());
    }
    for (code, word, text) in [
        ("not-clinical", "no patient", "Some of its values are tests or demonstrations."),
        ("not-production", "no patient", "It is no message of production: training or debugging."),
        ("late-alarm", "late", "The alarm came long after its time: it may be over."),
    ] {
        if details.message.warnings.iter().any(|known| known == code) {
            add(Tone::Watch, word, text.into());
        }
    }
    if let Some(forward) = &details.forward {
        let tone = match forward.state {
            "refused" => Tone::Bad,
            "waiting" => Tone::Watch,
            _ => Tone::Quiet,
        };
        add(tone, forward.state, Html::text(&format!("On its way to the platform: {forward}.")));
    }
    if let Some(reconsidered) = &details.reconsidered {
        let accepted = Html::link(&format!("/messages/{}", reconsidered.message), "accepted later");
        let original = Html::link(&format!("/messages/{}", reconsidered.original), "rejected first");
        let by = Html::text(&format!("by {}.", reconsidered.actor));
        add(Tone::Quiet, "reconsidered", Html::joined([original, Html::text("and"), accepted, by]));
    }
    cautions
}

fn facts(message: &StoredMessage, details: &MessageDetails<'_>, frame: &Frame) -> Facts {
    let summary = &message.summary;
    let delay = summary.event_time.map(|event| summary.received_at.duration_since(event));
    let delay = delay.map(|delay| match delay.is_negative() {
        true => format!("{} after it was received: the clock of the device is ahead", rounded(delay.abs())),
        false => format!("{} before it was received", rounded(delay)),
    });
    let assumed = if details.event_time_zone_assumed { "sent without a zone" } else { "" };
    let event = summary.event_time.map(|event| {
        Html::joined([
            frame.times.moment(event),
            Html::muted(&delay.unwrap_or_default()),
            Html::muted(assumed),
        ])
    });
    let batch = details.batch.as_ref().map(|batch| format!("{} {}", batch.control_id, batch.time));
    Facts::new([
        ("Received", frame.times.moment(summary.received_at)),
        ("Event", event.unwrap_or_default()),
        ("Type", Html::code(&summary.message_type)),
        ("Control id", Html::code(&summary.control_id)),
        ("Application", Html::text(&summary.sending_application)),
        ("Warnings", Html::joined(summary.warnings.iter().map(|code| warning_link(code)))),
        ("Size", Html::text(&size_text(summary.size))),
        ("Batch", Html::text(&batch.unwrap_or_default())),
    ])
}

fn origin(message: &StoredMessage, details: &MessageDetails<'_>) -> Facts {
    let device = message.summary.device.as_str();
    let others = Html::link(&address("/messages", &[("device", device)]), "its messages");
    Facts::new([
        ("Device", Html::joined([device_link(device), others])),
        ("Address", Html::text(&details.peer)),
        ("Session", Html::code(details.session)),
        ("Certificate", Html::code(details.fingerprint)),
        ("Id", Html::code(&details.message.id)),
    ])
}

/// The identities in the message, and which of them the certificate may not speak for today.
fn identities(state: &AdminState, message: &StoredMessage, details: &MessageDetails<'_>) -> Table {
    let directory = state.live().directory();
    let device = directory.find(&message.summary.device);
    let may = |identity: &str| {
        let (id, kind) = identity.rsplit_once('^').unwrap_or((identity, ""));
        let identity = DeviceIdentity::new(id, kind)?;
        device.map(|device| rules::may_speak_for(device, &identity))
    };
    let rows =
        message.identities.iter().zip(&details.identities).take(MAX_IDENTITIES).map(|(stored, shown)| {
            let state = match may(stored) {
                Some(true) => Html::tag(Tone::Good, "allowed"),
                Some(false) => Html::tag(Tone::Bad, "not allowed"),
                None => Html::tag(Tone::Quiet, "not in the directory"),
            };
            let of = Html::link(&address("/messages", &[("identity", shown)]), "its messages");
            vec![Html::code(shown), state, of]
        });
    let caption = "Device identities in the message, and whether the certificate may speak for them today";
    let table = Table::new(caption, &["Identity", "Today", "Messages"], "The message names no device.");
    table.with(rows)
}

/// Characters of a reason.
const MAX_REASON: usize = 200;
/// Identities of one message that are shown.
const MAX_IDENTITIES: usize = 100;
