-- Which messages name a device: an index into the lists of identities, which the triggers keep. It holds what stands before
-- the first ^ of an identity, 64 characters at most; whoever looks something up compares the list itself as well.
CREATE TABLE message_identity (
    identity TEXT NOT NULL,
    message  BLOB NOT NULL,
    PRIMARY KEY (identity, message)
) STRICT, WITHOUT ROWID;

-- A device may send U+0000 in an identity; here it is U+2400, as in the searchable columns.
CREATE TRIGGER message_identity_inserted AFTER INSERT ON message
BEGIN
    INSERT OR IGNORE INTO message_identity (identity, message)
    SELECT substr(named, 1, min(instr(named || '^', '^') - 1, 64)), NEW.id
    FROM (SELECT value AS named FROM json_each(replace(NEW.identities, '\u0000', '\u2400')));
END;

CREATE TRIGGER message_identity_deleted AFTER DELETE ON message
BEGIN
    DELETE FROM message_identity WHERE message = OLD.id AND identity IN (
        SELECT substr(named, 1, min(instr(named || '^', '^') - 1, 64))
        FROM (SELECT value AS named FROM json_each(replace(OLD.identities, '\u0000', '\u2400')))
    );
END;

INSERT OR IGNORE INTO message_identity (identity, message)
SELECT substr(named, 1, min(instr(named || '^', '^') - 1, 64)), id
FROM (
    SELECT message.id, value AS named FROM message, json_each(replace(message.identities, '\u0000', '\u2400'))
);

-- What was rejected of one device may be little among millions.
CREATE INDEX message_device_rejected ON message (device, id) WHERE rejection IS NOT NULL;
