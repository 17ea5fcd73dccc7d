-- Devices, metrics, patients and alerts whose messages were removed: readers are told that they were there.
CREATE TABLE fhir_removed (
    reference TEXT   COLLATE "C" NOT NULL PRIMARY KEY,                   -- TYPE/ID
    until     BIGINT NOT NULL                                            -- microseconds since 1970-01-01 UTC; then it is forgotten
);
CREATE INDEX fhir_removed_until ON fhir_removed (until);
