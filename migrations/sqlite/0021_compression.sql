-- Large messages are kept compressed. The table is made anew because a column that is added stands behind raw, and SQLite
-- would read all of raw to get there. Rows that are there stay as they are.
ALTER TABLE message RENAME TO message_before;
DROP INDEX message_resend;
DROP INDEX message_device;
DROP INDEX message_rejected;

CREATE TABLE message (
    id                  BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),  -- UUID version 7: the order of arrival
    received_at         INTEGER NOT NULL,
    event_time          INTEGER,
    device              TEXT    NOT NULL,                                 -- the certificate's Common Name
    session             TEXT    NOT NULL,
    fingerprint         TEXT    NOT NULL,
    peer                TEXT    NOT NULL,
    pcd_transaction     TEXT,
    message_type        TEXT    NOT NULL,                                 -- MSH-9
    control_id          TEXT    NOT NULL,                                 -- MSH-10
    sending_application TEXT    NOT NULL,                                 -- MSH-3
    digest              BLOB    NOT NULL CHECK (length(digest) = 32),     -- SHA-256 over what was received
    rejection           TEXT,                                             -- the code of the reason; NULL: accepted
    warnings            TEXT    NOT NULL CHECK (json_valid(warnings)),
    identities          TEXT    NOT NULL CHECK (json_valid(identities)),
    raw_size            INTEGER,                                          -- NULL: raw is what was received; otherwise raw
                                                                          -- is a zstd frame (RFC 8878) of so many bytes
    acknowledgement     BLOB    NOT NULL,
    raw                 BLOB    NOT NULL
) STRICT;

INSERT INTO message SELECT
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, NULL, acknowledgement, raw
FROM message_before ORDER BY rowid;

DROP TABLE message_before;

-- The same control id with the same bytes is a resend: one row, whoever asks first.
CREATE UNIQUE INDEX message_resend ON message (device, sending_application, control_id, digest) WHERE rejection IS NULL;
CREATE INDEX message_device ON message (device, id);
CREATE INDEX message_rejected ON message (id) WHERE rejection IS NOT NULL;
