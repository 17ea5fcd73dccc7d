//! When what a node that is gone has left may be given to another one.

/// No process of the one node runs, and one of the other does.
pub(super) const FROM_GONE_TO_RUNNING: &str = "
    AND NOT EXISTS (SELECT 1 FROM node_lease AS lease WHERE lease.node = $1
        AND lease.renewed_at > (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint)
    AND EXISTS (SELECT 1 FROM node_lease AS lease WHERE lease.node = $2
        AND lease.renewed_at > (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint)";
