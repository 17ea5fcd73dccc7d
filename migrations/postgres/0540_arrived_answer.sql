-- Of an order of the platform: the answer of the device that has arrived there. Its row stays for a day, so that a later answer is passed on too.
ALTER TABLE relayed_order ADD COLUMN arrived BYTEA CHECK (length(arrived) = 16);
