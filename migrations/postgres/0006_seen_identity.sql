-- Identities that came in messages of a device which may not speak for them. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE seen_identity (
    device   TEXT   COLLATE "C" NOT NULL,  -- the certificate's Common Name
    identity TEXT   COLLATE "C" NOT NULL,
    messages BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    PRIMARY KEY (device, identity)
);
