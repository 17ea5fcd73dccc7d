//! The unique indexes of the tables, as the migrations make them.
//!
//! Compared are the columns of the catalog, and of its texts only whole ones: a condition can hold any text,
//! also one that looks like the definition of another index.

/// A unique index that is missing, or does not do what that of the migrations does. Its name does not count,
/// nor how full its pages are. Constraints (`PRIMARY KEY`, `UNIQUE`) are indexes as well; one that is checked
/// at the end of the transaction only is none for `ON CONFLICT`.
pub(super) fn missing_indexes() -> String {
    let wanted = UNIQUE_INDEXES.map(|(table, columns, condition)| {
        let condition = if condition.is_empty() { "NULL".to_owned() } else { format!("'{condition}'") };
        format!("('{table}', '{columns}', {condition})")
    });
    format!(
        "SELECT 512, 'unique index on ' || wanted.on_table || ' (' || wanted.columns || ')'
            || coalesce(' WHERE ' || wanted.condition, '')
        FROM (VALUES {}) AS wanted (on_table, columns, condition)
        JOIN own ON own.name = wanted.on_table AND relkind = 'r'
        WHERE NOT EXISTS (
            SELECT FROM pg_index JOIN pg_class AS part ON part.oid = indexrelid
            JOIN pg_am ON pg_am.oid = part.relam AND amname = 'btree'
            WHERE indrelid = own.oid AND indisunique AND indimmediate AND indisvalid AND indisready AND indislive
                AND indexprs IS NULL AND indnatts = indnkeyatts
                AND pg_get_expr(indpred, indrelid) IS NOT DISTINCT FROM wanted.condition
                AND string_to_array(wanted.columns, ', ') = ARRAY(
                    SELECT attname::text FROM generate_series(0, indnatts - 1) AS place
                    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[place]
                    JOIN pg_opclass ON pg_opclass.oid = indclass[place]
                    WHERE indcollation[place] = attcollation AND indoption[place] = 0
                        AND opcdefault AND opcintype = atttypid AND opcmethod = pg_am.oid
                    ORDER BY place
                )
        )",
        wanted.join(", ")
    )
}

/// Table, columns, and the condition as the server prints it; empty without one.
const UNIQUE_INDEXES: [(&str, &str, &str); 57] = [
    ("message", "id", ""),
    ("message", "device, correlation, digest", "(rejection IS NULL)"),
    ("message_identity", "identity, message", ""),
    ("message_key", "hash, message", ""),
    ("message_volume", "hour", ""),
    ("envelope", "message", ""),
    ("forward", "message", ""),
    ("fhir_leader", "one", ""),
    ("fhir_position", "node", ""),
    ("fhir_resource", "number", ""),
    ("fhir_resource", "reference", ""),
    ("fhir_group", "seq", ""),
    ("fhir_group", "message, subject, device, alert", ""),
    ("fhir_key", "hash, resource", ""),
    ("fhir_version", "resource, version", ""),
    ("fhir_removed", "reference", ""),
    ("fhir_link", "patient", ""),
    ("organisation", "oid", ""),
    ("api_client", "id", ""),
    ("api_certificate", "known", ""),
    ("api_removed", "known", ""),
    ("api_secret", "hash", ""),
    ("api_revision", "one", ""),
    ("subscription", "name", ""),
    ("subscription_position", "subscription, node", ""),
    ("partner_credential", "access_key", ""),
    ("partner_notification", "id", ""),
    ("partner_notification", "receipt", ""),
    ("api_token", "hash", ""),
    ("api_authorization", "hash", ""),
    ("api_registration", "client", ""),
    ("api_registration", "community, issuer", ""),
    ("api_jti", "hash", ""),
    ("enrolment", "id", ""),
    ("alert_report", "device, report", ""),
    ("reconsidered", "original", ""),
    ("reconsidered", "message", ""),
    ("outbox", "id", ""),
    ("relayed_order", "id", ""),
    ("outbox", "device, control_id", "(outcome IS NULL)"),
    ("audit", "sequence", ""),
    ("audit", "node, number", ""),
    ("audit_end", "node", ""),
    ("audit_begin", "node", ""),
    ("device", "id", ""),
    ("device_revision", "one", ""),
    ("seen_identity", "device, identity", ""),
    ("node_lease", "node", ""),
    ("unfit_certificate", "device", ""),
    ("confirmed_clock", "one", ""),
    ("milestone", "what", ""),
    ("contact", "device, node", ""),
    ("refused", "room, who, device, reason, node", ""),
    ("feed", "via, identity, node", ""),
    ("notification", "id", ""),
    ("notified", "node, receiver", ""),
    ("patient_key", "one", ""),
];
