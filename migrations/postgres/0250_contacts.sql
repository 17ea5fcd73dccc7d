-- What each node has seen of the devices of the directory, of peers that it refused, and of the devices behind gateways. Written every
-- few seconds from memory. Each node writes its own rows, so that no node waits for another.
-- Times are microseconds since 1970-01-01 UTC; 0: not yet.

-- The last connection of a device, and the certificate that it showed.
CREATE TABLE contact (
    device          TEXT COLLATE "C" NOT NULL,  -- the entry of the directory
    node            TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('connected', 'disconnected')),
    peer            TEXT COLLATE "C" NOT NULL,  -- address and port
    tls_version     TEXT COLLATE "C" NOT NULL,
    tls_suite       TEXT COLLATE "C" NOT NULL,
    connected_at    BIGINT           NOT NULL,
    disconnected_at BIGINT           NOT NULL,
    last_message_at BIGINT           NOT NULL,
    day             TEXT COLLATE "C" NOT NULL,  -- the day of messages_today, in the time zone of the node
    messages_today  BIGINT           NOT NULL,
    fingerprint     TEXT COLLATE "C" NOT NULL,  -- SHA-256 of the certificate
    serial          TEXT COLLATE "C" NOT NULL,
    issuer          TEXT COLLATE "C" NOT NULL,
    not_before      BIGINT           NOT NULL,
    not_after       BIGINT           NOT NULL,
    public_key      TEXT COLLATE "C" NOT NULL,  -- its kind and size
    PRIMARY KEY (device, node)
);

-- Refused peers: for each peer and reason one row. Peers whose chain leads to an installed root have room of their own, so that
-- strangers cannot displace them.
CREATE TABLE refused (
    room     TEXT COLLATE "C" NOT NULL CHECK (room IN ('verified', 'unverified')),
    who      TEXT COLLATE "C" NOT NULL,  -- verified: the Common Name, or the fingerprint; otherwise the address
    device   TEXT COLLATE "C" NOT NULL,  -- the Common Name; unverified: one of the directory that it claims, or empty
    reason   TEXT COLLATE "C" NOT NULL,
    node     TEXT COLLATE "C" NOT NULL,
    peer     TEXT COLLATE "C" NOT NULL,  -- the last address and port
    first_at BIGINT           NOT NULL,
    last_at  BIGINT           NOT NULL,
    count    BIGINT           NOT NULL,
    facts    TEXT NOT NULL CHECK (facts::json IS NOT NULL),  -- of the last refusal
    PRIMARY KEY (room, who, device, reason, node)
);

-- When the devices behind a certificate were heard, and the certificate itself (an empty identity).
CREATE TABLE feed (
    via       TEXT COLLATE "C" NOT NULL,
    identity  TEXT COLLATE "C" NOT NULL,
    node      TEXT COLLATE "C" NOT NULL,
    last_at   BIGINT           NOT NULL,
    pause     BIGINT           NOT NULL,  -- microseconds: the longest usual one; 0: unknown
    heartbeat BIGINT           NOT NULL,  -- microseconds: the stated interval; 0: none
    silent    BIGINT           NOT NULL CHECK (silent IN (0, 1)),  -- 1: its silence is reported
    has_left  BIGINT           NOT NULL CHECK (has_left IN (0, 1)),  -- 1: it left with its last message
    PRIMARY KEY (via, identity, node)
);

-- What people call a device, and where it is. Free texts.
ALTER TABLE device ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN ward TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN serial TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN owner TEXT NOT NULL DEFAULT '';
