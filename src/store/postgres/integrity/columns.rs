//! The columns and the checks of the tables, as the migrations make them and the server prints them.
//!
//! A column of another type can cut values off without an error, and one without its check or `NOT NULL`
//! takes what no reader understands. Columns and checks that are added are no difference: they make the
//! server refuse a row, or nothing.

/// The findings: for each column or check that is not as the migrations made it, its place.
pub(super) fn changed_columns() -> String {
    let columns = COLUMNS.map(|(table, column, kind)| format!("('{table}', '{column}', '{kind}')"));
    let checks = CHECKS.map(|(table, check)| format!("('{table}', '{}')", check.replace('\'', "''")));
    format!(
        "SELECT 64, 'column ' || wanted.column_name || ' of ' || wanted.on_table || ' is '
            || coalesce(found.kind, 'missing') || ' instead of ' || wanted.kind
        FROM (VALUES {}) AS wanted (on_table, column_name, kind)
        JOIN own ON own.name = wanted.on_table AND relkind = 'r'
        LEFT JOIN (
            SELECT attrelid, attname, format_type(atttypid, atttypmod)
                || coalesce(' ' || (
                    SELECT collname FROM pg_collation
                    WHERE pg_collation.oid = attcollation AND attcollation <> typcollation
                ), '') || CASE WHEN attnotnull THEN ' not null' ELSE '' END AS kind
            FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attnum > 0 AND NOT attisdropped
        ) AS found ON attrelid = own.oid AND attname = wanted.column_name::name
        WHERE found.kind IS DISTINCT FROM wanted.kind
        UNION ALL
        SELECT 64, 'missing ' || wanted.definition || ' of ' || wanted.on_table
        FROM (VALUES {}) AS wanted (on_table, definition)
        JOIN own ON own.name = wanted.on_table AND relkind = 'r'
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint
            WHERE conrelid = own.oid AND contype = 'c' AND pg_get_constraintdef(pg_constraint.oid) = definition
        )",
        columns.join(", "),
        checks.join(", ")
    )
}

/// Table, column, and its type with its collation, as the server prints them.
pub(in crate::store) const COLUMNS: [(&str, &str, &str); 106] = [
    ("alert_report", "device", "text C not null"),
    ("alert_report", "report", "bytea not null"),
    ("alert_report", "filler", "bytea not null"),
    ("alert_report", "message", "bytea not null"),
    ("alert_report", "last_message", "bytea not null"),
    ("alert_report", "first_message", "bytea not null"),
    ("alert_report", "first_control_id", "text C not null"),
    ("audit", "sequence", "bigint not null"),
    ("audit", "node", "text C not null"),
    ("audit", "number", "bigint not null"),
    ("audit", "at", "bigint not null"),
    ("audit", "event", "text C not null"),
    ("audit", "details", "text not null"),
    ("audit", "hash", "bytea not null"),
    ("audit_begin", "node", "text C not null"),
    ("audit_begin", "number", "bigint not null"),
    ("audit_begin", "hash", "bytea not null"),
    ("audit_begin", "at", "bigint not null"),
    ("audit_begin", "scheme", "text C not null"),
    ("audit_begin", "certificate", "bytea not null"),
    ("audit_begin", "signature", "bytea not null"),
    ("audit_end", "node", "text C not null"),
    ("audit_end", "number", "bigint not null"),
    ("audit_end", "hash", "bytea not null"),
    ("audit_end", "holder", "text C"),
    ("confirmed_clock", "one", "bigint not null"),
    ("confirmed_clock", "at", "bigint not null"),
    ("confirmed_clock", "release_before", "bigint not null"),
    ("device", "id", "text C not null"),
    ("device", "kind", "text not null"),
    ("device", "status", "text not null"),
    ("device", "speaks_for", "text not null"),
    ("device", "note", "text not null"),
    ("device", "acknowledge", "text not null"),
    ("device", "issuers", "text not null"),
    ("device", "silent_after", "text"),
    ("device", "expected", "bigint not null"),
    ("device", "learn_until", "bigint"),
    ("device_revision", "one", "bigint not null"),
    ("device_revision", "value", "bigint not null"),
    ("envelope", "message", "bytea not null"),
    ("envelope", "lines", "bytea not null"),
    ("message", "id", "bytea not null"),
    ("message", "received_at", "bigint not null"),
    ("message", "event_time", "bigint"),
    ("message", "device", "text C not null"),
    ("message", "session", "text C not null"),
    ("message", "fingerprint", "text C not null"),
    ("message", "peer", "text C not null"),
    ("message", "pcd_transaction", "text C"),
    ("message", "message_type", "text C not null"),
    ("message", "control_id", "text C not null"),
    ("message", "sending_application", "text C not null"),
    ("message", "correlation", "bytea not null"),
    ("message", "digest", "bytea not null"),
    ("message", "rejection", "text C"),
    ("message", "warnings", "text not null"),
    ("message", "identities", "text not null"),
    ("message", "acknowledgement", "bytea not null"),
    ("message", "raw", "bytea not null"),
    ("message", "raw_size", "bigint"),
    ("message_identity", "identity", "text C not null"),
    ("message_identity", "message", "bytea not null"),
    ("node_lease", "node", "text C not null"),
    ("node_lease", "process", "text C not null"),
    ("node_lease", "host", "text C not null"),
    ("node_lease", "pid", "bigint not null"),
    ("node_lease", "renewed_at", "bigint not null"),
    ("node_lease", "clock_ahead", "bigint"),
    ("outbox", "id", "bytea not null"),
    ("outbox", "queued_at", "bigint not null"),
    ("outbox", "expires_at", "bigint not null"),
    ("outbox", "device", "text C not null"),
    ("outbox", "message_type", "text C not null"),
    ("outbox", "control_id", "text C not null"),
    ("outbox", "actor", "text C not null"),
    ("outbox", "attempts", "bigint not null"),
    ("outbox", "sent_at", "bigint"),
    ("outbox", "claimed_by", "text C"),
    ("outbox", "claimed_until", "bigint"),
    ("outbox", "acknowledgement", "text C"),
    ("outbox", "answer", "bytea"),
    ("outbox", "outcome", "text C"),
    ("outbox", "settled_at", "bigint"),
    ("outbox", "raw", "bytea not null"),
    ("outbox", "claimed_process", "text C"),
    ("outbox", "result_until", "bigint"),
    ("outbox", "result_default", "text C"),
    ("outbox", "reason", "text C"),
    ("probe", "one", "bigint not null"),
    ("probe", "at", "bigint not null"),
    ("reconsidered", "original", "bytea not null"),
    ("reconsidered", "message", "bytea not null"),
    ("reconsidered", "at", "bigint not null"),
    ("reconsidered", "actor", "text C not null"),
    ("seen_identity", "device", "text C not null"),
    ("seen_identity", "identity", "text C not null"),
    ("seen_identity", "messages", "bigint not null"),
    ("seen_identity", "first_at", "bigint not null"),
    ("seen_identity", "last_at", "bigint not null"),
    ("unfit_certificate", "device", "text C not null"),
    ("unfit_certificate", "fingerprint", "text C not null"),
    ("unfit_certificate", "field", "text C not null"),
    ("unfit_certificate", "uses", "text C not null"),
    ("unfit_certificate", "admitted", "bigint not null"),
    ("unfit_certificate", "at", "bigint not null"),
];

/// Table, and the definition of a check.
#[rustfmt::skip]
pub(in crate::store) const CHECKS: [(&str, &str); 34] = [
    ("alert_report", "CHECK ((length(filler) = 32))"),
    ("alert_report", "CHECK ((length(first_message) = 16))"),
    ("alert_report", "CHECK ((length(last_message) = 16))"),
    ("alert_report", "CHECK ((length(message) = 16))"),
    ("alert_report", "CHECK ((length(report) = 32))"),
    ("audit", "CHECK (((details)::json IS NOT NULL))"),
    ("audit", "CHECK ((length(hash) = 32))"),
    ("audit_begin", "CHECK ((length(hash) = 32))"),
    ("audit_end", "CHECK ((length(hash) = 32))"),
    ("confirmed_clock", "CHECK ((one = 1))"),
    ("device", "CHECK (((issuers)::json IS NOT NULL))"),
    ("device", "CHECK (((speaks_for)::json IS NOT NULL))"),
    (
        "device",
        "CHECK ((acknowledge = ANY (ARRAY['as-asked'::text, 'original'::text, \
         'accept'::text, 'application'::text])))",
    ),
    ("device", "CHECK ((kind = ANY (ARRAY['device'::text, 'gateway'::text])))"),
    ("device", "CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))"),
    ("device_revision", "CHECK ((one = 1))"),
    ("envelope", "CHECK ((length(message) = 16))"),
    ("message", "CHECK (((identities)::json IS NOT NULL))"),
    ("message", "CHECK (((warnings)::json IS NOT NULL))"),
    ("message", "CHECK ((length(correlation) = 32))"),
    ("message", "CHECK ((length(digest) = 32))"),
    ("message", "CHECK ((length(id) = 16))"),
    ("outbox", "CHECK (((outcome IS NULL) = (settled_at IS NULL)))"),
    ("outbox", "CHECK (((result_until IS NULL) = (result_default IS NULL)))"),
    ("outbox", "CHECK ((length(answer) = 16))"),
    ("outbox", "CHECK ((length(id) = 16))"),
    (
        "outbox",
        "CHECK ((outcome = ANY (ARRAY['acknowledged'::text, 'refused'::text, \
         'expired'::text, 'unconfirmed'::text, 'withdrawn'::text])))",
    ),
    ("outbox", "CHECK ((reason = 'device-removed'::text))"),
    ("outbox", "CHECK ((result_default = ANY (ARRAY['acknowledged'::text, 'unconfirmed'::text])))"),
    ("probe", "CHECK ((one = 1))"),
    ("reconsidered", "CHECK ((length(message) = 16))"),
    ("reconsidered", "CHECK ((length(original) = 16))"),
    ("unfit_certificate", "CHECK ((admitted = ANY (ARRAY[(0)::bigint, (1)::bigint])))"),
    ("unfit_certificate", "CHECK ((field = ANY (ARRAY['key-usage'::text, 'extended-key-usage'::text])))"),
];
