//! `/devices/{cn}`: one device, or one behind a gateway.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;

use super::devices::today;
use super::element::{Html, Tone, address, device_address, device_link, grouped, help_link, sentence};
use super::event::in_words;
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::messages;
use super::problem::{Failure, OrFailure as _, Pages};
use super::refusals;
use super::response::page;
use super::state;
use super::times::seconds;
use super::validity;
use super::visitor::Visitor;
use crate::authz::{Device, DeviceStatus};
use crate::fleet::{Fleet, Outcome, Stage, Standing, Step, Subject, Why, investigate, own_name};
use crate::http::AdminState;
use crate::model::{DeviceId, shell_word};
use crate::pcd::DeviceIdentity;
use crate::store::{AuditFilter, AuditRow, MessageFilter, Page, RefusedRow, SeenIdentity};
use crate::view::{BehindView, DeviceView, SessionView, is_not_allowed};

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    frame: Frame,
    name: String,
    /// Its Common Name, for a command.
    own_name: String,
    note: String,
    state: Html,
    now: Html,
    facts: Facts,
    /// What an operator can do.
    act: Html,
    numbers: String,
    path: Vec<Html>,
    refusals: Table,
    identities: Table,
    sessions: Table,
    behind: Table,
    messages: Table,
    all_messages: Html,
    history: Table,
    all_history: Html,
}

#[derive(Template)]
#[template(path = "behind.html")]
struct BehindPage {
    frame: Frame,
    name: String,
    state: Html,
    facts: Facts,
    messages: Table,
    all_messages: Html,
}

/// A name that is in no directory, and was refused.
#[derive(Template)]
#[template(path = "stranger.html")]
struct StrangerPage {
    frame: Frame,
    name: String,
    now: Html,
    path: Vec<Html>,
    refusals: Table,
}

/// One device.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/devices", name.clone()).live();
    let directory = state.live().directory();
    let Ok(id) = name.parse::<DeviceId>() else { return Err(missing(frame, &name)) };
    if let Some(device) = directory.find(&id) {
        return Ok(page(&of_directory(&state, frame, device).await?));
    }
    let fleet = Fleet::read(state.store()).await.or_failure(&frame)?;
    if let Some((via, known)) = behind(&state, &fleet, &name, frame.times.now()) {
        return Ok(page(&of_gateway(&state, frame, &name, &via, &known).await?));
    }
    let refused: Vec<_> = fleet.refused().iter().filter(|row| is_about(row, &name)).collect();
    if refused.is_empty() {
        return Err(missing(frame, &name));
    }
    // Who shows no verified certificate is known by its address.
    let subject = name.parse().map_or(Subject::Device(id), Subject::Address);
    let why = investigate(state.store(), &subject, None, frame.times.now()).await.or_failure(&frame)?;
    let refusals = refusals::table(refused.into_iter(), &directory, &frame);
    Ok(page(&StrangerPage { now: cause(&why, &frame), path: path(&why, &frame), refusals, name, frame }))
}

fn missing(frame: Frame, name: &str) -> Failure {
    let what = format!("{name} is not in the directory");
    let next = "pcd-platform device add adds a device. The page Refused shows who tries to connect.";
    Failure::missing(frame, what, next)
}

fn is_about(row: &RefusedRow, name: &str) -> bool {
    row.who == name || row.device.as_ref().is_some_and(|device| device.as_str() == name)
}

async fn of_directory(state: &AdminState, frame: Frame, device: &Device) -> Result<DevicePage, Failure> {
    let (live, store, now) = (state.live(), state.store(), frame.times.now());
    let name = device.id.as_str();
    let sessions: Vec<_> = live.sessions().into_iter().filter(|session| session.device == name).collect();
    let fleet = Fleet::read(store).await.or_failure(&frame)?;
    let known = live.device(&device.id);
    let standing = fleet.standing(device, Some(&known), now);
    let why = investigate(store, &Subject::Device(device.id.clone()), Some(&known), now)
        .await
        .or_failure(&frame)?;
    let filter =
        MessageFilter { device: Some(device.id.clone()), limit: MESSAGES, ..MessageFilter::default() };
    let last = store.messages(&filter).await.or_failure(&frame)?;
    let seen = store.seen_identities(&device.id).await.or_failure(&frame)?;
    let trail = AuditFilter {
        event: None,
        device: Some(device.id.clone()),
        since: None,
        page: Page::Latest,
        limit: HISTORY_READ,
    };
    let history = store.audit_rows(&trail).await.or_failure(&frame)?;
    let view = DeviceView::from(device);
    let heading = if device.about.name.is_empty() { name.to_owned() } else { device.about.name.clone() };
    let frame = Frame { title: heading.clone(), ..frame };
    Ok(DevicePage {
        name: heading,
        own_name: shell_word(name),
        note: device.note.clone(),
        state: state::tag(standing.state),
        now: cause(&why, &frame),
        act: act(device, &frame),
        numbers: format!("{}/numbers", device_address(name)),
        path: path(&why, &frame),
        refusals: refusals::table(
            fleet.refusals_of(&device.id).take(MAX_REFUSALS),
            &live.directory(),
            &frame,
        ),
        facts: facts(&view, device, &standing, &frame),
        identities: identities(device, &seen, &frame),
        sessions: sessions_table(&sessions, &frame),
        behind: behind_table(&live.devices_behind(&device.id, standing.is_connected, now), &frame),
        messages: messages::table(&last, &frame, "No message of it is stored."),
        all_messages: Html::link(&address("/messages", &[("device", name)]), "All its messages"),
        history: history_table(&history, &frame),
        all_history: Html::link(&address("/audit", &[("device", name)]), "All of its history"),
        frame,
    })
}

/// What is wrong, and the next step.
fn cause(why: &Why, frame: &Frame) -> Html {
    let help = why.code.as_deref().map(|code| help_link(code, "What this means")).unwrap_or_default();
    let next = if why.next_step.is_empty() {
        Html::default()
    } else {
        frame.times.sentence(&sentence(&why.next_step))
    };
    Html::joined([frame.times.sentence(&sentence(&why.cause)), next, help])
}

/// The path of a connection, step by step.
fn path(why: &Why, frame: &Frame) -> Vec<Html> {
    let step = |step: &Step| {
        let tone = match step.outcome {
            Outcome::Passed => Tone::Good,
            Outcome::Failed => Tone::Bad,
            Outcome::Unknown => Tone::Quiet,
        };
        let word = match step.stage {
            Stage::Tcp => "TCP",
            Stage::Tls => "TLS",
            Stage::Chain => "chain",
            Stage::Dates => "dates",
            Stage::Revocation => "revocation",
            Stage::Directory => "directory",
            Stage::Messages => "messages",
        };
        let outcome = match step.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "ends here",
            Outcome::Unknown => "not known",
        };
        let unseen = format!("<span class=\"unseen\">{outcome}</span>");
        Html::joined([
            Html::tag(tone, word),
            Html::written(unseen),
            Html::muted_html(frame.times.sentence(&step.what)),
        ])
    };
    why.steps.iter().map(step).collect()
}

/// The change that fits, for those who may make it.
fn act(device: &Device, frame: &Frame) -> Html {
    if !frame.visitor.may_operate {
        return Html::default();
    }
    let (what, text) = match device.status {
        DeviceStatus::Active => ("suspend", "Suspend …"),
        DeviceStatus::Suspended => ("resume", "Resume …"),
        // Only a command can remove it.
        DeviceStatus::Damaged => return Html::default(),
    };
    Html::button(&format!("{}/{what}", device_address(device.id.as_str())), text)
}

fn facts(view: &DeviceView<'_>, device: &Device, standing: &Standing, frame: &Frame) -> Facts {
    let list = |all: &[String]| Html::joined(all.iter().take(MAX_LISTED).map(|one| Html::code(one)));
    let issuers = if view.issuers.is_empty() { "every installed root".into() } else { list(&view.issuers) };
    let speaks = if view.speaks_for.is_empty() { "itself only".into() } else { list(&view.speaks_for) };
    let about = &device.about;
    let connection = standing.contact.as_ref().map(|contact| {
        let when = frame.times.moment(contact.connected_at);
        let how = format!("from {} by {}, {}", contact.peer, contact.tls_version, contact.tls_suite);
        Html::joined([when, Html::text(&how), Html::muted(&format!("node {}", contact.node))])
    });
    let certificate = standing.contact.as_ref().map(|contact| {
        let of = format!(
            "serial {} of {}, {}",
            contact.certificate.serial, contact.certificate.issuer, contact.certificate.key
        );
        Html::joined([
            Html::text("to"),
            validity::end(Some(contact.certificate.not_after), frame),
            Html::muted(&of),
        ])
    });
    Facts::new([
        ("Common Name", Html::code(view.cn)),
        ("Ward", Html::text(&about.ward)),
        ("Model", Html::text(&about.model)),
        ("Serial number", Html::text(&about.serial)),
        ("Responsible", Html::text(&about.owner)),
        ("Last connection", connection.unwrap_or_default()),
        ("Certificate", certificate.unwrap_or_default()),
        ("Last message", standing.last_message.map(|at| frame.times.moment(at)).unwrap_or_default()),
        ("Messages today", today(view.cn, standing, frame)),
        ("Kind", Html::text(view.kind)),
        ("Directory", Html::text(view.status)),
        ("Speaks for", speaks),
        ("Certified by", issuers),
        ("Acknowledged", Html::text(&view.acknowledge.replace('-', " "))),
        ("Silent after", Html::text(view.silent_after.as_deref().unwrap_or("as the configuration says"))),
        ("Expected", Html::text(if view.expected { "yes" } else { "no" })),
        ("Orders", Html::text(if view.receives_orders { "are sent to it" } else { "never: it only sends" })),
        ("Learns until", Html::text(view.learns_until.as_deref().unwrap_or_default())),
    ])
}

fn identities(device: &Device, seen: &[SeenIdentity], frame: &Frame) -> Table {
    let rows = seen.iter().filter(|seen| is_not_allowed(device, seen)).map(|seen| {
        vec![
            Html::code(&seen.identity),
            Html::tag(Tone::Bad, "not allowed"),
            naming_messages(device, seen),
            frame.times.moment(seen.first),
            frame.times.moment(seen.last),
            allow(device, seen, frame),
        ]
    });
    let columns = ["Identity", "Today", "Messages", "First", "Last", "Change"];
    Table::new("Identities that it used without permission", &columns, "").with(rows)
}

/// The messages that named it, as a link to them.
fn naming_messages(device: &Device, seen: &SeenIdentity) -> Html {
    let count = usize::try_from(seen.messages).unwrap_or(usize::MAX);
    let name = own_name(&seen.identity);
    let href = address("/messages", &[("device", device.id.as_str()), ("identity", name)]);
    Html::rows(&href, count, &grouped(seen.messages))
}

fn allow(device: &Device, seen: &SeenIdentity, frame: &Frame) -> Html {
    if !frame.visitor.may_operate {
        return Html::muted("needs the role operator");
    }
    let path = format!("{}/allow", device_address(device.id.as_str()));
    Html::link(&address(&path, &[("identity", &seen.identity)]), "Allow …")
}

fn sessions_table(sessions: &[SessionView], frame: &Frame) -> Table {
    let rows = sessions.iter().map(|session| {
        vec![
            frame.times.stated(&session.since),
            Html::text(&session.peer),
            Html::text(session.version),
            Html::text(session.suite),
            Html::code(&session.id),
        ]
    });
    let columns = ["Since", "Address", "TLS", "Suite", "Session"];
    Table::new("Open sessions on this node", &columns, "It has no open session on this node.").with(rows)
}

fn behind_table(behind: &[BehindView], frame: &Frame) -> Table {
    let rows = behind.iter().take(MAX_BEHIND).map(|one| {
        vec![
            device_link(&one.identity),
            state::tag(one.state),
            frame.times.stated(&one.feed.last),
            Html::text(&one.feed.silent_after_seconds.map(seconds).unwrap_or_default()),
            Html::link(&address("/messages", &[("identity", own_name(&one.identity))]), "messages"),
        ]
    });
    Table::new(
        "Devices that send through it",
        &["Device", "State", "Last message", "Silent after", "Messages"],
        "",
    )
    .with(rows)
}

fn history_table(rows: &[AuditRow], frame: &Frame) -> Table {
    let columns = ["When", "What", "Why"];
    let rows = without_repetitions(rows, frame);
    Table::new("History from the audit trail", &columns, "The trail has no row about it.").with(rows)
}

/// The rows, looks at content of one person for one reason as one line with their number: a look at the
/// numbers of a device is a row for each message, and would leave no room for what happened to the device.
fn without_repetitions(rows: &[AuditRow], frame: &Frame) -> Vec<Vec<Html>> {
    let mut lines: Vec<(Vec<Html>, u64)> = Vec::new();
    let mut looks: HashMap<[String; 3], usize> = HashMap::new();
    for row in rows {
        let in_words = in_words(row, &frame.times);
        let look = look(row);
        if let Some(line) = look.as_ref().and_then(|look| looks.get(look)).and_then(|at| lines.get_mut(*at)) {
            line.1 += 1;
        } else if lines.len() < HISTORY {
            looks.extend(look.map(|look| (look, lines.len())));
            lines.push((vec![frame.times.moment(row.at), in_words.what, in_words.why], 1));
        }
    }
    let with_count = |(mut cells, count): (Vec<Html>, u64)| {
        if count > 1
            && let Some(what) = cells.get_mut(1)
        {
            *what = Html::joined([what.clone(), Html::muted(&format!("{count}×"))]);
        }
        cells
    };
    lines.into_iter().map(with_count).collect()
}

/// Who looked at content, in which form and why, if the row is about that.
fn look(row: &AuditRow) -> Option<[String; 3]> {
    let details: Value =
        (row.event == "message-viewed").then(|| serde_json::from_str(&row.details).ok())??;
    let text = |key: &str| details.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(["actor", "as", "reason"].map(text))
}

/// The gateway through which a device with this name sends, and its messages.
fn behind(state: &AdminState, fleet: &Fleet, name: &str, now: Timestamp) -> Option<(DeviceId, BehindView)> {
    let directory = state.live().directory();
    directory.devices().find_map(|gateway| {
        let live = state.live().device(&gateway.id);
        let is_connected = fleet.is_connected(&gateway.id, Some(&live));
        let known = state.live().devices_behind(&gateway.id, is_connected, now);
        let found = known.into_iter().find(|one| one.identity == name || own_name(&one.identity) == name)?;
        Some((gateway.id.clone(), found))
    })
}

async fn of_gateway(
    state: &AdminState,
    frame: Frame,
    name: &str,
    via: &DeviceId,
    known: &BehindView,
) -> Result<BehindPage, Failure> {
    let identity = DeviceIdentity::parse(own_name(name));
    let filter = MessageFilter { identity, limit: MESSAGES, ..MessageFilter::default() };
    let (last, _) = state.store().search_messages(&filter).await.or_failure(&frame)?;
    let feed = &known.feed;
    let facts = Facts::new([
        ("Sends through", device_link(via.as_str())),
        ("Last message", frame.times.stated(&feed.last)),
        ("Silent after", Html::text(&feed.silent_after_seconds.map(seconds).unwrap_or_default())),
    ]);
    Ok(BehindPage {
        name: name.to_owned(),
        state: state::tag(known.state),
        facts,
        messages: messages::table(&last, &frame, "No message names it."),
        all_messages: Html::link(&address("/messages", &[("identity", own_name(name))]), "All its messages"),
        frame,
    })
}

/// Lines of the history.
const HISTORY: usize = 30;
/// Rows of the audit trail that are read for them.
const HISTORY_READ: u32 = 500;
const MAX_REFUSALS: usize = 20;
const MESSAGES: u32 = 20;
const MAX_BEHIND: usize = 500;
const MAX_LISTED: usize = 50;
