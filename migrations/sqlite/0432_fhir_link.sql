-- Patients whom an operator linked to another one.
CREATE TABLE fhir_link (
    patient     TEXT    NOT NULL PRIMARY KEY,                          -- Patient/ID
    replaced_by TEXT    NOT NULL,                                      -- Patient/ID; never one that is replaced itself
    linked_at   INTEGER NOT NULL                                       -- microseconds since 1970-01-01 UTC
) STRICT, WITHOUT ROWID;
CREATE INDEX fhir_link_replaced_by ON fhir_link (replaced_by);
