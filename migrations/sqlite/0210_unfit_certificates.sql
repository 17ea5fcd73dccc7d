-- Known devices whose certificate names uses of its key (RFC 5280 4.2.1.3, 4.2.1.12) that are not those of a device: admitted because
-- tls.key-usage-exceptions names them, or refused. One row for each device at most, until it is admitted with another certificate.
-- Times are microseconds since 1970-01-01 UTC.
CREATE TABLE unfit_certificate (
    device      TEXT    NOT NULL PRIMARY KEY,                                        -- the entry of the directory
    fingerprint TEXT    NOT NULL,                                                    -- SHA-256 of the certificate
    field       TEXT    NOT NULL CHECK (field IN ('key-usage', 'extended-key-usage')),
    uses        TEXT    NOT NULL,                                                    -- what the field allows
    admitted    INTEGER NOT NULL CHECK (admitted IN (0, 1)),                         -- 0: refused
    at          INTEGER NOT NULL                                                     -- when last
) STRICT, WITHOUT ROWID;

-- Why an order was withdrawn; NULL: on behalf of an operator, or by an earlier version.
ALTER TABLE outbox ADD COLUMN reason TEXT CHECK (reason IN ('device-removed'));
