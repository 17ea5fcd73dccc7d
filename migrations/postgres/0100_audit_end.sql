-- A chain ends with its last row in audit. This table has one row for each node: every transaction of the node locks it, and
-- writes it only with a signature, or when another process takes the node over. Updated with every batch, as before, its old
-- versions could not be removed while a snapshot was open (pg_dump), and each batch read all of them.
ALTER TABLE audit_end SET (fillfactor = 50);

COMMENT ON TABLE audit_end IS 'the lock of each chain, and its row that was last when it was signed last';
