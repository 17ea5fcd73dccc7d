//! `/api/devices`, `/api/sessions`, `/api/refusals` and `/api/why`.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::{bad_request, unavailable};
use crate::fleet::{Fleet, Subject, investigate};
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::model::DeviceId;
use crate::view::{DeviceView, LiveDeviceView, RefusalView, SessionView, StandingView, WhyView};

/// The open sessions of this node.
#[utoipa::path(get, path = "/api/sessions", tag = "read", responses((status = 200, description = "the sessions", content_type = "application/json")))]
pub(in crate::http) async fn sessions(State(state): State<AdminState>) -> PlainJson<Vec<SessionView>> {
    PlainJson(state.live.sessions())
}

/// The whole directory, with the sessions and the feed of each device.
#[utoipa::path(get, path = "/api/devices", tag = "read", responses((status = 200, description = "the entries, with sessions and feeds", content_type = "application/json")))]
pub(in crate::http) async fn devices(State(state): State<AdminState>) -> Response {
    let read = async { Ok((state.store.devices().await?, Fleet::read(&state.store).await?)) };
    let (devices, fleet) = match read.await {
        Ok(read) => read,
        Err(error) => return unavailable(error),
    };
    let now = state.store.now();
    let standings = devices.iter().map(|device| {
        let live = state.live.device(&device.id);
        (device, live, fleet.standing(device, Some(&live), now))
    });
    let standings: Vec<_> = standings.collect();
    let views: Vec<_> = standings
        .iter()
        .map(|(device, live, standing)| LiveDeviceView {
            entry: DeviceView::from(*device),
            standing: StandingView::from(standing),
            sessions: live.sessions,
            feed: state.live.feed(&device.id),
            missing: live.is_missing,
            behind: state.live.devices_behind(&device.id, standing.is_connected, now),
        })
        .collect();
    PlainJson(views).into_response()
}

/// Refused peers, the last refused first.
#[utoipa::path(get, path = "/api/refusals", tag = "read", responses((status = 200, description = "the refused peers", content_type = "application/json")))]
pub(in crate::http) async fn refusals(State(state): State<AdminState>) -> Response {
    match state.store.refused().await {
        Ok(rows) => {
            let directory = state.live.directory();
            let view = |row| RefusalView::now(row, &directory);
            PlainJson(rows.iter().map(view).collect::<Vec<_>>()).into_response()
        }
        Err(error) => unavailable(error),
    }
}

/// The query string of `/api/why`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::http) struct WhyQuery {
    /// A Common Name or an address.
    subject: String,
}

/// Why a device, or what is at an address, cannot connect or send.
#[utoipa::path(get, path = "/api/why", tag = "read", params(WhyQuery), responses((status = 200, description = "the path, the cause and the next step", content_type = "application/json")))]
pub(in crate::http) async fn why(
    State(state): State<AdminState>,
    Query(WhyQuery { subject }): Query<WhyQuery>,
) -> Response {
    let Ok(subject) = subject.parse::<Subject>() else {
        return bad_request("subject must be a Common Name or an IP address");
    };
    let live = match &subject {
        Subject::Device(id) => match known(&state, id).await {
            Ok(id) => Some(state.live.device(&id)),
            Err(response) => return response,
        },
        Subject::Address(_) => None,
    };
    match investigate(&state.store, &subject, live.as_ref(), state.store.now()).await {
        Ok(why) => PlainJson(WhyView::from(&why)).into_response(),
        Err(error) => unavailable(error),
    }
}

/// The name as the directory spells it.
async fn known(state: &AdminState, id: &DeviceId) -> Result<DeviceId, Response> {
    let known = state.store.device_or_damaged(id).await.map_err(unavailable)?;
    Ok(known.map_or_else(|| id.clone(), |device| device.id))
}
