-- The index of FHIR resources: which message each of them is rendered from. A resource is made from the stored bytes when it is read.
-- Only the leader writes; each batch moves the position of a node and writes its rows in one transaction.
CREATE TABLE fhir_leader (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    holder   TEXT    NOT NULL,                                             -- the node that projects
    fence    INTEGER NOT NULL,                                             -- + 1 at each takeover: a former leader has another one
    until    INTEGER NOT NULL,                                             -- microseconds since 1970-01-01 UTC
    last_seq INTEGER NOT NULL,                                             -- the last sequence number that was given out
    last_at  INTEGER NOT NULL                                              -- the latest projected_at: it never goes back
) STRICT;
INSERT INTO fhir_leader (one, holder, fence, until, last_seq, last_at) VALUES (1, '', 0, 0, 0, 0);

CREATE TABLE fhir_position (
    node     TEXT    NOT NULL PRIMARY KEY,
    number   INTEGER NOT NULL,                                             -- the last row of the node's audit chain that is projected
    revision INTEGER NOT NULL                                              -- of the mapping
) STRICT;

-- Devices, metrics, patients and alerts, with the message that they are rendered from.
CREATE TABLE fhir_resource (
    number       INTEGER NOT NULL PRIMARY KEY,
    reference    TEXT    NOT NULL UNIQUE,                                  -- TYPE/ID
    message      BLOB    NOT NULL CHECK (length(message) = 16),
    hash         INTEGER NOT NULL,                                         -- of its content, without what each message changes
    version      INTEGER NOT NULL,
    seq          INTEGER NOT NULL,                                         -- of this version
    projected_at INTEGER NOT NULL                                          -- of this version, microseconds since 1970-01-01 UTC
) STRICT;
CREATE INDEX fhir_resource_message ON fhir_resource (message);

-- The observations of one message that have one subject and one device. Each report of an alert replaces its row.
CREATE TABLE fhir_group (
    seq          INTEGER NOT NULL PRIMARY KEY,
    message      BLOB    NOT NULL CHECK (length(message) = 16),
    subject      INTEGER NOT NULL,                                         -- fhir_resource.number
    device       INTEGER NOT NULL,                                         -- the same
    alert        INTEGER NOT NULL,                                         -- the same; 0 for measurements
    at           INTEGER NOT NULL,                                         -- the latest time of them, microseconds since 1970-01-01 UTC
    hash         INTEGER NOT NULL,
    revision     INTEGER NOT NULL,                                         -- of the mapping that last changed them
    projected_at INTEGER NOT NULL                                          -- microseconds since 1970-01-01 UTC
) STRICT;
CREATE UNIQUE INDEX fhir_group_message ON fhir_group (message, subject, device, alert);
CREATE INDEX fhir_group_subject ON fhir_group (subject, at, seq);
CREATE INDEX fhir_group_device ON fhir_group (device, at, seq);
CREATE INDEX fhir_group_alert ON fhir_group (alert) WHERE alert <> 0;
