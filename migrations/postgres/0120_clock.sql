-- The clock of the node's machine less that of this server, in microseconds, as the process measured it at its last renewal.
ALTER TABLE node_lease ADD COLUMN clock_ahead BIGINT;
