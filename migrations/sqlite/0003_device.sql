-- The directory of who may connect.
CREATE TABLE device (
    id         TEXT PRIMARY KEY,  -- the certificate's Common Name
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'gateway')),
    status     TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    speaks_for TEXT NOT NULL CHECK (json_valid(speaks_for)),
    note       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Grows with every change of the directory, whichever process makes it.
CREATE TABLE device_revision (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;

INSERT INTO device_revision (one, value) VALUES (1, 0);

CREATE TRIGGER device_inserted AFTER INSERT ON device
BEGIN
    UPDATE device_revision SET value = value + 1;
END;

CREATE TRIGGER device_updated AFTER UPDATE ON device
BEGIN
    UPDATE device_revision SET value = value + 1;
END;

CREATE TRIGGER device_deleted AFTER DELETE ON device
BEGIN
    UPDATE device_revision SET value = value + 1;
END;
