//! `/help` and `/help/{code}`: what each code means. As HTML for browsers, as text for others.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::element::{Html, help_link};
use super::frame::Frame;
use super::layout::Table;
use super::markdown::markdown;
use super::problem::{Failure, Pages};
use super::response::page;
use super::visitor::Visitor;
use crate::finding::{HelpPage, alert_help, help, help_pages};
use crate::http::AdminState;

#[derive(Template)]
#[template(path = "help.html")]
struct IndexPage {
    frame: Frame,
    codes: Table,
}

#[derive(Template)]
#[template(path = "help_code.html")]
struct CodePage {
    frame: Frame,
    code: &'static str,
    text: Html,
}

/// Every code with what it means.
pub(super) async fn index(State(state): Pages, visitor: Visitor, headers: HeaderMap) -> Response {
    if !wants_html(&headers) {
        let line = |known: &HelpPage| format!("{}: {}\n", known.code, known.summary().replace('\n', " "));
        return help_pages().iter().map(line).collect::<String>().into_response();
    }
    let row = |known: &HelpPage| {
        vec![help_link(known.code, known.code), markdown(&known.summary().replace('\n', " "))]
    };
    let codes =
        Table::new("Codes and what they mean", &["Code", "Meaning"], "").with(help_pages().iter().map(row));
    page(&IndexPage { frame: Frame::new(&state, visitor, "/help", "Help"), codes })
}

/// The page of one code.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Response {
    known_page(&state, visitor, &headers, help(&code))
}

/// The page of one alert of `deploy/prometheus/alerts.yml`.
pub(super) async fn show_alert(
    State(state): Pages,
    visitor: Visitor,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Response {
    known_page(&state, visitor, &headers, alert_help(&name))
}

fn known_page(
    state: &AdminState,
    visitor: Visitor,
    headers: &HeaderMap,
    known: Option<&'static HelpPage>,
) -> Response {
    let Some(known) = known else {
        if !wants_html(headers) {
            return (StatusCode::NOT_FOUND, "there is no such code; /help lists them\n").into_response();
        }
        let frame = Frame::new(state, visitor, "/help", "");
        return Failure::missing(frame, "There is no such code", "The page Help lists every code.")
            .into_response();
    };
    if !wants_html(headers) {
        return known.text.into_response();
    }
    let frame = Frame::new(state, visitor, "/help", format!("{} · Help", known.code));
    page(&CodePage { frame, code: known.code, text: markdown(known.text) })
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
