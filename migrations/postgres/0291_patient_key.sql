-- The key of the digits that stand for a patient whom a sender wrote into a field for a device ([patient] 0123abcd): without it
-- they tell nobody which number or name it was. One row for all nodes. No command and no page shows it.
CREATE TABLE patient_key (
    one    BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    secret BYTEA  NOT NULL CHECK (length(secret) = 32)
);

-- 244 random bits: a UUID of version 4 has six that are none.
INSERT INTO patient_key (one, secret)
VALUES (1, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
