//! The pages for operators: plain HTML that needs no script, from the templates in `templates/`.
//!
//! Each page is a file here with its handler, the values of its template, and how they become text. Changes
//! are in `act`. Pages hold the content of a message only where a person asked for it, which is recorded; all
//! else on them is what `/api` and the command line show as well. `element` is the only code that makes HTML
//! of text, besides the templates, which escape everything.

mod act;
mod answer;
mod asset;
mod audit;
mod calendar;
mod command;
mod device;
mod devices;
mod element;
mod enrolments;
mod event;
mod frame;
mod help;
mod layout;
mod live;
mod markdown;
mod message;
mod messages;
mod numbers;
mod orders;
mod overview;
mod plot;
mod problem;
mod query;
mod readers;
mod refusals;
mod registrations;
mod response;
mod search;
mod state;
mod system;
mod times;
mod tree;
mod trust;
mod validity;
mod visitor;

use crate::http::{AdminState, ProblemPage, Route};
use crate::model::Right;

/// What a browser gets of a request that is not done: a page as all others, with its menu.
#[must_use]
pub fn problem_page(state: &AdminState) -> ProblemPage {
    problem::page_of(state)
}

/// Every page, its path, and the right that it needs.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/", Right::See, overview::show),
        Route::get("/devices", Right::See, devices::show).with_parameters(),
        Route::get("/devices/{name}", Right::See, device::show),
        Route::post("/devices/{name}/numbers", Right::Content, numbers::show).of_content(),
        Route::get("/devices/{name}/suspend", Right::Operate, act::suspend_form),
        Route::post("/devices/{name}/suspend", Right::Operate, act::suspend),
        Route::get("/devices/{name}/resume", Right::Operate, act::resume_form),
        Route::post("/devices/{name}/resume", Right::Operate, act::resume),
        Route::get("/devices/{name}/allow", Right::Operate, act::allow_form).with_parameters(),
        Route::post("/devices/{name}/allow", Right::Operate, act::allow),
        Route::get("/orders/{id}/withdraw", Right::Operate, act::withdraw_form),
        Route::post("/orders/{id}/withdraw", Right::Operate, act::withdraw),
        Route::get("/system/reload", Right::Administer, act::reload_form),
        Route::post("/system/reload", Right::Administer, act::reload).at_once(),
        Route::get("/system/backup", Right::Administer, command::backup_form),
        Route::post("/system/backup", Right::Administer, command::backup).at_once(),
        Route::get("/refusals", Right::See, refusals::show).with_parameters(),
        Route::get("/trust", Right::See, trust::show).with_parameters(),
        Route::get("/trust.csv", Right::See, trust::csv).with_parameters(),
        Route::get("/registrations", Right::See, registrations::show),
        Route::get("/registrations/{id}", Right::See, registrations::one),
        Route::post("/registrations/{id}/approve", Right::Administer, registrations::approve),
        Route::get("/registrations/{id}/reject", Right::Administer, registrations::reject_form),
        Route::post("/registrations/{id}/reject", Right::Administer, registrations::reject),
        Route::get("/enrolments", Right::See, enrolments::show),
        Route::post("/enrolments/invite", Right::Operate, enrolments::invite),
        Route::get("/enrolments/{id}", Right::See, enrolments::one),
        Route::get("/enrolments/{id}/approve", Right::Operate, enrolments::approve_form),
        Route::post("/enrolments/{id}/approve", Right::Operate, enrolments::approve),
        Route::get("/enrolments/{id}/reject", Right::Operate, enrolments::reject_form),
        Route::post("/enrolments/{id}/reject", Right::Operate, enrolments::reject),
        Route::get("/enrolments/{id}/revoke", Right::Operate, enrolments::revoke_form),
        Route::post("/enrolments/{id}/revoke", Right::Operate, enrolments::revoke),
        Route::get("/messages", Right::See, messages::show).with_parameters(),
        Route::get("/messages/search", Right::Content, search::form),
        Route::post("/messages/search", Right::Content, search::results).of_content(),
        Route::get("/messages/{id}", Right::See, message::show).of_content(),
        Route::post("/messages/{id}/content", Right::Content, message::show_content).of_content(),
        Route::get("/messages/{id}/reconsider", Right::Operate, command::reconsider_form).of_content(),
        Route::post("/messages/{id}/reconsider", Right::Operate, command::apply_reconsideration).of_content(),
        Route::post("/messages/{id}/download", Right::Content, command::download),
        Route::get("/orders", Right::See, orders::show).with_parameters(),
        Route::get("/audit", Right::See, audit::show).with_parameters(),
        Route::get("/system", Right::See, system::show).with_parameters(),
        Route::get("/live", Right::See, live::stream).at_once(),
        Route::open("/help", help::index),
        Route::open("/help/{code}", help::show),
        Route::open("/help/alerts/{name}", help::show_alert),
        Route::open("/assets/{name}", asset::serve),
    ]
}
