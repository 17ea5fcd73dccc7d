-- Messages for devices, and what became of them. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE outbox (
    id              BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),  -- UUID version 7: the order of being queued
    queued_at       INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,                                 -- not sent then or later
    device          TEXT    NOT NULL,                                 -- the certificate's Common Name
    message_type    TEXT    NOT NULL,                                 -- MSH-9
    control_id      TEXT    NOT NULL,                                 -- MSH-10
    actor           TEXT    NOT NULL,                                 -- who queued it
    attempts        INTEGER NOT NULL DEFAULT 0,                       -- how often a node began to send it
    sent_at         INTEGER,                                          -- when one did last
    claimed_by      TEXT,                                             -- the node that did, and
    claimed_until   INTEGER,                                          -- how long it is that node's alone
    acknowledgement TEXT,                                             -- MSA-1 of the device's last answer
    answer          BLOB CHECK (length(answer) = 16),                 -- the message with that answer
    outcome         TEXT                                              -- NULL: waiting
                    CHECK (outcome IN ('acknowledged', 'refused', 'expired', 'withdrawn')),
    settled_at      INTEGER,
    raw             BLOB    NOT NULL,
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
) STRICT;

-- A device's answer names a message by its control id alone.
CREATE UNIQUE INDEX outbox_control_id ON outbox (device, control_id) WHERE outcome IS NULL;
CREATE INDEX outbox_waiting ON outbox (id) WHERE outcome IS NULL;
CREATE INDEX outbox_device ON outbox (device, id);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE outcome IS NOT NULL;
