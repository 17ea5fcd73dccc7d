-- Credentials with which partners read files. Only hashes: what a client shows is in no table.
CREATE TABLE partner_credential (
    access_key  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    token       BYTEA NOT NULL CHECK (length(token) = 32),                   -- SHA-256 of the session token
    client      TEXT COLLATE "C" NOT NULL,                                              -- api_client.id
    certificate BYTEA NOT NULL CHECK (length(certificate) = 32),             -- SHA-256 of that with which it was got
    expires     BIGINT NOT NULL                                               -- microseconds since 1970-01-01 UTC
);
CREATE INDEX partner_credential_client ON partner_credential (client, expires);

-- The files of an organisation, in the order of their keys.
CREATE INDEX partner_notification_organisation ON partner_notification (organisation, id);
