-- How many bytes the messages of each hour take, for limits by size: measured once, after the hour has ended. Large messages are
-- among the accepted ones. What is removed later counts until the whole hour is removed.
CREATE TABLE message_volume (
    hour     BIGINT NOT NULL PRIMARY KEY,  -- its beginning, microseconds since 1970-01-01 UTC
    accepted BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    large    BIGINT NOT NULL
);
