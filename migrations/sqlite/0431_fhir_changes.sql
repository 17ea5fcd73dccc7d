-- The changes of one type of resources, in their order: Device/, DeviceMetric, Patient or Observation.
CREATE INDEX fhir_resource_changes ON fhir_resource (substr(reference, 1, 7), seq);
