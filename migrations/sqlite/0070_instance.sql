-- The process that claimed the message: claimed_by is the name of its node, which a restarted process shares. Which process
-- serves a file is decided by a lock beside the file, not by a row.
ALTER TABLE outbox ADD COLUMN claimed_process TEXT;
