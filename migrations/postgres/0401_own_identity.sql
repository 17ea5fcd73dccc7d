-- Nearly every message names its own sender and nothing else. It is found by the sender (message_device), so the index of identities
-- has rows for other identities only. Rows that are there stay, and go with their messages.
-- A sender with a ^ in its name is not known by its whole name, and a quotation mark is not written so in the list.
CREATE OR REPLACE FUNCTION message_identity_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO message_identity (identity, message)
    SELECT key, added.id FROM added CROSS JOIN LATERAL identity_keys(added.identities) AS key
    WHERE (added.identities <> '["' || added.device || '"]' OR added.device ~ '[\^"]') AND key <> added.device;
    RETURN NULL;
END
$$;
