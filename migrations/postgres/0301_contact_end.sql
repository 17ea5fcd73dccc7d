-- Why the last session of a device ended, and when its messages were accepted and rejected.
-- Times are microseconds since 1970-01-01 UTC; 0: not yet.
ALTER TABLE contact ADD COLUMN ended_why TEXT COLLATE "C" NOT NULL DEFAULT '';  -- as `why` of session-ended; empty: it goes on, or is not known
ALTER TABLE contact ADD COLUMN accepted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE contact ADD COLUMN rejected_at BIGINT NOT NULL DEFAULT 0;
