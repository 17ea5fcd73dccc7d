//! The columns and the checks of the tables, as the migrations make them and the server prints them.
//!
//! A column of another type can cut values off without an error, and one without its check or `NOT NULL`
//! takes what no reader understands. Columns and checks that are added are no difference: they make the
//! server refuse a row, or nothing.

/// The findings: for each column or check that is not as the migrations made it, its place. The type and the
/// collation are those of the server itself: others can have any name.
pub(super) fn changed_columns() -> String {
    let columns = COLUMNS.map(|(table, column, kind)| {
        let (kind_of_values, is_required) =
            kind.strip_suffix(" not null").map_or((kind, false), |kind| (kind, true));
        let (name, collation) = match kind_of_values.split_once(' ') {
            Some((name, collation)) => (name, format!("'\"{collation}\"'")),
            None if kind_of_values == "text" => (kind_of_values, "'\"default\"'".to_owned()),
            None => (kind_of_values, "NULL".to_owned()),
        };
        format!("('{table}', '{column}', '{kind}', '{name}', {collation}, {is_required})")
    });
    let checks = CHECKS.map(|(table, check)| format!("('{table}', '{}')", check.replace('\'', "''")));
    format!(
        "SELECT 64, 'column ' || wanted.column_name || ' of ' || wanted.on_table || ' is '
            || coalesce(found.shown, 'missing') || ' instead of ' || wanted.kind
        FROM (VALUES {}) AS wanted (on_table, column_name, kind, type_name, collation_name, is_required)
        JOIN own ON own.name = wanted.on_table AND relkind = 'r'
        LEFT JOIN (
            SELECT attrelid, attname, atttypid, atttypmod, attcollation, attnotnull, attgenerated,
                format_type(atttypid, atttypmod) || coalesce(' ' || (
                    SELECT attcollation::regcollation::text FROM pg_type
                    WHERE pg_type.oid = atttypid AND attcollation <> typcollation
                ), '') || CASE WHEN attnotnull THEN ' not null' ELSE '' END
                || CASE WHEN attgenerated <> '' THEN ' generated' ELSE '' END AS shown
            FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
        ) AS found ON attrelid = own.oid AND attname = wanted.column_name::name
        WHERE (
            atttypid = wanted.type_name::regtype AND atttypmod = -1 AND attnotnull = is_required
            AND attcollation = coalesce(collation_name::regcollation, 0) AND attgenerated = ''
        ) IS NOT TRUE
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
pub(in crate::store) const COLUMNS: [(&str, &str, &str); 172] = [
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
    ("contact", "device", "text C not null"),
    ("contact", "node", "text C not null"),
    ("contact", "state", "text C not null"),
    ("contact", "peer", "text C not null"),
    ("contact", "tls_version", "text C not null"),
    ("contact", "tls_suite", "text C not null"),
    ("contact", "connected_at", "bigint not null"),
    ("contact", "disconnected_at", "bigint not null"),
    ("contact", "last_message_at", "bigint not null"),
    ("contact", "day", "text C not null"),
    ("contact", "messages_today", "bigint not null"),
    ("contact", "fingerprint", "text C not null"),
    ("contact", "serial", "text C not null"),
    ("contact", "issuer", "text C not null"),
    ("contact", "not_before", "bigint not null"),
    ("contact", "not_after", "bigint not null"),
    ("contact", "public_key", "text C not null"),
    ("contact", "ended_why", "text C not null"),
    ("contact", "accepted_at", "bigint not null"),
    ("contact", "rejected_at", "bigint not null"),
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
    ("device", "name", "text not null"),
    ("device", "ward", "text not null"),
    ("device", "model", "text not null"),
    ("device", "serial", "text not null"),
    ("device", "owner", "text not null"),
    ("device", "receives_orders", "bigint not null"),
    ("device_revision", "one", "bigint not null"),
    ("device_revision", "value", "bigint not null"),
    ("envelope", "message", "bytea not null"),
    ("envelope", "lines", "bytea not null"),
    ("feed", "via", "text C not null"),
    ("feed", "identity", "text C not null"),
    ("feed", "node", "text C not null"),
    ("feed", "last_at", "bigint not null"),
    ("feed", "pause", "bigint not null"),
    ("feed", "heartbeat", "bigint not null"),
    ("feed", "silent", "bigint not null"),
    ("feed", "has_left", "bigint not null"),
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
    ("message_key", "hash", "bigint not null"),
    ("message_key", "message", "bytea not null"),
    ("message_volume", "hour", "bigint not null"),
    ("message_volume", "accepted", "bigint not null"),
    ("message_volume", "rejected", "bigint not null"),
    ("message_volume", "large", "bigint not null"),
    ("milestone", "what", "text C not null"),
    ("milestone", "at", "bigint not null"),
    ("milestone", "good", "bigint not null"),
    ("node_lease", "node", "text C not null"),
    ("node_lease", "process", "text C not null"),
    ("node_lease", "host", "text C not null"),
    ("node_lease", "pid", "bigint not null"),
    ("node_lease", "renewed_at", "bigint not null"),
    ("node_lease", "clock_ahead", "bigint"),
    ("notification", "id", "bytea not null"),
    ("notification", "node", "text C not null"),
    ("notification", "receiver", "text C not null"),
    ("notification", "created_at", "bigint not null"),
    ("notification", "state", "text C not null"),
    ("notification", "attempts", "bigint not null"),
    ("notification", "error", "text C not null"),
    ("notification", "body", "text not null"),
    ("notified", "node", "text C not null"),
    ("notified", "receiver", "text C not null"),
    ("notified", "findings", "text not null"),
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
    ("patient_key", "one", "bigint not null"),
    ("patient_key", "secret", "bytea not null"),
    ("probe", "one", "bigint not null"),
    ("probe", "at", "bigint not null"),
    ("reconsidered", "original", "bytea not null"),
    ("reconsidered", "message", "bytea not null"),
    ("reconsidered", "at", "bigint not null"),
    ("reconsidered", "actor", "text C not null"),
    ("refused", "room", "text C not null"),
    ("refused", "who", "text C not null"),
    ("refused", "device", "text C not null"),
    ("refused", "reason", "text C not null"),
    ("refused", "node", "text C not null"),
    ("refused", "peer", "text C not null"),
    ("refused", "first_at", "bigint not null"),
    ("refused", "last_at", "bigint not null"),
    ("refused", "count", "bigint not null"),
    ("refused", "facts", "text not null"),
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
pub(in crate::store) const CHECKS: [(&str, &str); 47] = [
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
    ("contact", "CHECK ((state = ANY (ARRAY['connected'::text, 'disconnected'::text])))"),
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
    ("feed", "CHECK ((has_left = ANY (ARRAY[(0)::bigint, (1)::bigint])))"),
    ("feed", "CHECK ((silent = ANY (ARRAY[(0)::bigint, (1)::bigint])))"),
    ("message", "CHECK (((identities)::json IS NOT NULL))"),
    ("message", "CHECK (((warnings)::json IS NOT NULL))"),
    ("message", "CHECK ((length(correlation) = 32))"),
    ("message", "CHECK ((length(digest) = 32))"),
    ("message", "CHECK ((length(id) = 16))"),
    ("message_key", "CHECK ((length(message) = 16))"),
    ("milestone", "CHECK ((good = ANY (ARRAY[(0)::bigint, (1)::bigint])))"),
    ("milestone", "CHECK ((what = ANY (ARRAY['backup'::text, 'audit-verified'::text])))"),
    ("notification", "CHECK ((length(id) = 16))"),
    ("notification", "CHECK ((state = ANY (ARRAY['waiting'::text, 'dead'::text])))"),
    ("notified", "CHECK (((findings)::json IS NOT NULL))"),
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
    ("patient_key", "CHECK ((length(secret) = 32))"),
    ("patient_key", "CHECK ((one = 1))"),
    ("probe", "CHECK ((one = 1))"),
    ("reconsidered", "CHECK ((length(message) = 16))"),
    ("reconsidered", "CHECK ((length(original) = 16))"),
    ("refused", "CHECK (((facts)::json IS NOT NULL))"),
    ("refused", "CHECK ((room = ANY (ARRAY['verified'::text, 'unverified'::text])))"),
    ("unfit_certificate", "CHECK ((admitted = ANY (ARRAY[(0)::bigint, (1)::bigint])))"),
    ("unfit_certificate", "CHECK ((field = ANY (ARRAY['key-usage'::text, 'extended-key-usage'::text])))"),
];
