-- Written by the readiness check, so that "ready" means that a row can be stored now.
CREATE TABLE probe (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    at  BIGINT NOT NULL
);
