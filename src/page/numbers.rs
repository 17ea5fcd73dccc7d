//! `/devices/{name}/numbers`: the values of the last messages of a device, as plots. A look at content.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::element::{Html, Tone, counted, device_address};
use super::frame::Frame;
use super::layout::Table;
use super::message::reason_of;
use super::plot;
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::response::page;
use super::tree::term_in_words;
use super::visitor::Visitor;
use crate::audit::ViewedAs;
use crate::hl7::Message;
use crate::http::Person;
use crate::model::DeviceId;
use crate::store::{MessageFilter, StoredMessage};
use crate::view::{Node, Tree, TreeOptions};

#[derive(Template)]
#[template(path = "numbers.html")]
struct NumbersPage {
    frame: Frame,
    name: String,
    back: String,
    table: Table,
    messages: String,
}

/// Why the person looks.
#[derive(Debug, Deserialize)]
pub(super) struct Look {
    reason: String,
}

/// What one metric of one device had, the oldest first.
#[derive(Debug, Default)]
struct Series {
    values: Vec<Option<f64>>,
    last: String,
    unit: String,
    /// Values that the sender took back, or that do not surely count: in no plot.
    left_out: u64,
}

/// The numbers, once the audit trail says who looks at which messages and why.
pub(super) async fn show(
    State(state): Pages,
    person: Person,
    Path(name): Path<String>,
    Form(look): Form<Look>,
) -> Result<Response, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/devices", format!("Numbers of {name}"));
    let reason = reason_of(&frame, &look.reason)?;
    let Ok(device) = name.parse::<DeviceId>() else {
        let next = "The page Devices lists what is in the directory.";
        return Err(Failure::missing(frame, format!("{name} is no device"), next).into());
    };
    let filter = MessageFilter { device: Some(device), limit: MESSAGES, ..MessageFilter::default() };
    let found = state.store().messages(&filter).await.or_failure(&frame)?;
    let accepted: Vec<_> = found.iter().filter(|message| message.verdict.rejection().is_none()).collect();
    let mut all: BTreeMap<(String, String), Series> = BTreeMap::new();
    // The oldest first, as a plot goes.
    for summary in accepted.iter().rev() {
        let Some(message) = state.store().message(summary.id).await.or_failure(&frame)? else { continue };
        state.record_view(&person, summary.id, &summary.device, ViewedAs::Tree, Some(reason.clone())).await?;
        add(&mut all, &message);
    }
    let table = table(&all);
    let messages = counted(u64::try_from(accepted.len()).unwrap_or_default(), "message");
    let back = device_address(&name);
    Ok(page(&NumbersPage { frame, name, back, table, messages }))
}

fn add(all: &mut BTreeMap<(String, String), Series>, message: &StoredMessage) {
    let Ok(parsed) = Message::parse(&message.raw) else { return };
    let tree = Tree::new(&parsed, &TreeOptions::default());
    let device = message.identities.first().cloned().unwrap_or_default();
    for node in tree.requests.iter().flat_map(|request| &request.observations).filter(|node| is_number(node))
    {
        let known = all.len();
        let key = (device.clone(), term_in_words(&node.term));
        if known >= MAX_SERIES && !all.contains_key(&key) {
            continue;
        }
        let series = all.entry(key).or_default();
        let value = node.value.as_deref().and_then(|value| value.trim().parse::<f64>().ok());
        if counts(node) {
            series.values.push(value.filter(|value| value.is_finite()));
            series.last = node.value.clone().unwrap_or_default();
            series.unit.clone_from(&node.unit);
        } else {
            // A gap: the line does not lead across it.
            series.values.push(None);
            series.left_out += 1;
        }
    }
}

fn is_number(node: &Node) -> bool {
    node.value_type == "NM" && node.value.is_some()
}

/// Whether a value may be in a plot (OBX-11, OBX-8).
fn counts(node: &Node) -> bool {
    !node.is_withdrawn && node.doubt.is_empty() && !node.not_clinical
}

fn table(all: &BTreeMap<(String, String), Series>) -> Table {
    let rows = all.iter().map(|((device, term), series)| {
        let known: Vec<f64> = series.values.iter().flatten().copied().collect();
        let least = known.iter().copied().fold(f64::INFINITY, f64::min);
        let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = if known.is_empty() { String::new() } else { format!("{least} – {most}") };
        let label = format!("{term}: {} values, {range} {}", known.len(), series.unit);
        let left_out = match series.left_out {
            0 => Html::default(),
            count => Html::tag(Tone::Watch, &format!("{} withdrawn or doubted", counted(count, "value"))),
        };
        vec![
            Html::text(term),
            Html::joined([
                Html::written(format!("<b>{}</b>", Html::text(&series.last))),
                Html::text(&series.unit),
            ]),
            plot::line(&series.values, &label),
            Html::text(&range),
            left_out,
            Html::code(device),
        ]
    });
    let columns = ["What", "Last", "Course", "Range", "Not in the plot", "Device"];
    Table::new("Numbers of the last messages", &columns, "The last messages have no numbers.").with(rows)
}

/// Messages whose numbers are shown; each is a row of the audit trail.
const MESSAGES: u32 = 30;
/// Metrics of one page.
const MAX_SERIES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_does_not_count_is_in_no_plot() {
        let node = |change: fn(&mut Node)| {
            let mut node =
                Node { value_type: "NM".to_owned(), value: Some("71".to_owned()), ..Node::default() };
            change(&mut node);
            node
        };
        assert!(counts(&node(|_| {})));
        assert!(!counts(&node(|node| node.is_withdrawn = true)));
        assert!(!counts(&node(|node| node.doubt = "questionable".to_owned())));
        assert!(!counts(&node(|node| node.not_clinical = true)));
        assert!(!is_number(&node(|node| node.value = None)));
    }
}
