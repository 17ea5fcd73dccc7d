-- When something was done last that an alert asks for, of the whole store: one row for each kind. Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE milestone (
    what TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (what IN ('backup', 'audit-verified')),
    at   BIGINT           NOT NULL,
    good BIGINT           NOT NULL CHECK (good IN (0, 1))                            -- 0: it found something wrong
);
