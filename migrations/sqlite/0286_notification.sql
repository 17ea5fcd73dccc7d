-- Notifications that are not delivered yet (waiting), or were given up (dead: at most 100 of a receiver). Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE notification (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    node       TEXT    NOT NULL,
    receiver   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'dead')),
    attempts   INTEGER NOT NULL,
    error      TEXT    NOT NULL,                                          -- of the last attempt
    body       TEXT    NOT NULL                                           -- what is posted
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_receiver ON notification (node, receiver, state, id);

-- Which findings each receiver got, and whose end it is to get, as JSON.
CREATE TABLE notified (
    node     TEXT NOT NULL,
    receiver TEXT NOT NULL,
    findings TEXT NOT NULL CHECK (json_valid(findings)),
    PRIMARY KEY (node, receiver)
) STRICT, WITHOUT ROWID;
