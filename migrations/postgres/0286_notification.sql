-- Notifications that are not delivered yet (waiting), or were given up (dead: at most 100 of a receiver). Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE notification (
    id         BYTEA            NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    node       TEXT COLLATE "C" NOT NULL,
    receiver   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'dead')),
    attempts   BIGINT           NOT NULL,
    error      TEXT COLLATE "C" NOT NULL,                                 -- of the last attempt
    body       TEXT             NOT NULL                                  -- what is posted
);

CREATE INDEX notification_receiver ON notification (node, receiver, state, id);

-- Which findings each receiver got, and whose end it is to get, as JSON.
CREATE TABLE notified (
    node     TEXT COLLATE "C" NOT NULL,
    receiver TEXT COLLATE "C" NOT NULL,
    findings TEXT             NOT NULL CHECK (findings::json IS NOT NULL),
    PRIMARY KEY (node, receiver)
);
