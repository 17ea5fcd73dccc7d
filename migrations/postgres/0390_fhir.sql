-- The index of FHIR resources: which message each of them is rendered from. A resource is made from the stored bytes when it is read.
-- Only the leader writes; each batch moves the position of a node and writes its rows in one transaction.
CREATE TABLE fhir_leader (
    one      BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    holder   TEXT   COLLATE "C" NOT NULL,                                  -- the node that projects
    fence    BIGINT NOT NULL,                                              -- + 1 at each takeover: a former leader has another one
    until    BIGINT NOT NULL,                                              -- microseconds since 1970-01-01 UTC
    last_seq BIGINT NOT NULL,                                              -- the last sequence number that was given out
    last_at  BIGINT NOT NULL                                               -- the latest projected_at: it never goes back
);
INSERT INTO fhir_leader (one, holder, fence, until, last_seq, last_at) VALUES (1, '', 0, 0, 0, 0);

CREATE TABLE fhir_position (
    node     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    number   BIGINT NOT NULL,                                              -- the last row of the node's audit chain that is projected
    revision BIGINT NOT NULL                                               -- of the mapping
);

-- Devices, metrics, patients and alerts, with the message that they are rendered from.
CREATE TABLE fhir_resource (
    number       BIGINT NOT NULL PRIMARY KEY,
    reference    TEXT   COLLATE "C" NOT NULL UNIQUE,                       -- TYPE/ID
    message      BYTEA  NOT NULL CHECK (length(message) = 16),
    hash         BIGINT NOT NULL,                                          -- of its content, without what each message changes
    version      BIGINT NOT NULL,
    seq          BIGINT NOT NULL,                                          -- of this version
    projected_at BIGINT NOT NULL                                           -- of this version, microseconds since 1970-01-01 UTC
);
CREATE INDEX fhir_resource_message ON fhir_resource (message);

-- The observations of one message that have one subject and one device. Each report of an alert replaces its row.
CREATE TABLE fhir_group (
    seq          BIGINT NOT NULL PRIMARY KEY,
    message      BYTEA  NOT NULL CHECK (length(message) = 16),
    subject      BIGINT NOT NULL,                                          -- fhir_resource.number
    device       BIGINT NOT NULL,                                          -- the same
    alert        BIGINT NOT NULL,                                          -- the same; 0 for measurements
    at           BIGINT NOT NULL,                                          -- the latest time of them, microseconds since 1970-01-01 UTC
    hash         BIGINT NOT NULL,
    revision     BIGINT NOT NULL,                                          -- of the mapping that last changed them
    projected_at BIGINT NOT NULL                                           -- microseconds since 1970-01-01 UTC
);
CREATE UNIQUE INDEX fhir_group_message ON fhir_group (message, subject, device, alert);
CREATE INDEX fhir_group_subject ON fhir_group (subject, at, seq);
CREATE INDEX fhir_group_device ON fhir_group (device, at, seq);
CREATE INDEX fhir_group_alert ON fhir_group (alert) WHERE alert <> 0;
