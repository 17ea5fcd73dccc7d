//! `/`: what needs a person, the platform in eight numbers, and what happens now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::audit::{Found, found};
use super::element::{Html, Tone, address, counted, device_link, grouped, help_link, number, sentence};
use super::event::in_words;
use super::frame::Frame;
use super::layout::Table;
use super::problem::{Failure, OrFailure as _, Pages};
use super::response::page;
use super::visitor::Visitor;
use super::{devices, plot, times};
use crate::authz::Directory;
use crate::finding::{Code, Finding, Severity, Subject, foremost};
use crate::http::AdminState;
use crate::model::size_text;
use crate::store::{AuditRow, LatestAlert, OutboxFilter, RefusedRow};
use crate::view::{StoreRoomView, Trend};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    heading: String,
    todo: Vec<Todo>,
    /// A link to all findings, where not all that need a person are shown.
    all: Html,
    tiles: Vec<Tile>,
    events: Table,
}

/// Something that needs a person.
struct Todo {
    tag: Html,
    what: Html,
    to_do: Html,
    since: String,
}

/// A number that leads to its rows.
struct Tile {
    href: String,
    /// How many rows there are, where the value counts them.
    rows: Option<usize>,
    name: String,
    value: Html,
    plot: Html,
    note: Html,
}

/// The overview.
pub(super) async fn show(State(state): Pages, visitor: Visitor) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/", "Overview").live();
    let findings = state.live().board().findings();
    let needed: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Info).collect();
    let foremost = foremost(&needed, MAX_TODO, |finding| (finding.severity, finding.code()));
    let heading = match needed.len() {
        0 => "Nothing needs you".to_owned(),
        1 => "1 thing needs you".to_owned(),
        many => format!("{many} things need you"),
    };
    let directory = state.live().directory();
    let todo = foremost.into_iter().map(|finding| todo(finding, &directory, &frame)).collect();
    let all = if needed.len() > MAX_TODO {
        Html::rows("/system#findings", findings.len(), &format!("All {} findings", number(findings.len())))
    } else {
        Html::default()
    };
    let tiles = tiles(&state, &frame).await?;
    let latest = state.store().latest_events(&SHOWN_EVENTS, EVENTS_OF_A_KIND).await.or_failure(&frame)?;
    let alerts = state.store().latest_alerts(ALERTS).await.or_failure(&frame)?;
    let events = events(&latest, &alerts, &frame);
    let frame = Frame { title: heading.clone(), ..frame };
    Ok(page(&OverviewPage { frame, heading, todo, all, tiles, events }))
}

fn todo(finding: &Finding, directory: &Directory, frame: &Frame) -> Todo {
    let (tone, word) = match finding.severity {
        Severity::Urgent => (Tone::Bad, "now"),
        Severity::Attention => (Tone::Watch, "today"),
        Severity::Info => (Tone::Quiet, "to know"),
    };
    let what = Html::joined([
        called(&finding.subject, directory),
        subject(&finding.subject),
        frame.times.sentence(&finding.what()),
    ]);
    let to_do = Html::joined([
        Html::text(&sentence(&finding.what_to_do())),
        help_link(finding.code().code(), "What this means"),
    ]);
    let since = finding.since.map(|since| frame.times.away(since)).unwrap_or_default();
    Todo { tag: Html::tag(tone, word), what, to_do, since }
}

/// What staff call the device that a finding is about, and its ward.
fn called(subject: &Subject, directory: &Directory) -> Html {
    let Subject::Device(name) = subject else { return Html::default() };
    let device = name.parse().ok().and_then(|id| directory.find(&id));
    let about = device.map(|device| &device.about);
    let parts = about.into_iter().flat_map(|about| [about.name.as_str(), about.ward.as_str()]);
    let known: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    if known.is_empty() { Html::default() } else { Html::text(&known.join(", ")) }
}

/// What a finding is about, as a link to where it is shown.
pub(super) fn subject(subject: &Subject) -> Html {
    match subject {
        Subject::Device(name) => Html::joined([device_link(name), Html::text("–")]),
        Subject::Peer(name) => {
            Html::joined([Html::link(&address("/refusals", &[("q", name)]), name), Html::text("–")])
        }
        Subject::Certificate(_) => Html::joined([Html::link("/trust", "Certificate"), Html::text("–")]),
        Subject::Store => Html::joined([Html::link("/system", "Store"), Html::text("–")]),
        Subject::AuditTrail => Html::joined([Html::link("/audit", "Audit trail"), Html::text("–")]),
        Subject::Order(id) => {
            Html::joined([Html::link(&address("/orders", &[("id", id)]), "Order"), Html::text("–")])
        }
        Subject::Platform => Html::joined([Html::link("/system", "Platform"), Html::text("–")]),
    }
}

async fn tiles(state: &AdminState, frame: &Frame) -> Result<Vec<Tile>, Failure> {
    let [_, kept, _] = state.config().load().store.message_ages();
    let span = kept.filter(|kept| *kept < DAY).unwrap_or(DAY);
    let since = frame.times.now() - span;
    let rejections = state.store().rejections_since(since, MAX_COUNTED).await.or_failure(frame)?;
    let waiting = OutboxFilter { waiting: true, limit: MAX_COUNTED, ..OutboxFilter::default() };
    let waiting = state.store().outbox(&waiting).await.or_failure(frame)?.len();
    let trail =
        state.store().latest_events(&["audit-signed", "audit-verified"], 1).await.or_failure(frame)?;
    let trend = state.live().trend();
    let mut tiles = device_tiles(state, &trend);
    tiles.push(rejected_tile(&rejections, span));
    let refused = state.store().refused().await.or_failure(frame)?;
    tiles.push(refused_tile(&refused, frame));
    tiles.push(Tile {
        href: address("/orders", &[("waiting", "1")]),
        rows: Some(waiting),
        name: "Waiting for devices".to_owned(),
        value: Html::text(&at_least(waiting)),
        plot: Html::default(),
        note: Html::text("orders that no device has answered yet"),
    });
    tiles.push(store_tile(state, frame));
    tiles.push(revocation_tile(state));
    tiles.push(audit_tile(state, frame, &trail));
    Ok(tiles)
}

/// A number that is counted up to [`MAX_COUNTED`].
fn at_least(count: usize) -> String {
    let is_all = count < MAX_COUNTED as usize;
    if is_all { number(count) } else { format!("{} or more", number(count)) }
}

fn device_tiles(state: &AdminState, trend: &Trend) -> Vec<Tile> {
    let glance = state.live().glance();
    let (connected, messages) = (trend.connected(), trend.messages_a_minute());
    let range = |points: &[Option<f64>], what: &str| {
        let known: Vec<f64> = points.iter().flatten().copied().collect();
        let least = known.iter().copied().fold(f64::INFINITY, f64::min);
        let most = known.iter().copied().fold(0.0, f64::max);
        if known.len() < 2 { String::new() } else { format!("{what}: {least:.0} – {most:.0}") }
    };
    let time = format!("last {}", times::rounded(trend.length()));
    // Neighbours are averaged in a long plot: the number beside it belongs to its range all the same.
    #[expect(clippy::cast_precision_loss, reason = "a range in words")]
    let last = trend.messages_last_minute().map(|count| count as f64);
    let with_last = [messages.as_slice(), &[last]].concat();
    // Devices behind gateways are in no list of devices, and each silent one is a finding.
    let findings = state.live().board().findings();
    let silent = findings.iter().filter(|finding| finding.code() == Code::DeviceSilent).count();
    let silent_in_words = match silent {
        0 => Html::text(&range(&connected, &time)),
        _ => {
            let href = format!("{}#findings", address("/system", &[("code", Code::DeviceSilent.code())]));
            Html::rows(&href, silent, &counted(silent as u64, "silent device"))
        }
    };
    let all = counted(glance.devices as u64, "device");
    vec![
        Tile {
            href: address("/devices", &[("state", devices::ANY_CONNECTED)]),
            rows: Some(glance.connected),
            name: "Connected".to_owned(),
            value: Html::text(&number(glance.connected)),
            plot: plot::line(&connected, &format!("Open sessions, {}", range(&connected, &time))),
            note: Html::dotted([
                Html::rows("/devices", glance.devices, &format!("of {all}")),
                silent_in_words,
            ]),
        },
        Tile {
            href: address("/messages", &[("since", "1m")]),
            // A rate of the minute that has ended, not a number of rows.
            rows: None,
            name: "Messages in the last minute".to_owned(),
            value: Html::text(&trend.messages_last_minute().map_or_else(|| "–".to_owned(), grouped)),
            plot: plot::line(&messages, &format!("Messages a minute, {}", range(&with_last, &time))),
            note: Html::text(&range(&with_last, &time)),
        },
    ]
}

/// The rejected messages of the last day, or of the `span` for which they are kept where that is shorter.
fn rejected_tile(rejections: &[(String, u64)], span: SignedDuration) -> Tile {
    let total: u64 = rejections.iter().map(|(_, count)| count).sum();
    let is_day = span == DAY;
    let kept = times::rounded(span);
    let seconds = format!("{}s", span.as_secs());
    let since = if is_day { "24h" } else { &seconds };
    let rejected = [("verdict", "rejected"), ("since", since)];
    let reason = |(code, count): &(String, u64)| {
        let href = address("/messages", &[rejected[0], rejected[1], ("reason", code.as_str())]);
        Html::rows(
            &href,
            usize::try_from(*count).unwrap_or(usize::MAX),
            &format!("{code} {}", grouped(*count)),
        )
    };
    let reasons = Html::dotted(rejections.iter().take(3).map(reason));
    let none =
        if is_day { "every message was accepted".to_owned() } else { format!("none in the last {kept}") };
    let reasons = if reasons.is_empty() { Html::text(&none) } else { reasons };
    let removed = Html::text("older ones are removed (store.retain-rejected)");
    let note = if is_day { reasons } else { Html::dotted([reasons, removed]) };
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    Tile {
        href: address("/messages", &rejected),
        rows: Some(total),
        name: if is_day {
            "Rejected messages, 24 h".to_owned()
        } else {
            format!("Rejected messages, in the last {kept} kept")
        },
        value: Html::text(&at_least(total)),
        plot: Html::default(),
        note,
    }
}

fn refused_tile(refused: &[RefusedRow], frame: &Frame) -> Tile {
    let since = frame.times.now() - DAY;
    let recent: Vec<_> = refused.iter().filter(|row| row.last >= since).collect();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &recent {
        *reasons.entry(row.refusal.code()).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reason = |(code, count): &(&str, usize)| {
        let href = address("/refusals", &[("since", "24h"), ("reason", code)]);
        Html::rows(&href, *count, &format!("{code} {}", number(*count)))
    };
    let notes = Html::dotted(reasons.iter().take(3).map(reason));
    Tile {
        href: address("/refusals", &[("since", "24h")]),
        // A peer that is refused for two reasons is two rows.
        rows: Some(recent.len()),
        name: "Refused, 24 h".to_owned(),
        value: Html::text(&number(recent.len())),
        plot: Html::default(),
        note: if notes.is_empty() { Html::text("no connection was refused") } else { notes },
    }
}

fn store_tile(state: &AdminState, frame: &Frame) -> Tile {
    let risks = state.store().unaccepted_risks();
    let histogram = &state.metrics().store_commit_duration_seconds;
    let (count, sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
    #[expect(clippy::cast_precision_loss, reason = "an average of milliseconds")]
    let commit = if count == 0 {
        String::new()
    } else {
        format!("a commit takes {:.0} ms", sum * 1000.0 / count as f64)
    };
    let value = if risks.is_empty() {
        store_tag(&state.live().board().findings())
    } else {
        Html::tag(Tone::Bad, "at risk")
    };
    let notes = [disk(state.live().glance().store.as_ref(), frame), commit];
    Tile {
        href: "/system#store".to_owned(),
        rows: None,
        name: "Store".to_owned(),
        value,
        plot: Html::default(),
        note: Html::dotted(notes.iter().map(|note| Html::text(note))),
    }
}

/// The most severe finding about the store: the tile says no other thing than the list.
fn store_tag(findings: &[Finding]) -> Html {
    let worst = findings.iter().find(|finding| finding.subject == Subject::Store);
    let word = |finding: &Finding| finding.code().code().replace('-', " ");
    match worst.map(|finding| (finding.severity, finding)) {
        Some((Severity::Urgent, finding)) => Html::tag(Tone::Bad, &word(finding)),
        Some((Severity::Attention, finding)) => Html::tag(Tone::Watch, &word(finding)),
        Some((Severity::Info, _)) | None => Html::tag(Tone::Good, "well"),
    }
}

/// How much of the disk is free, and for how long.
pub(super) fn disk(room: Option<&StoreRoomView>, frame: &Frame) -> String {
    let Some((free, room)) = room.and_then(|room| Some((room.free_bytes?, room))) else {
        return String::new();
    };
    let full = room.full_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    match (full, room.bytes_per_day) {
        (Some(full), _) => format!("{} free, full {}", size_text(free), frame.times.relative(full)),
        (None, Some(_)) => format!("{} free, for years", size_text(free)),
        (None, None) => format!("{} free", size_text(free)),
    }
}

fn revocation_tile(state: &AdminState) -> Tile {
    let known = state.revocation().inventory();
    let revoked = known.ocsp.iter().filter(|response| response.status == "revoked").count();
    let staples = state.live().staples();
    let missing = staples.iter().filter(|staple| staple.expires.is_none()).count();
    let value =
        if missing > 0 { Html::tag(Tone::Watch, "staple missing") } else { Html::tag(Tone::Good, "fresh") };
    let (crls, responses) = (known.crls.len(), known.ocsp.len());
    let revoked_at = format!("{}#ocsp", address("/trust", &[("ocsp", "revoked")]));
    Tile {
        href: "/trust".to_owned(),
        rows: None,
        name: "Revocation".to_owned(),
        value,
        plot: Html::default(),
        note: Html::dotted([
            Html::rows("/trust#crls", crls, &counted(crls as u64, "CRL")),
            Html::rows("/trust#ocsp", responses, &counted(responses as u64, "OCSP response")),
            Html::rows(&revoked_at, revoked, &format!("{} revoked", number(revoked))),
        ]),
    }
}

fn audit_tile(state: &AdminState, frame: &Frame, trail: &[AuditRow]) -> Tile {
    let last = |event: &str| trail.iter().find(|row| row.event == event);
    let signed = last("audit-signed").map(|row| format!("signed {} ago", frame.times.away(row.at)));
    let verified = last("audit-verified").map(|row| format!("verified {} ago", frame.times.away(row.at)));
    let value = match (state.store().own_chain().refused(), last("audit-verified")) {
        (Some(_), _) => Found::Broken.tag(),
        (None, Some(row)) => found(row).tag(),
        (None, None) => Html::tag(Tone::Quiet, "not verified yet"),
    };
    let notes: Vec<_> = signed.into_iter().chain(verified).collect();
    Tile {
        href: "/audit".to_owned(),
        rows: None,
        name: "Audit trail".to_owned(),
        value,
        plot: Html::default(),
        note: Html::dotted(notes.iter().map(|note| Html::text(note))),
    }
}

/// The latest alarms, one row for each however often it was reported. What it reports is content, and on its
/// page.
fn alarms(latest: &[LatestAlert], frame: &Frame) -> Vec<(Timestamp, Vec<Html>)> {
    let mut known = BTreeSet::new();
    let first = latest.iter().filter(|alert| known.insert(alert.first)).take(SHOWN_ALERTS);
    let row = |alert: &LatestAlert| {
        let at = alert.message.time();
        let report = Html::link(&format!("/messages/{}", alert.message), "what it reports");
        let cells = vec![
            frame.times.moment(at),
            device_link(alert.device.as_str()),
            Html::tag(Tone::Bad, "alarm"),
            report,
        ];
        (at, cells)
    };
    first.map(row).collect()
}

fn events(latest: &[AuditRow], alerts: &[LatestAlert], frame: &Frame) -> Table {
    // What a device does again and again is one row, with its last time.
    let mut rows: Vec<(Timestamp, Vec<Html>, u64)> = Vec::new();
    let mut known: HashMap<(String, Html, Html), usize> = HashMap::new();
    for row in latest {
        let in_words = in_words(row, &frame.times);
        let key = (row.event.clone(), in_words.who.clone(), in_words.what.clone());
        if let Some((.., count)) = known.get(&key).and_then(|at| rows.get_mut(*at)) {
            *count += 1;
        } else if rows.len() < EVENTS {
            known.insert(key, rows.len());
            let cells = vec![frame.times.moment(row.at), in_words.who, in_words.what, in_words.why];
            rows.push((row.at, cells, 1));
        }
    }
    rows.extend(alarms(alerts, frame).into_iter().map(|(at, cells)| (at, cells, 1)));
    rows.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let rows = rows.into_iter().map(|(_, mut cells, count)| {
        if count > 1
            && let Some(what) = cells.get_mut(2)
        {
            *what = Html::joined([what.clone(), Html::muted(&format!("{count}×"))]);
        }
        cells
    });
    let empty = "Nothing has happened yet: no device has connected.";
    Table::new("What happened last", &["When", "Who", "What", "Why, and what to do"], empty).with(rows)
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Findings that are shown at once.
const MAX_TODO: usize = 20;
/// Rows that are counted for a number.
const MAX_COUNTED: u32 = 1000;
/// Rows of `Happening now`.
const EVENTS: usize = 15;
const EVENTS_OF_A_KIND: u32 = 8;
/// Alarms among them.
const SHOWN_ALERTS: usize = 5;
/// Reports of alarms that are read for them.
const ALERTS: u32 = 40;

/// Events that say what happens to devices and to the platform.
const SHOWN_EVENTS: [&str; 21] = [
    "connection-accepted",
    "connection-refused",
    "refusals-counted",
    "session-ended",
    "feed-silent",
    "feed-resumed",
    "feeds-behind-silent",
    "feeds-behind-resumed",
    "device-added",
    "device-changed",
    "device-suspended",
    "device-resumed",
    "device-removed",
    "message-rejected",
    "message-reconsidered",
    "southbound-queued",
    "southbound-settled",
    "configuration-changed",
    "configuration-refused",
    "platform-started",
    "store-copied",
];
