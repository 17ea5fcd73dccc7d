//! The devices that send through one certificate, as the store knows them.

use std::collections::BTreeMap;
use std::ops::Not;

use serde::Serialize;

use crate::authz::Device;
use crate::cli::context::failed;
use crate::cli::{Failure, Output};
use crate::fleet::{BehindDevice, state_behind};
use crate::store::{Feed, Store};

/// A device behind a certificate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Behind {
    /// Its name in messages.
    pub(super) identity: String,
    /// How it stands.
    pub(super) state: &'static str,
    /// When it was heard last; up to a minute late.
    pub(super) last: String,
    /// Whether its silence is reported.
    pub(super) silent: bool,
    /// Whether it left monitoring with its last heartbeat.
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) left: bool,
}

/// The devices that send through `device`, by name. Of each what the node says that heard it last.
pub(super) async fn of(device: &Device, is_connected: bool, store: &Store) -> Result<Vec<Behind>, Failure> {
    let now = store.now();
    let mut newest: BTreeMap<String, Feed> = BTreeMap::new();
    for feed in store.feeds().await.map_err(failed)? {
        let Some(identity) = feed.identity.clone().filter(|_| feed.via == device.id) else { continue };
        if newest.get(&identity).is_none_or(|known| known.last < feed.last) {
            newest.insert(identity, feed);
        }
    }
    let state = |identity: &str, feed: &Feed| {
        let known = BehindDevice {
            identity,
            last_heard: feed.last,
            is_silent: feed.is_silent,
            has_left: feed.has_left,
        };
        state_behind(&known, device, is_connected, now).code()
    };
    let view = |(identity, feed): (String, Feed)| Behind {
        state: state(&identity, &feed),
        identity,
        last: feed.last.to_string(),
        silent: feed.is_silent,
        left: feed.has_left,
    };
    Ok(newest.into_iter().map(view).collect())
}

impl Behind {
    /// The line of `device show`.
    pub(super) fn line(&self, output: Output) -> String {
        let state = match self {
            Self { state: "left", .. } => "left monitoring",
            Self { state, .. } => state,
        };
        format!("{}, {state}, heard last at {}", self.identity, output.time(&self.last))
    }
}
