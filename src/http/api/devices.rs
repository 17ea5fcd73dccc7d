//! `/api/devices` and `/api/sessions`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::response::unavailable;
use crate::authz::Device;
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::view::{DeviceView, LiveDeviceView, SessionView};

/// The open sessions of this node.
pub(in crate::http) async fn sessions(State(state): State<AdminState>) -> PlainJson<Vec<SessionView>> {
    PlainJson(state.live.sessions())
}

/// The whole directory, with the sessions and the feed of each device.
pub(in crate::http) async fn devices(State(state): State<AdminState>) -> Response {
    let devices = match state.store.devices().await {
        Ok(devices) => devices,
        Err(error) => return unavailable(&error),
    };
    let open = state.live.sessions();
    let sessions_of =
        |device: &Device| open.iter().filter(|session| session.device == device.id.as_str()).count();
    let views: Vec<_> = devices
        .iter()
        .map(|device| LiveDeviceView {
            entry: DeviceView::from(device),
            sessions: sessions_of(device),
            feed: state.live.feed(&device.id),
            missing: state.live.is_missing(&device.id),
            behind: state.live.devices_behind(&device.id),
        })
        .collect();
    PlainJson(views).into_response()
}
