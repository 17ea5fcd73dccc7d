//! The limit of open files of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to what the system allows the process, and warns where that is less than
/// the configured connections take. Shells and service managers set 1024, with a far higher hard limit;
/// without free descriptors the platform accepts no connection.
pub(super) fn raise_limit(max_connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised to the hard limit");
    }
    let needed = max_connections as u64;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "fewer open files are allowed than interface-a.max-connections takes; raise the hard limit \
             (LimitNOFILE= of systemd), or lower max-connections"
        );
    }
}
