-- Nearly every message names its own sender and nothing else. It is found by the sender (message_device), so the index of identities
-- has rows for other identities only. Rows that are there stay, and go with their messages.
-- A sender with a ^ in its name is not known by its whole name, and a quotation mark is not written so in the list.
DROP TRIGGER message_identity_inserted;

CREATE TRIGGER message_identity_inserted AFTER INSERT ON message
WHEN NEW.identities <> '["' || NEW.device || '"]' OR instr(NEW.device, '^') > 0 OR instr(NEW.device, '"') > 0
BEGIN
    INSERT OR IGNORE INTO message_identity (identity, message)
    SELECT identity, NEW.id FROM (
        SELECT substr(named, 1, min(instr(named || '^', '^') - 1, 64)) AS identity
        FROM (SELECT value AS named FROM json_each(replace(NEW.identities, '\u0000', '\u2400')))
    ) WHERE identity <> NEW.device;
END;
