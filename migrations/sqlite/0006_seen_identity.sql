-- Identities that came in messages of a device which may not speak for them. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE seen_identity (
    device   TEXT    NOT NULL,  -- the certificate's Common Name
    identity TEXT    NOT NULL,
    messages INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (device, identity)
) STRICT, WITHOUT ROWID;
