//! A page in place of one that cannot be shown: what happened, and the next step.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::element::{Html, help_link, sentence};
use super::frame::Frame;
use super::response::page_with;
use super::visitor::Visitor;
use crate::http::{AdminState, OwnPage, Problem, ProblemPage};
use crate::store::StoreError;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) struct Failure {
    problem: Problem,
    what: String,
    next: String,
    frame: Box<Frame>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPageText<'a> {
    frame: &'a Frame,
    what: &'a str,
    next: &'a str,
    code: u16,
    /// The page of its code, where it has one.
    help: Html,
    /// The id of the request, under which the log has more; possibly empty.
    request: &'a str,
}

/// Makes the pages of problems that are no page's own: who asks is not admitted, the address or the form
/// cannot be read, a change is not possible.
pub(super) fn page_of(state: &AdminState) -> ProblemPage {
    let state = state.clone();
    Arc::new(move |problem, id, person| {
        let what = sentence(problem.title()).trim_end_matches('.').to_owned();
        let visitor = person.map(Visitor::from).unwrap_or_default();
        let frame = Frame::new(&state, visitor, "", what.clone());
        let frame = Frame { is_stranger: problem.status() == StatusCode::UNAUTHORIZED, ..frame };
        let page = ProblemPageText {
            frame: &frame,
            what: &what,
            next: &sentence(problem.detail()),
            code: problem.status().as_u16(),
            help: help_link(problem.code(), "What this means"),
            request: id,
        };
        page_with(problem.status(), &page)
    })
}

impl Failure {
    /// 400: the address names what cannot be searched for.
    pub(super) fn unusable(frame: Frame, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Problem::bad_request, frame, what, next)
    }

    /// 404: there is no such thing.
    pub(super) fn missing(frame: Frame, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Problem::not_found, frame, what, next)
    }

    /// 503: the store did not answer.
    pub(super) fn store(frame: Frame, error: StoreError) -> Self {
        let next = "Devices keep what they cannot send. The overview shows what is known about the store.";
        Self::new(|_| error.into(), frame, "The store did not answer", next)
    }

    fn new(
        problem: impl FnOnce(String) -> Problem,
        frame: Frame,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        let (what, next) = (what.into(), next.into());
        Self { problem: problem(format!("{what}. {next}")), what, next, frame: Box::new(frame) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { problem, what, next, frame } = self;
        let (status, help) = (problem.status(), help_link(problem.code(), "What this means"));
        let frame = Frame { title: what.clone(), ..*frame };
        let show = move |request: &str| {
            let page = ProblemPageText {
                frame: &frame,
                what: &what,
                next: &next,
                code: status.as_u16(),
                help: help.clone(),
                request,
            };
            page_with(status, &page)
        };
        let mut response = problem.into_response();
        response.extensions_mut().insert(OwnPage(Arc::new(show)));
        response
    }
}

/// Why a change was not made, or content is not shown.
pub(super) enum NotDone {
    Page(Failure),
    Problem(Problem),
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        Self::Page(failure)
    }
}

impl From<Problem> for NotDone {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for NotDone {
    fn into_response(self) -> Response {
        match self {
            Self::Page(failure) => failure.into_response(),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// A store query of a page.
pub(super) trait OrFailure<T> {
    /// The value, or the page that says that the store did not answer.
    fn or_failure(self, frame: &Frame) -> Result<T, Failure>;
}

impl<T> OrFailure<T> for Result<T, StoreError> {
    fn or_failure(self, frame: &Frame) -> Result<T, Failure> {
        self.map_err(|error| Failure::store(frame.clone(), error))
    }
}

/// What the handlers of pages use.
pub(super) type Pages = axum::extract::State<AdminState>;
