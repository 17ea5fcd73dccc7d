-- When a device, or one behind it, counts as silent: learned, never, or a duration such as 2m; null: as the configuration says.
ALTER TABLE device ADD COLUMN silent_after TEXT;
-- 1: it is missing while no message of it was ever stored.
ALTER TABLE device ADD COLUMN expected BIGINT NOT NULL DEFAULT 0;
