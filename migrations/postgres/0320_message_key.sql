-- Which messages name a patient or an order, for searches: keyed hashes (patient_key) and never what stands in the message. At most
-- sixteen rows for a message. Messages from before this table have none: to read all of them would take as long as there are many.
CREATE TABLE message_key (
    hash    BIGINT NOT NULL,                               -- 64 bits
    message BYTEA  NOT NULL CHECK (length(message) = 16),
    PRIMARY KEY (hash, message)
);

-- What is removed together with its message.
CREATE INDEX message_key_message ON message_key (message);
