-- The messages that a gateway forwards to its platform: a row from the commit of the message until the platform has acknowledged it.
-- Rows of messages whose device awaits the platform's answer, and of refused messages, stay as long as their message.
CREATE TABLE forward (
    message    BYTEA  NOT NULL PRIMARY KEY CHECK (length(message) = 16),
    node       TEXT   COLLATE "C" NOT NULL,                                -- the node that received it, and forwards it
    class      BIGINT NOT NULL,                                            -- 0: alarms, 1: events, 2: data; the lowest first
    device     TEXT   COLLATE "C" NOT NULL,                                -- the Common Name of the sender
    settled_at BIGINT,                                                     -- microseconds since 1970-01-01 UTC; NULL: it waits
    outcome    TEXT   COLLATE "C" CHECK (outcome IN ('accepted', 'refused')),
    code       TEXT   COLLATE "C",                                         -- MSA-1 of the platform's answer
    reason     TEXT   COLLATE "C",                                         -- ERR-5.1 of it
    answer     BYTEA,                                                      -- the application acknowledgement, as it came
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
);

CREATE INDEX forward_waiting ON forward (node, class, device, message) WHERE settled_at IS NULL;
CREATE INDEX forward_oldest ON forward (message) WHERE settled_at IS NULL;
CREATE INDEX forward_refused ON forward (settled_at) WHERE outcome = 'refused';
