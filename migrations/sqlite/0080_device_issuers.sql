-- The keys of the CAs of which one must be in the path of a device's certificate, as SHA-256 of their SubjectPublicKeyInfo in
-- hexadecimal; an empty list: every installed root may certify the device.
ALTER TABLE device ADD COLUMN issuers TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(issuers));
