//! The platform at a glance.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::finding::FindingView;

/// The platform at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Status)]
pub struct StatusView<'a> {
    /// The version of the program.
    pub version: &'static str,
    /// The node that it serves.
    pub node: String,
    /// The ward, where only its devices and findings are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ward: Option<String>,
    /// Its devices by state, where a ward was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub states: Option<BTreeMap<&'static str, usize>>,
    /// The severity of the most severe finding; null without any.
    pub worst: Option<&'static str>,
    /// Numbers.
    #[serde(flatten)]
    pub glance: GlanceView,
    /// What needs a person, the most severe first.
    pub findings: Vec<FindingView<'a>>,
}

/// Numbers of a running platform.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Glance)]
pub struct GlanceView {
    /// When the process started.
    pub started: String,
    /// Entries of the directory.
    pub devices: usize,
    /// Entries that are active.
    pub active: usize,
    /// Devices with an open session on this node.
    pub connected: usize,
    /// Open sessions on this node.
    pub sessions: usize,
    /// Devices, and devices behind them, that are silent.
    pub silent: usize,
    /// The store and its disk; absent in the first moments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreRoomView>,
}

/// How large the store is, and how long its disk lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = StoreRoom)]
pub struct StoreRoomView {
    /// Bytes of the files, or of the database on the server.
    pub size_bytes: u64,
    /// Free bytes of the disk; absent for a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// All bytes of the disk; absent for a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Bytes of the disk that a day takes at the rate of the last hour; absent in the first ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<u64>,
    /// Bytes by which the store grows in a day at that rate: the rest is taken by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_bytes_per_day: Option<u64>,
    /// For how long the rate was measured: an hour at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_seconds: Option<u64>,
    /// When the disk is full at that rate; absent when it lasts for ten years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_at: Option<String>,
}
