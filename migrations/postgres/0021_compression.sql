-- Large messages are kept compressed; PostgreSQL need not try again.
ALTER TABLE message ADD COLUMN raw_size BIGINT;  -- NULL: raw is what was received; otherwise raw is a zstd frame (RFC 8878)
                                                 -- of so many bytes
ALTER TABLE message ALTER COLUMN raw SET STORAGE EXTERNAL;
