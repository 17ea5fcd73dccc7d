-- The directory of who may connect.
CREATE TABLE device (
    id         TEXT COLLATE "C" PRIMARY KEY,  -- the certificate's Common Name
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'gateway')),
    status     TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
    speaks_for TEXT NOT NULL CHECK (speaks_for::json IS NOT NULL),
    note       TEXT NOT NULL
);

-- Grows with every change of the directory, whichever node makes it.
CREATE TABLE device_revision (
    one   BIGINT PRIMARY KEY CHECK (one = 1),
    value BIGINT NOT NULL
);

INSERT INTO device_revision (one, value) VALUES (1, 0);

-- Tells every node that listens, when the change is committed.
CREATE FUNCTION device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device_revision SET value = value + 1;
    PERFORM pg_notify('pcd_device', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER device_changed AFTER INSERT OR UPDATE OR DELETE ON device
FOR EACH STATEMENT EXECUTE FUNCTION device_changed();
