-- Certificates that partners and devices ask for: invitations, requests, and what became of them.
CREATE TABLE enrolment (
    id          TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                   -- also the user of its code
    state       TEXT   COLLATE "C" NOT NULL CHECK (state IN ('invited', 'pending', 'issued', 'rejected', 'revoked')),
    failed      BIGINT NOT NULL,                                           -- wrong codes
    invited_at  BIGINT NOT NULL,                                           -- microseconds since 1970-01-01 UTC
    changed_at  BIGINT NOT NULL,                                           -- since when it has this state
    fingerprint TEXT   COLLATE "C",                                        -- SHA-256 of its certificate, hexadecimal
    renews      TEXT   COLLATE "C",                                        -- SHA-256 of the certificate that is renewed
    record      TEXT   NOT NULL CHECK (record::json IS NOT NULL)           -- never a code, only its hash
);
CREATE INDEX enrolment_state ON enrolment (state, changed_at);
CREATE INDEX enrolment_fingerprint ON enrolment (fingerprint);
CREATE INDEX enrolment_renews ON enrolment (renews, invited_at);
