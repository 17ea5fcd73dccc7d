-- Rejected messages that were accepted later, on behalf of an operator: the accepted one is a row of its own in message, with the
-- time at which the rejected one was received. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE reconsidered (
    original BYTEA  NOT NULL PRIMARY KEY CHECK (length(original) = 16),  -- the rejected message
    message  BYTEA  NOT NULL UNIQUE CHECK (length(message) = 16),        -- the accepted one
    at       BIGINT NOT NULL,                                            -- when it was accepted
    actor    TEXT   COLLATE "C" NOT NULL                                 -- who had it accepted
);

CREATE INDEX reconsidered_at ON reconsidered (at);

-- What was rejected for one reason, or under one control id, may be little among many. Accepted messages cost nothing here. An
-- entry of an index has no room for the control ids of any length that earlier versions stored.
CREATE INDEX message_rejection ON message (rejection, id) WHERE rejection IS NOT NULL;
CREATE INDEX message_rejected_control_id ON message (substr(control_id, 1, 256), id) WHERE rejection IS NOT NULL;
