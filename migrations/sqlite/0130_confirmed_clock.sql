-- The time up to which the clock of the machine was confirmed: retention removes nothing by a clock that is far ahead of it. Rows
-- received before release_before may be removed without the limit of a day's worth at a time.
CREATE TABLE confirmed_clock (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    at             INTEGER NOT NULL,
    release_before INTEGER NOT NULL
) STRICT;

-- A store that is not empty was last written at the time of its newest row.
INSERT INTO confirmed_clock
SELECT 1, max(at), 0 FROM (
    SELECT received_at AS at FROM (SELECT received_at FROM message ORDER BY id DESC LIMIT 1)
    UNION ALL SELECT at FROM (SELECT at FROM audit ORDER BY sequence DESC LIMIT 1)
) HAVING max(at) IS NOT NULL;
