-- Which process serves under the name of a node. That process renews its row by the clock of this server; a row that is not
-- renewed for ten seconds may be taken over. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE node_lease (
    node       TEXT   COLLATE "C" PRIMARY KEY,
    process    TEXT   COLLATE "C" NOT NULL,  -- a UUID, new with each start
    host       TEXT   COLLATE "C" NOT NULL,
    pid        BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL               -- 0: the process has shut down
);

-- The process that may write as this node; NULL: any. Commands beside it may write as well. Every transaction of a node locks
-- this row first, so that a process whose lease was taken over cannot commit any more.
ALTER TABLE audit_end ADD COLUMN holder TEXT COLLATE "C";

-- The process that claimed the message: claimed_by is the name of its node, which a restarted process shares.
ALTER TABLE outbox ADD COLUMN claimed_process TEXT COLLATE "C";
