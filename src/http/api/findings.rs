//! `/api/findings` and `/api/status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::response::unavailable;
use crate::authz::{Device, DeviceStatus};
use crate::finding::FindingView;
use crate::fleet::{DeviceState, Fleet};
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::http::problem::Problem;
use crate::view::{GlanceView, StatusView};

/// The present findings, the most severe first.
#[utoipa::path(get, path = "/api/findings", tag = "read", responses((status = 200, description = "the findings", body = Vec<FindingView<'static>>)))]
pub(in crate::http) async fn findings(State(state): State<AdminState>) -> Response {
    let findings = state.live.board().findings();
    PlainJson(findings.iter().map(|finding| finding.view()).collect::<Vec<_>>()).into_response()
}

/// The ward that is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StatusQuery {
    /// Only the devices and findings of this ward; upper and lower case are the same
    ward: Option<String>,
}

/// The platform at a glance, or one ward.
#[utoipa::path(get, path = "/api/status", tag = "read", params(StatusQuery), responses((status = 200, description = "the platform at a glance", body = StatusView<'static>)))]
pub(in crate::http) async fn status(
    State(state): State<AdminState>,
    Query(query): Query<StatusQuery>,
) -> Response {
    let mut findings = state.live.board().findings();
    let (mut glance, mut states) = (state.live.glance(), None);
    if let Some(ward) = &query.ward {
        findings.retain(|finding| is_ward(&finding.ward, ward));
        (glance, states) = match of_ward(&state, ward, glance).await {
            Ok((glance, states)) => (glance, Some(states)),
            Err(response) => return response,
        };
    }
    let view = StatusView {
        version: env!("CARGO_PKG_VERSION"),
        node: state.store.node().to_string(),
        ward: query.ward,
        states,
        worst: findings.iter().map(|finding| finding.severity).max().map(|severity| severity.code()),
        glance,
        findings: findings.iter().map(|finding| finding.view()).collect(),
    };
    PlainJson(view).into_response()
}

fn is_ward(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// The numbers of one ward, and its devices by state.
async fn of_ward(
    state: &AdminState,
    ward: &str,
    glance: GlanceView,
) -> Result<(GlanceView, BTreeMap<&'static str, usize>), Response> {
    let directory = state.live.directory();
    let devices: Vec<&Arc<Device>> =
        directory.devices().filter(|device| is_ward(&device.about.ward, ward)).collect();
    if devices.is_empty() {
        let detail = format!("no device of the directory has the ward {ward}; `device list` shows the wards");
        return Err(Problem::not_found(detail).into_response());
    }
    let fleet = Fleet::read(&state.store).await.map_err(unavailable)?;
    let mut states: BTreeMap<_, usize> = DeviceState::ALL.map(|state| (state.code(), 0)).into();
    let mut of = GlanceView { started: glance.started, devices: devices.len(), ..GlanceView::default() };
    for device in devices {
        let live = state.live.device(&device.id);
        let standing = fleet.standing(device, Some(&live), state.store.now());
        *states.entry(standing.state.code()).or_default() += 1;
        of.active += usize::from(device.status == DeviceStatus::Active);
        of.connected += usize::from(live.sessions > 0);
        of.sessions += live.sessions;
        of.silent += usize::from(live.is_silent);
        let behind = state.live.devices_behind(&device.id, standing.is_connected, state.store.now());
        of.silent += behind.iter().filter(|behind| behind.feed.silent).count();
    }
    Ok((of, states))
}
