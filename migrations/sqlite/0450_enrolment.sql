-- Certificates that partners and devices ask for: invitations, requests, and what became of them.
CREATE TABLE enrolment (
    id          TEXT    NOT NULL PRIMARY KEY,                              -- also the user of its code
    state       TEXT    NOT NULL CHECK (state IN ('invited', 'pending', 'issued', 'rejected', 'revoked')),
    failed      INTEGER NOT NULL,                                          -- wrong codes
    invited_at  INTEGER NOT NULL,                                          -- microseconds since 1970-01-01 UTC
    changed_at  INTEGER NOT NULL,                                          -- since when it has this state
    fingerprint TEXT,                                                      -- SHA-256 of its certificate, hexadecimal
    renews      TEXT,                                                      -- SHA-256 of the certificate that is renewed
    record      TEXT    NOT NULL CHECK (json_valid(record))                -- never a code, only its hash
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_state ON enrolment (state, changed_at);
CREATE INDEX enrolment_fingerprint ON enrolment (fingerprint);
CREATE INDEX enrolment_renews ON enrolment (renews, invited_at);
