//! `/system`: the process, its store, its limits, and every finding.

use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::element::{Html, Tone, address, counted, encoded, grouped, help_link, sentence};
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::overview::{disk, subject};
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::given;
use super::readers;
use super::response::page;
use super::times::seconds;
use super::visitor::Visitor;
use crate::config::Retain;
use crate::finding::{self, Code, Finding, Severity};
use crate::http::AdminState;
use crate::model::size_text;
use crate::store::{Milestone, Reached, ServerReport};
use crate::view::{RemovalView, ServerView, StoreRoomView};

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    frame: Frame,
    process: Facts,
    store: Facts,
    removals: Table,
    risks: Table,
    nodes: Table,
    limits: Table,
    index: Facts,
    readers: Table,
    findings: Table,
    /// A link to all findings, where only those of one code are shown.
    all: Html,
}

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    /// Only findings of this code.
    code: Option<String>,
}

/// The system.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/system", "System").live();
    let code = given(filters.code).unwrap_or_default();
    if !code.is_empty() && Code::ALL.iter().all(|known| known.code() != code) {
        let what = format!("There is no finding {code}");
        return Err(Failure::unusable(frame, what, "The page Help lists the codes."));
    }
    let report = state.store().server_report().await.or_failure(&frame)?;
    let milestones = state.store().milestones().await.or_failure(&frame)?;
    let room = state.live().glance().store;
    let full = full(&frame, room.as_ref());
    let view = ServerView::new(state.store(), report.as_ref());
    let config = state.config().load_full();
    let (ages, sizes) = (config.store.message_ages(), config.store.message_sizes());
    let next = RemovalView::all(state.store(), ages, sizes, frame.times.now()).await.or_failure(&frame)?;
    let page_of = SystemPage {
        process: process(&state, &frame),
        store: store(&state, report.as_ref(), &milestones, &frame, &full),
        removals: removals(&next, &frame),
        risks: risks(&view),
        nodes: nodes(&view),
        limits: limits(&state),
        index: readers::index(&state),
        readers: readers::clients(&state, &frame).await?,
        findings: findings(&state, &code, &frame),
        all: if code.is_empty() { Html::default() } else { Html::link("/system#findings", "All findings") },
        frame,
    };
    Ok(page(&page_of))
}

fn process(state: &AdminState, frame: &Frame) -> Facts {
    let glance = state.live().glance();
    let started = glance.started.parse::<Timestamp>().ok();
    let failed = state.live().failed_tasks();
    let config = state.config().load();
    let listen = config.interface_a.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Facts::new([
        ("Node", Html::text(&frame.node)),
        ("Version", Html::text(frame.version())),
        ("Commit", Html::text(option_env!("PCD_COMMIT").unwrap_or_default())),
        (
            "Started",
            started
                .map(|at| Html::joined([frame.times.moment(at), Html::muted(&frame.times.relative(at))]))
                .unwrap_or_default(),
        ),
        ("Devices connect to", Html::text(&listen)),
        ("Operators connect to", Html::text(&config.admin.listen.to_string())),
        (
            "New connections",
            match state.live().shortage() {
                None => Html::tag(Tone::Good, "accepted"),
                Some(shortage) => Html::joined([Html::tag(Tone::Bad, "not accepted"), Html::text(&shortage)]),
            },
        ),
        (
            "Running parts",
            if failed.is_empty() {
                Html::tag(Tone::Good, "all run")
            } else {
                Html::joined([Html::tag(Tone::Bad, "ended"), Html::text(&failed.join(", "))])
            },
        ),
    ])
}

/// When the disk is full, in words.
fn full(frame: &Frame, room: Option<&StoreRoomView>) -> String {
    let Some(room) = room.filter(|room| room.free_bytes.is_some()) else { return String::new() };
    let (Some(growth), Some(over)) = (room.bytes_per_day, room.measured_seconds) else {
        return "not known in the first ten minutes after a start".to_owned();
    };
    let own = room.store_bytes_per_day.map(|own| format!(", the store {} of it", size_text(own)));
    let at = format!(
        "at {} a day{}, as in the last {}",
        size_text(growth),
        own.unwrap_or_default(),
        seconds(over)
    );
    match room.full_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok()) {
        Some(full) => format!("{}, {at}", frame.times.relative(full)),
        None => format!("not within ten years, {at}"),
    }
}

/// An age of the configuration: whole days, or what it is.
fn age_in_words(age: Duration) -> String {
    let (days, rest) = (age.as_secs() / 86_400, age.as_secs() % 86_400);
    if rest == 0 { counted(days, "day") } else { seconds(age.as_secs()) }
}

/// When the store was copied last, as far as the platform knows.
fn backup(room: Option<&StoreRoomView>, milestones: &[Reached], frame: &Frame) -> Html {
    let last = milestones.iter().find(|reached| reached.what == Milestone::Backup);
    match (last, room.is_some_and(|room| room.free_bytes.is_some())) {
        (Some(last), _) => {
            Html::joined([frame.times.moment(last.at), Html::muted(&frame.times.relative(last.at))])
        }
        (None, true) => Html::text("never by store backup"),
        (None, false) => Html::text("by the tools of the server: not known here"),
    }
}

fn store(
    state: &AdminState,
    report: Option<&ServerReport>,
    milestones: &[Reached],
    frame: &Frame,
    full: &str,
) -> Facts {
    let room = state.live().glance().store;
    let size = room.as_ref().map(|room| room.size_bytes);
    let backup = backup(room.as_ref(), milestones, frame);
    let config = state.config().load();
    let retain = |retain: Retain| match retain {
        Retain::Forever => "forever".to_owned(),
        Retain::For(age) => format!("for {}", age_in_words(age)),
    };
    let histogram = &state.metrics().store_commit_duration_seconds;
    let count = histogram.get_sample_count();
    #[expect(clippy::cast_precision_loss, reason = "an average of milliseconds")]
    let commit = if count == 0 {
        String::new()
    } else {
        format!(
            "{:.1} ms on average, {} commits",
            histogram.get_sample_sum() * 1000.0 / count as f64,
            grouped(count)
        )
    };
    Facts::new([
        ("Server", Html::text(report.map(|report| report.server.as_str()).unwrap_or_default())),
        ("Size", Html::text(&size.map(size_text).unwrap_or_default())),
        ("Disk", Html::text(&disk(room.as_ref(), frame))),
        ("Disk full", Html::text(full)),
        ("Commit", Html::text(&commit)),
        ("Messages stay", Html::text(&retain(config.store.retain_messages))),
        ("Last backup", backup),
        ("Rejected messages stay", Html::text(&retain(config.store.retain_rejected()))),
        ("Audit trail stays", Html::text(&retain(config.store.retain_audit))),
        (
            "Rows that wait",
            Html::text(&grouped(
                u64::try_from(state.metrics().housekeeping.audit_deferred_rows.get()).unwrap_or_default(),
            )),
        ),
    ])
}

/// What retention removes next.
fn removals(next: &[RemovalView], frame: &Frame) -> Table {
    let moment = |time: &Option<String>| {
        let at = time.as_ref().and_then(|time| time.parse::<Timestamp>().ok());
        at.map(|at| frame.times.moment(at)).unwrap_or_default()
    };
    let rows = next.iter().map(|next| {
        let age = next.age_seconds.map_or_else(|| "forever".to_owned(), |age| seconds(age.unsigned_abs()));
        let more = if next.are_more { "more than " } else { "" };
        vec![
            Html::text(next.kind),
            Html::text(&age),
            moment(&next.oldest),
            moment(&next.next_at),
            Html::text(&format!("{more}{}", grouped(next.within_a_day))),
            frame.times.sentence(&next.size_in_words(str::to_owned).unwrap_or_default()),
        ]
    });
    let columns = ["Messages", "Stay", "Oldest", "Goes", "Go within a day", "Size"];
    Table::new("What retention removes next", &columns, "").with(rows)
}

fn risks(view: &ServerView) -> Table {
    let rows = view.risks.iter().map(|risk| {
        let state = if risk.accepted {
            Html::tag(Tone::Watch, "accepted")
        } else {
            Html::tag(Tone::Bad, "not accepted")
        };
        vec![help_link(risk.code, risk.code), state, Html::text(&risk.objects.join(", "))]
    });
    Table::new("Risks of the store", &["Risk", "State", "Where"], "The store has no known risk.").with(rows)
}

fn nodes(view: &ServerView) -> Table {
    let rows = view.nodes.iter().map(|node| {
        let difference = node.clock_difference_seconds.map(|seconds| format!("{seconds:+.3} s"));
        vec![Html::text(&node.node), Html::text(&node.host), Html::text(&difference.unwrap_or_default())]
    });
    Table::new("Nodes that share the store", &["Node", "Machine", "Clock against the server"], "").with(rows)
}

/// The limits of `pcd_limit{what}`, and the memory where the process has a limit.
fn limits(state: &AdminState) -> Table {
    let metrics = state.metrics();
    let row = |name: &str, used: u64, limit: u64, shown: fn(u64) -> String, key: Html| {
        let is_near = limit > 0 && used.saturating_mul(5) > limit.saturating_mul(4);
        let state =
            if is_near { Html::tag(Tone::Watch, "near its limit") } else { Html::tag(Tone::Good, "well") };
        let limit = if limit == 0 { "none".to_owned() } else { shown(limit) };
        vec![Html::text(name), Html::text(&shown(used)), Html::text(&limit), state, key]
    };
    let known = metrics.operation.limits().map(|(of, used, limit)| {
        let shown: fn(u64) -> String = if of.is_bytes { size_text } else { grouped };
        let key = if of.key.contains('.') { Html::code(of.key) } else { Html::muted(of.key) };
        row(of.name, used, limit, shown, key)
    });
    let [used, limit] = [&metrics.memory_used_bytes, &metrics.memory_limit_bytes]
        .map(|gauge| u64::try_from(gauge.get()).unwrap_or_default());
    let key = Html::muted("MemoryMax= of the service manager");
    let memory = (limit > 0).then(|| row("Memory of the control group", used, limit, size_text, key));
    Table::new("Limits and their use", &["What", "Used", "Limit", "State", "Configuration key"], "")
        .with(known.chain(memory))
}

fn findings(state: &AdminState, code: &str, frame: &Frame) -> Table {
    let mut found = state.live().board().findings();
    found.retain(|finding| code.is_empty() || finding.code().code() == code);
    let rows = found.iter().take(MAX_FINDINGS).map(|finding| row(finding, frame));
    let cut = found.len().checked_sub(MAX_FINDINGS).filter(|more| *more > 0).map(|more| {
        let more = counted(more as u64, "finding");
        let rest = format!("and {more} more: pcd-platform status --json has all");
        vec![Html::muted("cut"), Html::written(format!("<span data-cut>{}</span>", Html::text(&rest)))]
    });
    let columns = ["How soon", "What", "What to do", "Since"];
    Table::new("Findings", &columns, "Every check is well.").with(rows.chain(cut)).list()
}

fn row(finding: &Finding, frame: &Frame) -> Vec<Html> {
    let (tone, word) = match finding.severity {
        Severity::Urgent => (Tone::Bad, "now"),
        Severity::Attention => (Tone::Watch, "today"),
        Severity::Info => (Tone::Quiet, "to know"),
    };
    vec![
        Html::tag(tone, word),
        Html::joined([
            subject(&finding.subject),
            frame.times.sentence(&finding.what()),
            rows(finding),
            facts(finding, frame),
        ]),
        Html::joined([
            Html::text(&sentence(&finding.what_to_do())),
            help_link(finding.code().code(), finding.code().code()),
        ]),
        finding.since.map(|since| frame.times.moment(since)).unwrap_or_default(),
    ]
}

/// The messages that a finding counts, as links to them.
fn rows(finding: &Finding) -> Html {
    let link = |filters: &[(&str, &str)], count: u64, noun: &str| {
        let rows = usize::try_from(count).unwrap_or(usize::MAX);
        (count > 0).then(|| Html::rows(&address("/messages", filters), rows, &counted(count, noun)))
    };
    let waiting = |count| link(&[("forward", "waiting")], count, "waiting message").unwrap_or_default();
    match &*finding.facts {
        finding::Facts::ForwardRefused(refused) => {
            let device = finding.subject.name().unwrap_or_default();
            let all = [("device", device), ("type", "PCD-04"), ("forward", "refused-24h")];
            let [of, _, state] = all;
            let messages = link(&[of, state], refused.messages, "refused message");
            let alarms = link(&all, refused.alarms, "refused alarm");
            Html::joined(messages.into_iter().chain(alarms))
        }
        finding::Facts::PlatformUnreachable(away) => waiting(away.waiting),
        finding::Facts::ForwardQueueFull(full) => waiting(full.waiting),
        _ => Html::default(),
    }
}

/// The facts of a finding by their names, behind a word that opens them.
fn facts(finding: &Finding, frame: &Frame) -> Html {
    let Value::Object(values) = finding.facts.values() else { return Html::default() };
    let rows = values.iter().map(|(name, value)| (name.clone(), frame.times.sentence(&in_words(value))));
    let facts = Facts::new(rows).to_string();
    if values.is_empty() {
        return Html::default();
    }
    let id = format!("facts-{}-{}", finding.code(), encoded(finding.subject.name().unwrap_or_default()));
    Html::written(format!("<details id=\"{}\"><summary>Facts</summary>{facts}</details>", Html::text(&id)))
}

/// A value of a fact: what is in it is separated by commas, several of its kind by semicolons.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let separator = if all.iter().any(Value::is_object) { "; " } else { ", " };
            all.iter().map(in_words).collect::<Vec<_>>().join(separator)
        }
        Value::Object(all) => {
            let part = |(name, value): (&String, &Value)| format!("{name} {}", in_words(value));
            all.iter().map(part).collect::<Vec<_>>().join(", ")
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Findings on the page.
const MAX_FINDINGS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_fact_is_words() {
        let value = serde_json::json!([{"limit": "feeds", "used": 9}, {"limit": "files", "near": true}]);
        assert_eq!(in_words(&value), "limit feeds, used 9; limit files, near yes");
        assert_eq!(in_words(&serde_json::json!(["a", 1])), "a, 1");
    }

    #[test]
    fn an_age_is_in_whole_days_or_in_what_it_is() {
        let shown = |seconds| age_in_words(Duration::from_secs(seconds));
        assert_eq!(
            [86_400, 30 * 86_400, 3600, 90_000].map(shown),
            ["1 day", "30 days", "1 h 0 min", "1 d 1 h"]
        );
    }
}
