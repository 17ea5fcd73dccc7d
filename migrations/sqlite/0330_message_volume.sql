-- How many bytes the messages of each hour take, for limits by size: measured once, after the hour has ended. Large messages are
-- among the accepted ones. What is removed later counts until the whole hour is removed.
CREATE TABLE message_volume (
    hour     INTEGER NOT NULL PRIMARY KEY,  -- its beginning, microseconds since 1970-01-01 UTC
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    large    INTEGER NOT NULL
) STRICT;
