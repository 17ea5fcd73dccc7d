-- Orders of the outbox that the platform of a gateway sent: the answers of the device are passed on to it.
-- A row stays until the last answer has arrived there.
CREATE TABLE relayed_order (
    id   BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),                -- the entry of the outbox
    node TEXT NOT NULL                                                     -- the node that has the connections to the platform
) STRICT, WITHOUT ROWID;
