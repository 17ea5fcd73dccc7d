-- Rows of a node's audit chain that are projected again, from the oldest on, while new ones are projected beside them.
ALTER TABLE fhir_position ADD COLUMN again    BIGINT NOT NULL DEFAULT 0;       -- the last one of them
ALTER TABLE fhir_position ADD COLUMN again_to BIGINT NOT NULL DEFAULT 0;       -- the last one that is projected again; 0: none is

-- What a report says of its alert. 0: its own time alone counts, and measurements; 1: it goes on; 2: it has ended.
ALTER TABLE fhir_group ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
UPDATE fhir_group SET kind = 1 WHERE alert > 0;                            -- until it is projected again, each may go on
-- Alerts that go on, which a search from a time on finds although they began before it.
CREATE INDEX fhir_group_subject_open ON fhir_group (subject, at, seq) WHERE kind = 1;
CREATE INDEX fhir_group_device_open ON fhir_group (device, at, seq) WHERE kind = 1;
