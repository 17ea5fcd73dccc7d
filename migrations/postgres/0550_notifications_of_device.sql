-- A client of few devices finds what it may have, however much waits about other devices.
CREATE INDEX partner_notification_of_device ON partner_notification (subscription, device, visible_at)
    WHERE state = 'waiting';
CREATE INDEX partner_notification_new_of_device ON partner_notification (subscription, device, visible_at)
    WHERE state = 'waiting' AND attempts = 0;
