-- The enrolment with which a chain of renewals began: they are limited together. NULL: it is no renewal, or one of an older
-- program.
ALTER TABLE enrolment ADD COLUMN origin TEXT COLLATE "C";                  -- enrolment.id
CREATE INDEX enrolment_origin ON enrolment (origin, invited_at) WHERE origin IS NOT NULL;
-- The page lists the last ones.
CREATE INDEX enrolment_invited ON enrolment (invited_at);
