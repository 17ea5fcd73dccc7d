-- A file has no server whose clock could differ; PostgreSQL has a column here.
SELECT 1;
