//! `/api`: devices, sessions, messages, orders, the audit trail and certificates as JSON; never the content
//! of a message. Read only.
//!
//! The objects are those of [`crate::view`]; lists are newest first.

mod audit;
mod certificates;
mod devices;
mod findings;
mod messages;
mod orders;
mod person;
mod response;
mod search;
mod store;

pub(super) use audit::audit;
pub(super) use certificates::certificates;
pub(super) use devices::{devices, refusals, sessions, why};
pub(super) use findings::{findings, status};
pub(super) use messages::messages;
pub(super) use orders::orders;
pub(super) use person::person;
pub(super) use search::search;
pub(super) use store::store;

/// What these handlers say of themselves.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    audit::audit,
    certificates::certificates,
    devices::devices,
    devices::refusals,
    devices::sessions,
    devices::why,
    findings::findings,
    findings::status,
    messages::messages,
    orders::orders,
    person::person,
    search::search,
    store::store,
))]
pub(super) struct ApiDescription;
