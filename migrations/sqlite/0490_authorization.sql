-- What a person lets an application read: the page that asks, then the code, then the token. Only hashes: what the browser
-- and the application send is in no table.
CREATE TABLE api_authorization (
    hash         TEXT    NOT NULL PRIMARY KEY,                             -- SHA-256 of the form's value, then of the code
    stage        INTEGER NOT NULL CHECK (stage IN (0, 1, 2)),              -- asked, code, token
    client       TEXT    NOT NULL,                                         -- api_client.id
    redirect_uri TEXT    NOT NULL,
    state        TEXT    NOT NULL,                                         -- of the application, comes back to it
    challenge    TEXT    NOT NULL,                                         -- RFC 7636, S256
    scopes       TEXT    NOT NULL,                                         -- with blanks between them
    person       TEXT    NOT NULL,                                         -- subject of the certificate
    certificate  TEXT    NOT NULL,                                         -- SHA-256, hexadecimal
    chain        TEXT    NOT NULL CHECK (json_valid(chain)),               -- the certificate and its CAs, in base64
    ends         INTEGER NOT NULL                                          -- microseconds since 1970-01-01 UTC
) STRICT, WITHOUT ROWID;
CREATE INDEX api_authorization_certificate ON api_authorization (certificate, stage, ends);
CREATE INDEX api_authorization_client ON api_authorization (client);
CREATE INDEX api_authorization_ends ON api_authorization (ends);

-- The code that gave a token; '' where no person was asked.
ALTER TABLE api_token ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE INDEX api_token_code ON api_token (code) WHERE code <> '';

-- Where an application takes the answers of people; none: it reads on its own behalf.
ALTER TABLE api_registration ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(redirect_uris));
