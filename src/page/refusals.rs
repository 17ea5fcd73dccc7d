//! `/refusals`: who was refused, why, and what to do.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::element::{Html, Tone, device_link, grouped, help_link, sentence};
use super::frame::Frame;
use super::layout::Table;
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::{given, since};
use super::response::page;
use super::visitor::Visitor;
use crate::authz::Directory;
use crate::store::{RefusedRoom, RefusedRow};
use crate::view::RefusalView;

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    q: Option<String>,
    /// A code of a refusal.
    reason: Option<String>,
    /// Those that were refused since then: a duration or a time.
    since: Option<String>,
}

#[derive(Template)]
#[template(path = "refusals.html")]
struct RefusalsPage {
    frame: Frame,
    search: String,
    /// What else is searched for, in words.
    narrowed: String,
    table: Table,
    more: usize,
}

/// Who was refused.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/refusals", "Refused connections").live();
    let search = given(filters.q).unwrap_or_default();
    let reason = given(filters.reason);
    let stated = given(filters.since);
    let from = stated.as_deref().map(|text| since(text, frame.times.now()).ok_or(())).transpose();
    let Ok(from) = from else {
        let help = "The time must be a duration such as 24h or 7d, or a time such as 2026-01-31T08:00:00Z.";
        return Err(Failure::unusable(frame, "This search cannot be made", help));
    };
    let rows = state.store().refused().await.or_failure(&frame)?;
    let is_asked = |row: &&RefusedRow| {
        from.is_none_or(|from| row.last >= from)
            && reason.as_deref().is_none_or(|reason| row.refusal.code() == reason)
    };
    let found: Vec<_> = rows.iter().filter(is_asked).filter(|row| fits(row, &search)).collect();
    let narrowed = [reason, stated.map(|stated| format!("since {stated}"))];
    let narrowed = narrowed.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let more = found.len().saturating_sub(ROWS);
    let table = table(found.into_iter().take(ROWS), &state.live().directory(), &frame).list();
    Ok(page(&RefusalsPage { frame, search, narrowed, table, more }))
}

fn fits(row: &RefusedRow, search: &str) -> bool {
    let device = row.device.as_ref().map(|device| device.as_str()).unwrap_or_default();
    let texts = [row.who.as_str(), device, row.peer.as_str(), row.refusal.code()];
    let search = search.to_lowercase();
    texts.iter().any(|text| text.to_lowercase().contains(&search))
}

/// Refused peers, as the page of a device shows them as well.
pub(super) fn table<'a>(
    rows: impl Iterator<Item = &'a RefusedRow>,
    directory: &Directory,
    frame: &Frame,
) -> Table {
    let columns = ["Who", "Why, and what to do", "How often", "Last", "First", "From"];
    let empty = "No connection was refused.";
    Table::new("Refused connections, the last one first", &columns, empty)
        .with(rows.map(|refused| row(refused, directory, frame)))
}

fn row(row: &RefusedRow, directory: &Directory, frame: &Frame) -> Vec<Html> {
    let view = RefusalView::now(row, directory);
    let name = match (&row.device, row.room) {
        (Some(device), RefusedRoom::Verified) => device_link(device.as_str()),
        (Some(device), RefusedRoom::Unverified) => {
            Html::joined([Html::text(&row.who), Html::muted("claims to be"), device_link(device.as_str())])
        }
        (None, _) => Html::text(&row.who),
    };
    let proof = match row.room {
        RefusedRoom::Verified => Html::tag(Tone::Quiet, "certificate of your PKI"),
        RefusedRoom::Unverified => Html::default(),
    };
    let why = format!(
        "<p><strong>{}</strong> {}</p><p class=\"sub\">{}</p>",
        frame.times.sentence(&sentence(&view.cause)),
        help_link(row.refusal.code(), row.refusal.code()),
        Html::text(&sentence(&view.next_step))
    );
    vec![
        Html::joined([name, proof]),
        Html::written(why),
        Html::text(&grouped(row.count)),
        frame.times.moment(row.last),
        frame.times.moment(row.first),
        Html::text(&row.peer),
    ]
}

/// Rows of a page.
const ROWS: usize = 200;
