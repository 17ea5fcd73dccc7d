-- What was received, byte for byte, and what was answered. Times are microseconds since 1970-01-01 UTC.
-- The large columns come last: a listing then never reads their pages.
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
    digest              BLOB    NOT NULL CHECK (length(digest) = 32),     -- SHA-256 over raw
    rejection           TEXT,                                             -- the code of the reason; NULL: accepted
    warnings            TEXT    NOT NULL CHECK (json_valid(warnings)),
    identities          TEXT    NOT NULL CHECK (json_valid(identities)),
    acknowledgement     BLOB    NOT NULL,
    raw                 BLOB    NOT NULL
) STRICT;

-- The same control id with the same bytes is a resend: one row, whoever asks first.
CREATE UNIQUE INDEX message_resend ON message (device, sending_application, control_id, digest) WHERE rejection IS NULL;
CREATE INDEX message_device ON message (device, id);
CREATE INDEX message_rejected ON message (id) WHERE rejection IS NOT NULL;
