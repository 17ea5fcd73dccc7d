//! The limit of open files of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections the process may have, at most `max_connections`: it raises its limit of open files to
/// what the system allows, and keeps [`RESERVED`] of them for everything else. Shells and service managers
/// set 1024, with a far higher hard limit.
///
/// Warns when fewer than `max_connections` are left.
pub(in crate::interface_a) fn connections_allowed(max_connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised to the hard limit");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else { return max_connections };
    let connections = connections_of(files, max_connections);
    if connections < max_connections {
        tracing::warn!(
            allowed = files,
            connections,
            "fewer open files are allowed than interface-a.max-connections takes; raise the hard limit \
             (LimitNOFILE= of systemd), or lower max-connections"
        );
    }
    connections
}

/// The connections that a limit of open files leaves room for; one at least.
fn connections_of(files: u64, max_connections: usize) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    // Of a very low limit, half: the store and the admin listener need some, and devices too.
    let left = files.saturating_sub(RESERVED).max(files / 2).max(1);
    left.min(max_connections)
}

/// Open files of the rest of the process: the store, the admin listener, fetches of revocation data, files
/// that are read at a reload. Without them no operator could see why no device connects.
const RESERVED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_open_files_for_the_rest_of_the_process() {
        assert_eq!(connections_of(1024, 20_000), 768);
        assert_eq!(connections_of(1 << 20, 20_000), 20_000);
        assert_eq!(connections_of(64, 20_000), 32);
        assert_eq!(connections_of(0, 20_000), 1);
        assert_eq!(connections_of(u64::MAX, 5), 5);
    }
}
