-- Which message reported an alert first: PCD-05 names an alert by the MSH-10 of that one. One row for each report of an
-- alert (start, continue, end, ...), however often it was sent.
CREATE TABLE alert_report (
    device           TEXT NOT NULL,                                    -- the certificate's Common Name
    report           BLOB NOT NULL CHECK (length(report) = 32),        -- SHA-256 over OBR-3, event phase and OBX-14
    filler           BLOB NOT NULL CHECK (length(filler) = 32),        -- SHA-256 over OBR-3
    message          BLOB NOT NULL CHECK (length(message) = 16),       -- the first message with this report
    last_message     BLOB NOT NULL CHECK (length(last_message) = 16),  -- the last one
    first_message    BLOB NOT NULL CHECK (length(first_message) = 16), -- the first message of the alert, and
    first_control_id TEXT NOT NULL,                                    -- its MSH-10, also when it is gone
    PRIMARY KEY (device, report)
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_report_filler ON alert_report (device, filler, message);
CREATE INDEX alert_report_last ON alert_report (last_message);
