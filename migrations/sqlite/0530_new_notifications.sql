-- What was never posted without success goes first while a receiver refuses or fails.
CREATE INDEX partner_notification_new ON partner_notification (subscription, visible_at)
    WHERE state = 'waiting' AND attempts = 0;
