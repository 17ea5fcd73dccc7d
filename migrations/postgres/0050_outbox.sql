-- Messages for devices, and what became of them. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE outbox (
    id              BYTEA  NOT NULL PRIMARY KEY CHECK (length(id) = 16),  -- UUID version 7: the order of being queued
    queued_at       BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,                                      -- not sent then or later
    device          TEXT   COLLATE "C" NOT NULL,                          -- the certificate's Common Name
    message_type    TEXT   COLLATE "C" NOT NULL,                          -- MSH-9
    control_id      TEXT   COLLATE "C" NOT NULL,                          -- MSH-10
    actor           TEXT   COLLATE "C" NOT NULL,                          -- who queued it
    attempts        BIGINT NOT NULL DEFAULT 0,                            -- how often a node began to send it
    sent_at         BIGINT,                                               -- when one did last
    claimed_by      TEXT   COLLATE "C",                                   -- the node that did, and
    claimed_until   BIGINT,                                               -- how long it is that node's alone
    acknowledgement TEXT   COLLATE "C",                                   -- MSA-1 of the device's last answer
    answer          BYTEA  CHECK (length(answer) = 16),                   -- the message with that answer
    outcome         TEXT   COLLATE "C"                                    -- NULL: waiting
                    CHECK (outcome IN ('acknowledged', 'refused', 'expired', 'withdrawn')),
    settled_at      BIGINT,
    raw             BYTEA  NOT NULL,
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
);

-- A device's answer names a message by its control id alone.
CREATE UNIQUE INDEX outbox_control_id ON outbox (device, control_id) WHERE outcome IS NULL;
CREATE INDEX outbox_waiting ON outbox (id) WHERE outcome IS NULL;
CREATE INDEX outbox_device ON outbox (device, id);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE outcome IS NOT NULL;
