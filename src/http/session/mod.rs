//! Browsers: a link with a secret that counts once, and the session that it begins.

mod cookie;
mod handlers;
mod owner;
mod secret;
mod table;

pub(super) use cookie::session_secret;
pub(super) use handlers::{PageAddress, enter, lifetime, link, link_for, log_off_idle, logout};
pub(super) use owner::acts_for;
pub(super) use table::{Session, Sessions};

/// What these handlers say of themselves.
#[derive(utoipa::OpenApi)]
#[openapi(paths(handlers::enter, handlers::link, handlers::logout))]
pub(super) struct SessionDescription;
