-- Which events partners are notified of. Changed by commands, followed by every node.
CREATE TABLE subscription (
    name         TEXT    NOT NULL PRIMARY KEY,
    organisation TEXT    NOT NULL,                                         -- organisation.oid
    events       TEXT    NOT NULL CHECK (json_valid(events)),              -- kinds of events, devices, wards, transactions
    receiver     TEXT    NOT NULL CHECK (json_valid(receiver)),            -- where it is posted to; null: the partner asks
    created_at   INTEGER NOT NULL                                          -- microseconds since 1970-01-01 UTC
) STRICT, WITHOUT ROWID;

-- How far each audit chain was looked through for a subscription. It moves in the transaction that writes the notifications.
CREATE TABLE subscription_position (
    subscription TEXT    NOT NULL,                                         -- subscription.name
    node         TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    PRIMARY KEY (subscription, node)
) STRICT, WITHOUT ROWID;

-- What a partner is notified of: one row for each event of a subscription.
CREATE TABLE partner_notification (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    subscription TEXT    NOT NULL,                                         -- subscription.name
    organisation TEXT    NOT NULL,                                         -- organisation.oid
    event        TEXT    NOT NULL,
    device       TEXT    NOT NULL,                                         -- empty: it is about none
    message      BLOB    NOT NULL CHECK (length(message) IN (0, 16)),      -- empty: it is about none
    reason       TEXT    NOT NULL,                                         -- a transaction, or a code
    at           INTEGER NOT NULL,                                         -- of the event, microseconds since 1970-01-01 UTC
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'dead')),
    deliveries   INTEGER NOT NULL,                                         -- that the partner has answered
    attempts     INTEGER NOT NULL,                                         -- that it has not, since the last delivery
    visible_at   INTEGER NOT NULL,                                         -- when it may be delivered again
    receipt      BLOB    NOT NULL UNIQUE CHECK (length(receipt) = 32),     -- SHA-256 of the present receipt handle
    error        TEXT    NOT NULL                                          -- why it is not acknowledged
) STRICT;
CREATE INDEX partner_notification_due ON partner_notification (subscription, visible_at) WHERE state = 'waiting';
CREATE INDEX partner_notification_settled ON partner_notification (state, id) WHERE state <> 'waiting';
