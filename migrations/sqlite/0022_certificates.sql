-- At every start the platform asks what this node said last of its certificates: one row among millions.
CREATE INDEX audit_certificates ON audit (sequence) WHERE event = 'certificates-changed';
