-- A file has no schemas to search; on PostgreSQL functions get the place where they look for tables.
SELECT 1;
