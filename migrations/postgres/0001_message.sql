-- What was received, byte for byte, and what was answered. Times are microseconds since 1970-01-01 UTC.
-- Texts are compared byte for byte (collation "C"), so that no update of the system's locales can spoil an index.
-- PostgreSQL has no U+0000 in a text: where a message has one, these columns have U+2400; raw has what came.
CREATE TABLE message (
    id                  BYTEA  NOT NULL PRIMARY KEY CHECK (length(id) = 16),  -- UUID version 7: the order of arrival
    received_at         BIGINT NOT NULL,
    event_time          BIGINT,
    device              TEXT   COLLATE "C" NOT NULL,                          -- the certificate's Common Name
    session             TEXT   COLLATE "C" NOT NULL,
    fingerprint         TEXT   COLLATE "C" NOT NULL,
    peer                TEXT   COLLATE "C" NOT NULL,
    pcd_transaction     TEXT   COLLATE "C",
    message_type        TEXT   COLLATE "C" NOT NULL,                          -- MSH-9
    control_id          TEXT   COLLATE "C" NOT NULL,                          -- MSH-10
    sending_application TEXT   COLLATE "C" NOT NULL,                          -- MSH-3
    correlation         BYTEA  NOT NULL CHECK (length(correlation) = 32),     -- SHA-256 over MSH-3 and MSH-10
    digest              BYTEA  NOT NULL CHECK (length(digest) = 32),          -- SHA-256 over raw
    rejection           TEXT   COLLATE "C",                                   -- the code of the reason; NULL: accepted
    warnings            TEXT   NOT NULL CHECK (warnings::json IS NOT NULL),
    identities          TEXT   NOT NULL CHECK (identities::json IS NOT NULL),
    acknowledgement     BYTEA  NOT NULL,
    raw                 BYTEA  NOT NULL
);

-- The same control id with the same bytes is a resend: one row, whichever node is asked first. An index has no room for
-- texts of any length, and a device may send them as long as it likes; hence their hash.
CREATE UNIQUE INDEX message_resend ON message (device, correlation, digest) WHERE rejection IS NULL;
CREATE INDEX message_device ON message (device, id);
CREATE INDEX message_rejected ON message (id) WHERE rejection IS NOT NULL;
