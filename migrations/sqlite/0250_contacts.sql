-- What each node has seen of the devices of the directory, of peers that it refused, and of the devices behind gateways. Written every
-- few seconds from memory. Each node writes its own rows, so that no node waits for another.
-- Times are microseconds since 1970-01-01 UTC; 0: not yet.

-- The last connection of a device, and the certificate that it showed.
CREATE TABLE contact (
    device          TEXT    NOT NULL,  -- the entry of the directory
    node            TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('connected', 'disconnected')),
    peer            TEXT    NOT NULL,  -- address and port
    tls_version     TEXT    NOT NULL,
    tls_suite       TEXT    NOT NULL,
    connected_at    INTEGER NOT NULL,
    disconnected_at INTEGER NOT NULL,
    last_message_at INTEGER NOT NULL,
    day             TEXT    NOT NULL,  -- the day of messages_today, in the time zone of the node
    messages_today  INTEGER NOT NULL,
    fingerprint     TEXT    NOT NULL,  -- SHA-256 of the certificate
    serial          TEXT    NOT NULL,
    issuer          TEXT    NOT NULL,
    not_before      INTEGER NOT NULL,
    not_after       INTEGER NOT NULL,
    public_key      TEXT    NOT NULL,  -- its kind and size
    PRIMARY KEY (device, node)
) STRICT, WITHOUT ROWID;

-- Refused peers: for each peer and reason one row. Peers whose chain leads to an installed root have room of their own, so that
-- strangers cannot displace them.
CREATE TABLE refused (
    room     TEXT    NOT NULL CHECK (room IN ('verified', 'unverified')),
    who      TEXT    NOT NULL,  -- verified: the Common Name, or the fingerprint; otherwise the address
    device   TEXT    NOT NULL,  -- the Common Name; unverified: one of the directory that it claims, or empty
    reason   TEXT    NOT NULL,
    node     TEXT    NOT NULL,
    peer     TEXT    NOT NULL,  -- the last address and port
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    facts    TEXT    NOT NULL CHECK (json_valid(facts)),  -- of the last refusal
    PRIMARY KEY (room, who, device, reason, node)
) STRICT, WITHOUT ROWID;

-- When the devices behind a certificate were heard, and the certificate itself (an empty identity).
CREATE TABLE feed (
    via       TEXT    NOT NULL,
    identity  TEXT    NOT NULL,
    node      TEXT    NOT NULL,
    last_at   INTEGER NOT NULL,
    pause     INTEGER NOT NULL,  -- microseconds: the longest usual one; 0: unknown
    heartbeat INTEGER NOT NULL,  -- microseconds: the stated interval; 0: none
    silent    INTEGER NOT NULL CHECK (silent IN (0, 1)),  -- 1: its silence is reported
    has_left  INTEGER NOT NULL CHECK (has_left IN (0, 1)),  -- 1: it left with its last message
    PRIMARY KEY (via, identity, node)
) STRICT, WITHOUT ROWID;

-- What people call a device, and where it is. Free texts.
ALTER TABLE device ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN ward TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN serial TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN owner TEXT NOT NULL DEFAULT '';
