-- Access tokens of hospital systems. Only hashes: what a client sends is in no table.
CREATE TABLE api_token (
    hash        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                   -- SHA-256, hexadecimal
    holder      TEXT   COLLATE "C" NOT NULL,                               -- api_client.id, or community:NAME:SHA256
    certificate TEXT   COLLATE "C" NOT NULL,                               -- to which it is bound, or by which it was granted
    bound       BIGINT NOT NULL CHECK (bound IN (0, 1)),
    scopes      TEXT   NOT NULL,                                           -- with blanks between them
    ends        BIGINT NOT NULL                                            -- microseconds since 1970-01-01 UTC
);
CREATE INDEX api_token_holder ON api_token (holder, ends);
CREATE INDEX api_token_ends ON api_token (ends);

-- Assertions that were used: each counts once, on all nodes together.
CREATE TABLE api_jti (
    hash TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                          -- SHA-256 of its issuer and its jti
    ends BIGINT NOT NULL                                                   -- when it would be refused as too old
);
CREATE INDEX api_jti_ends ON api_jti (ends);
