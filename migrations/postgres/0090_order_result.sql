-- How long the result of an order that the device has accepted is awaited, and the outcome without one.
ALTER TABLE outbox
    ADD COLUMN result_until   BIGINT,                -- accepted: its result is awaited until then
    ADD COLUMN result_default TEXT COLLATE "C"       -- the outcome without a result
               CHECK (result_default IN ('acknowledged', 'unconfirmed')),
    ADD CHECK ((result_until IS NULL) = (result_default IS NULL)),
    DROP CONSTRAINT outbox_outcome_check,
    ADD CONSTRAINT outbox_outcome_check
        CHECK (outcome IN ('acknowledged', 'refused', 'expired', 'unconfirmed', 'withdrawn'));

-- What was accepted before is awaited for five minutes from when it was sent.
UPDATE outbox SET result_until = coalesce(sent_at, queued_at) + 300000000, result_default = 'unconfirmed'
WHERE outcome IS NULL AND acknowledgement IS NOT NULL;

-- A late answer names a message that is settled.
CREATE INDEX outbox_answered ON outbox (device, control_id, id);
