-- How long the result of an order that the device has accepted is awaited, and the outcome without one. SQLite changes the list of
-- outcomes in a new table only.
CREATE TABLE outbox_with_result (
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
    claimed_process TEXT,                                             -- its process, and
    claimed_until   INTEGER,                                          -- how long it is that process's alone
    acknowledgement TEXT,                                             -- MSA-1 of the device's last answer
    answer          BLOB CHECK (length(answer) = 16),                 -- the message with that answer
    result_until    INTEGER,                                          -- accepted: its result is awaited until then
    result_default  TEXT CHECK (result_default IN ('acknowledged', 'unconfirmed')),  -- the outcome without a result
    outcome         TEXT                                              -- NULL: waiting
                    CHECK (outcome IN ('acknowledged', 'refused', 'expired', 'unconfirmed', 'withdrawn')),
    settled_at      INTEGER,
    raw             BLOB    NOT NULL,
    CHECK ((outcome IS NULL) = (settled_at IS NULL)),
    CHECK ((result_until IS NULL) = (result_default IS NULL))
) STRICT;

INSERT INTO outbox_with_result (id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at, claimed_by,
    claimed_process, claimed_until, acknowledgement, answer, outcome, settled_at, raw)
SELECT id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at, claimed_by, claimed_process,
    claimed_until, acknowledgement, answer, outcome, settled_at, raw
FROM outbox ORDER BY id;

DROP TABLE outbox;
ALTER TABLE outbox_with_result RENAME TO outbox;

-- What was accepted before is awaited for five minutes from when it was sent.
UPDATE outbox SET result_until = coalesce(sent_at, queued_at) + 300000000, result_default = 'unconfirmed'
WHERE outcome IS NULL AND acknowledgement IS NOT NULL;

-- A device's answer names a message by its control id alone.
CREATE UNIQUE INDEX outbox_control_id ON outbox (device, control_id) WHERE outcome IS NULL;
CREATE INDEX outbox_answered ON outbox (device, control_id, id);
CREATE INDEX outbox_waiting ON outbox (id) WHERE outcome IS NULL;
CREATE INDEX outbox_device ON outbox (device, id);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE outcome IS NOT NULL;
