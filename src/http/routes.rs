//! Everything that is served, and to whom.

use super::route::Route;
use super::{acts, api, api_file, command, health, metrics_page, reload, session};
use crate::model::Right;

/// The routes of this folder.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::open("/livez", health::live),
        Route::open("/readyz", health::ready),
        Route::open("/metrics", metrics_page::metrics),
        Route::open("/enter", session::enter),
        Route::post("/logout", Right::See, session::logout).at_once(),
        Route::post("/api/page-links", Right::See, session::link).at_once(),
        Route::get("/api/openapi.json", Right::See, api_file::description).at_once(),
        Route::post("/api/devices", Right::Operate, acts::add).with_parameters(),
        Route::post("/api/devices/{cn}/allow", Right::Operate, acts::allow).with_parameters(),
        Route::post("/api/devices/{cn}/change", Right::Operate, acts::change).with_parameters(),
        Route::post("/api/devices/{cn}/messages", Right::Operate, acts::send_to).with_parameters(),
        Route::post("/api/devices/{cn}/remove", Right::Operate, acts::remove).with_parameters(),
        Route::post("/api/devices/{cn}/resume", Right::Operate, acts::resume).with_parameters(),
        Route::post("/api/devices/{cn}/suspend", Right::Operate, acts::suspend).with_parameters(),
        Route::post("/api/messages/{id}/reconsider", Right::Operate, acts::reconsider)
            .with_parameters()
            .of_content(),
        Route::post("/api/messages/search", Right::Content, api::search).of_content(),
        Route::post("/api/orders", Right::Operate, acts::send).with_parameters(),
        Route::post("/api/orders/{id}/withdraw", Right::Operate, acts::withdraw).with_parameters(),
        Route::post("/api/store/backup", Right::Administer, acts::backup).with_parameters().at_once(),
        Route::post("/api/command", Right::See, command::command).at_once(),
        Route::post("/reload", Right::Administer, reload::reload).at_once(),
        Route::get("/api/certificates", Right::See, api::certificates),
        Route::get("/api/audit", Right::See, api::audit).with_parameters(),
        Route::get("/api/devices", Right::See, api::devices),
        Route::get("/api/findings", Right::See, api::findings),
        Route::get("/api/messages", Right::See, api::messages).with_parameters(),
        Route::get("/api/outbox", Right::See, api::orders).with_parameters(),
        Route::get("/api/person", Right::See, api::person).at_once(),
        Route::get("/api/refusals", Right::See, api::refusals),
        Route::get("/api/sessions", Right::See, api::sessions),
        Route::get("/api/status", Right::See, api::status).with_parameters(),
        Route::get("/api/store", Right::See, api::store),
        Route::get("/api/why", Right::See, api::why).with_parameters(),
    ]
}
