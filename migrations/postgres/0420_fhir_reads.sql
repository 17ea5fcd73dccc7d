-- What hospital systems find devices and metrics by, and the versions of resources that change.
CREATE TABLE fhir_key (
    hash     BIGINT NOT NULL,                                              -- of type, parameter and value
    resource BIGINT NOT NULL,                                              -- fhir_resource.number
    PRIMARY KEY (hash, resource)
);
CREATE INDEX fhir_key_resource ON fhir_key (resource);

-- Each version, with the last message that it is rendered from.
CREATE TABLE fhir_version (
    resource     BIGINT NOT NULL,                                          -- fhir_resource.number
    version      BIGINT NOT NULL,
    message      BYTEA  NOT NULL CHECK (length(message) = 16),
    projected_at BIGINT NOT NULL,                                          -- microseconds since 1970-01-01 UTC
    PRIMARY KEY (resource, version)
);
CREATE INDEX fhir_version_message ON fhir_version (message);

CREATE INDEX fhir_resource_seq ON fhir_resource (seq);
