//! Which process this is, and which one serves a node.

use std::fmt;

use jiff::Timestamp;

use crate::model::{MessageId, NodeName};

/// One run of one process: random, new with each start. The name of a node outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct ProcessId(MessageId);

impl ProcessId {
    /// A new identifier.
    pub(in crate::store) fn new(now: Timestamp) -> Self {
        // 74 bits of a UUID of version 7 are random (RFC 9562 5.7).
        Self(MessageId::at(now))
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The process that serves a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The node that it serves.
    pub node: NodeName,
    /// The machine, or the container, on which it runs.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
}

impl Holder {
    /// This process, as it serves `node`.
    pub(super) fn this_process(node: NodeName) -> Self {
        Self { node, host: this_host(), pid: std::process::id() }
    }

    /// Whether it runs on this machine, or in this container.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.host == this_host()
    }
}

fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}, pid {}", self.host, self.pid)
    }
}
