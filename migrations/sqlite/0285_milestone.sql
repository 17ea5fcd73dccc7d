-- When something was done last that an alert asks for, of the whole store: one row for each kind. Times are microseconds since
-- 1970-01-01 UTC.
CREATE TABLE milestone (
    what TEXT    NOT NULL PRIMARY KEY CHECK (what IN ('backup', 'audit-verified')),
    at   INTEGER NOT NULL,
    good INTEGER NOT NULL CHECK (good IN (0, 1))                                     -- 0: it found something wrong
) STRICT, WITHOUT ROWID;
