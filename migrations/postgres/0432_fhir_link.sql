-- Patients whom an operator linked to another one.
CREATE TABLE fhir_link (
    patient     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,               -- Patient/ID
    replaced_by TEXT   COLLATE "C" NOT NULL,                           -- Patient/ID; never one that is replaced itself
    linked_at   BIGINT NOT NULL                                        -- microseconds since 1970-01-01 UTC
);
CREATE INDEX fhir_link_replaced_by ON fhir_link (replaced_by);
