-- When a notification was acknowledged or given up: it is forgotten by that, and not by the time of its event.
ALTER TABLE partner_notification ADD COLUMN settled_at INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970-01-01 UTC; 0: it waits
UPDATE partner_notification SET settled_at = visible_at WHERE state <> 'waiting';

-- A subscription that was removed: its notifications are deleted in parts, and then its row.
ALTER TABLE subscription ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;            -- 1: it is removed

-- What a subscription has in each state, in the order of time.
CREATE INDEX partner_notification_standing ON partner_notification (subscription, state, id);
-- What was delivered often enough.
CREATE INDEX partner_notification_delivered ON partner_notification (deliveries) WHERE state = 'waiting';
-- What is forgotten next.
CREATE INDEX partner_notification_forgotten ON partner_notification (state, settled_at) WHERE state <> 'waiting';
