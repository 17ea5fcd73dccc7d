//! What people do from pages and programs: each says what it will do, needs a right, and is done as the
//! command of the same name does it.

mod act;
mod devices;
mod orders;
mod store;

pub(super) use devices::{add, allow, change, remove, resume, suspend};
pub(super) use orders::{reconsider, send, send_to, withdraw};
pub(super) use store::backup;

/// What these handlers say of themselves.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    devices::add,
    devices::allow,
    devices::change,
    devices::remove,
    devices::resume,
    devices::suspend,
    orders::reconsider,
    orders::send,
    orders::send_to,
    orders::withdraw,
    store::backup,
    super::reload::reload,
    super::command::command,
))]
pub(super) struct ActDescription;
