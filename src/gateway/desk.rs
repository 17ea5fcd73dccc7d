//! What the parts of gateway mode need of the rest of the platform.

use super::status::Status;
use crate::authz::DirectoryHandle;
use crate::config::ConfigHandle;
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::Store;

/// Forwards messages while the configuration names a platform. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The current configuration.
    pub config: ConfigHandle,
    /// The devices, and what each is called.
    pub directory: DirectoryHandle,
    /// The queue.
    pub store: Store,
    /// The open sessions of devices.
    pub registry: Registry,
    /// The metrics.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// What is known of the connections.
    pub status: Status,
}
