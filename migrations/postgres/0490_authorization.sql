-- What a person lets an application read: the page that asks, then the code, then the token. Only hashes: what the browser
-- and the application send is in no table.
CREATE TABLE api_authorization (
    hash         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                             -- SHA-256 of the form's value, then of the code
    stage        BIGINT NOT NULL CHECK (stage IN (0, 1, 2)),              -- asked, code, token
    client       TEXT   COLLATE "C" NOT NULL,                                         -- api_client.id
    redirect_uri TEXT   NOT NULL,
    state        TEXT   NOT NULL,                                         -- of the application, comes back to it
    challenge    TEXT   NOT NULL,                                         -- RFC 7636, S256
    scopes       TEXT   NOT NULL,                                         -- with blanks between them
    person       TEXT   NOT NULL,                                         -- subject of the certificate
    certificate  TEXT   COLLATE "C" NOT NULL,                                         -- SHA-256, hexadecimal
    chain        TEXT   NOT NULL CHECK (chain::json IS NOT NULL),               -- the certificate and its CAs, in base64
    ends         BIGINT NOT NULL                                          -- microseconds since 1970-01-01 UTC
);
CREATE INDEX api_authorization_certificate ON api_authorization (certificate, stage, ends);
CREATE INDEX api_authorization_client ON api_authorization (client);
CREATE INDEX api_authorization_ends ON api_authorization (ends);

-- The code that gave a token; '' where no person was asked.
ALTER TABLE api_token ADD COLUMN code TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX api_token_code ON api_token (code) WHERE code <> '';

-- Where an application takes the answers of people; none: it reads on its own behalf.
ALTER TABLE api_registration ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]' CHECK (redirect_uris::json IS NOT NULL);
