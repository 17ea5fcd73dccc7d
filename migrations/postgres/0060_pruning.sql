-- What is pruned is looked up in the index of identities row by row, by its whole key: joined with a batch of messages, the planner
-- read all of the index for each batch, which takes as long as there is much of it.
CREATE OR REPLACE FUNCTION message_identity_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    named RECORD;
BEGIN
    FOR named IN SELECT key, gone.id FROM gone CROSS JOIN LATERAL identity_keys(gone.identities) AS key LOOP
        DELETE FROM message_identity WHERE identity = named.key AND message = named.id;
    END LOOP;
    RETURN NULL;
END
$$;
