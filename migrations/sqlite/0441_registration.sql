-- Clients that have registered themselves with a signed software statement. A client reads when an operator has approved it.
CREATE TABLE api_registration (
    client        TEXT    NOT NULL PRIMARY KEY,                            -- api_client.id, once it is approved
    community     TEXT    NOT NULL,                                        -- of the certificate that signed the statement
    issuer        TEXT    NOT NULL,                                        -- a URI of its subjectAltName
    name          TEXT    NOT NULL,
    contacts      TEXT    NOT NULL CHECK (json_valid(contacts)),
    scopes        TEXT    NOT NULL,                                        -- that it asks for, with blanks between them
    registered_at INTEGER NOT NULL,                                        -- microseconds since 1970-01-01 UTC
    approved      INTEGER NOT NULL CHECK (approved IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_registration_issuer ON api_registration (community, issuer);
