-- Which events partners are notified of. Changed by commands, followed by every node.
CREATE TABLE subscription (
    name         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    organisation TEXT   COLLATE "C" NOT NULL,                              -- organisation.oid
    events       TEXT   NOT NULL CHECK (events::json IS NOT NULL),         -- kinds of events, devices, wards, transactions
    receiver     TEXT   NOT NULL CHECK (receiver::json IS NOT NULL),       -- where it is posted to; null: the partner asks
    created_at   BIGINT NOT NULL                                           -- microseconds since 1970-01-01 UTC
);

-- How far each audit chain was looked through for a subscription. It moves in the transaction that writes the notifications.
CREATE TABLE subscription_position (
    subscription TEXT   COLLATE "C" NOT NULL,                              -- subscription.name
    node         TEXT   COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    PRIMARY KEY (subscription, node)
);

-- What a partner is notified of: one row for each event of a subscription.
CREATE TABLE partner_notification (
    id           BYTEA  NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    subscription TEXT   COLLATE "C" NOT NULL,                              -- subscription.name
    organisation TEXT   COLLATE "C" NOT NULL,                              -- organisation.oid
    event        TEXT   COLLATE "C" NOT NULL,
    device       TEXT   COLLATE "C" NOT NULL,                              -- empty: it is about none
    message      BYTEA  NOT NULL CHECK (length(message) = ANY (ARRAY[0, 16])), -- empty: it is about none
    reason       TEXT   NOT NULL,                                          -- a transaction, or a code
    at           BIGINT NOT NULL,                                          -- of the event, microseconds since 1970-01-01 UTC
    state        TEXT   COLLATE "C" NOT NULL CHECK (state = ANY (ARRAY['waiting', 'acknowledged', 'dead'])),
    deliveries   BIGINT NOT NULL,                                          -- that the partner has answered
    attempts     BIGINT NOT NULL,                                          -- that it has not, since the last delivery
    visible_at   BIGINT NOT NULL,                                          -- when it may be delivered again
    receipt      BYTEA  NOT NULL UNIQUE CHECK (length(receipt) = 32),      -- SHA-256 of the present receipt handle
    error        TEXT   NOT NULL                                           -- why it is not acknowledged
);
CREATE INDEX partner_notification_due ON partner_notification (subscription, visible_at) WHERE state = 'waiting';
CREATE INDEX partner_notification_settled ON partner_notification (state, id) WHERE state <> 'waiting';
