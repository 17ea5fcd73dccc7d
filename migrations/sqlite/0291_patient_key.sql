-- The key of the digits that stand for a patient whom a sender wrote into a field for a device ([patient] 0123abcd): without it
-- they tell nobody which number or name it was. One row for all nodes. No command and no page shows it.
CREATE TABLE patient_key (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    secret BLOB    NOT NULL CHECK (length(secret) = 32)
) STRICT;

INSERT INTO patient_key (one, secret) VALUES (1, randomblob(32));
