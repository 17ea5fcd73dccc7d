-- Which messages name a device: an index into the lists of identities, which the triggers keep. It holds what stands before
-- the first ^ of an identity, 64 characters at most; whoever looks something up compares the list itself as well.
CREATE TABLE message_identity (
    identity TEXT COLLATE "C" NOT NULL,
    message  BYTEA NOT NULL,
    PRIMARY KEY (identity, message)
);

-- What is looked up of a list of identities. A device may send U+0000 in one, which this database cannot have in a text: here it
-- is U+2400, as in the searchable columns.
CREATE FUNCTION identity_keys(identities TEXT) RETURNS SETOF TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT left(split_part(named, '^', 1), 64)
    FROM json_array_elements_text(replace(identities, '\u0000', '\u2400')::json) AS named
$$;

-- They write as the owner of the tables, so that whoever may store and remove messages needs no right to the index.
CREATE FUNCTION message_identity_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO message_identity (identity, message)
    SELECT key, added.id FROM added CROSS JOIN LATERAL identity_keys(added.identities) AS key;
    RETURN NULL;
END
$$;

CREATE TRIGGER message_identity_inserted AFTER INSERT ON message
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION message_identity_inserted();

CREATE FUNCTION message_identity_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM message_identity
    USING gone CROSS JOIN LATERAL identity_keys(gone.identities) AS key
    WHERE message_identity.identity = key AND message_identity.message = gone.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER message_identity_deleted AFTER DELETE ON message
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION message_identity_deleted();

INSERT INTO message_identity (identity, message)
SELECT key, id FROM message CROSS JOIN LATERAL identity_keys(identities) AS key;

-- What was rejected of one device may be little among millions.
CREATE INDEX message_device_rejected ON message (device, id) WHERE rejection IS NOT NULL;
