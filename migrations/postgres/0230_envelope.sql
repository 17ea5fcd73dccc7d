-- The lines of the batch that a message came in (FHS, BHS, BTS, FTS), each with a carriage return. Most messages come in none.
CREATE TABLE envelope (
    message BYTEA NOT NULL PRIMARY KEY CHECK (length(message) = 16),
    lines   BYTEA NOT NULL
);
