-- What an operator has taken from a client: it opens nothing, until an operator gives it to a client.
CREATE TABLE api_removed (
    known  TEXT COLLATE "C" NOT NULL PRIMARY KEY,                          -- as api_certificate.known, or uri:COMMUNITY:URI of a registration
    client TEXT COLLATE "C" NOT NULL                                       -- api_client.id, or enrolment.id: whose it was
);

-- By what a token was granted, so that it ends with that. NULL: by a secret, or by an older program.
ALTER TABLE api_token ADD COLUMN proof TEXT COLLATE "C";                   -- SHA-256 of the certificate that proved who asked
ALTER TABLE api_token ADD COLUMN known TEXT COLLATE "C";                   -- by what that certificate is known
CREATE INDEX api_token_proof ON api_token (proof);
CREATE INDEX api_token_certificate ON api_token (certificate);
