-- The time up to which the clock of the machines was confirmed: retention removes nothing by a clock that is far ahead of it. Rows
-- received before release_before may be removed without the limit of a day's worth at a time.
CREATE TABLE confirmed_clock (
    one            BIGINT PRIMARY KEY CHECK (one = 1),
    at             BIGINT NOT NULL,
    release_before BIGINT NOT NULL
);

-- A store that is not empty was last written at the time of its newest row.
INSERT INTO confirmed_clock
SELECT 1, max(at), 0 FROM (
    SELECT received_at AS at FROM (SELECT received_at FROM message ORDER BY id DESC LIMIT 1) AS newest_message
    UNION ALL SELECT at FROM (SELECT at FROM audit ORDER BY sequence DESC LIMIT 1) AS newest_row
) AS newest HAVING max(at) IS NOT NULL;
