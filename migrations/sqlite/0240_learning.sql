-- Until when the identities in messages of a device are learnt, in microseconds since 1970-01-01 UTC. Once that time has passed, or
-- is 0, the entry is enforced and never learns again. NULL: it has not learnt yet.
ALTER TABLE device ADD COLUMN learn_until INTEGER;
