//! The rights that the platform's role needs in the database: one table, from which `check` and `/readyz`
//! learn what is missing, and with which a test compares the grants of `docs/howto/postgresql.md`.

use crate::store::records::removals::Removals;
use crate::store::statement::Statement;

/// Rights on a table.
pub(in crate::store) struct Rights {
    pub(in crate::store) table: &'static str,
    pub(in crate::store) privileges: &'static [&'static str],
    pub(in crate::store) need: Need,
}

/// Which configuration needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Need {
    Always,
    /// `retain-messages` or `retain-rejected` is a duration.
    RemovingMessages,
    /// `retain-audit` is a duration.
    RemovingAudit,
    /// A kind of messages has a limit by size.
    LimitingSize,
}

impl Need {
    pub(in crate::store) const fn is_met_by(self, removals: Removals) -> bool {
        match self {
            Self::Always => true,
            Self::RemovingMessages => removals.messages,
            Self::RemovingAudit => removals.audit,
            Self::LimitingSize => removals.by_size,
        }
    }
}

/// The statement that selects what the role lacks, as the column `missing`: `INSERT, UPDATE on outbox`.
pub(in crate::store) fn select_missing(removals: Removals) -> Statement {
    let needed = RIGHTS.iter().filter(|rights| rights.need.is_met_by(removals));
    let rows = needed.flat_map(|rights| {
        let row = |privilege: &&str| format!("('{}', '{privilege}')", rights.table);
        rights.privileges.iter().map(row).collect::<Vec<_>>()
    });
    let catalogs = CATALOGS.iter().map(|name| format!("('pg_catalog.{name}', 'SELECT')"));
    let rows = rows.chain(catalogs).collect::<Vec<_>>().join(", ");
    let mut statement = Statement::new("WITH needed (name, privilege) AS (VALUES ");
    statement.push(&rows).push(SELECT_MISSING);
    statement
}

const fn always(table: &'static str, privileges: &'static [&'static str]) -> Rights {
    Rights { table, privileges, need: Need::Always }
}

/// Every table of the schema is here. The triggers of `message` write `message_identity` as its owner.
pub(in crate::store) const RIGHTS: [Rights; 59] = [
    always("_sqlx_migrations", &["SELECT"]),
    always("message", &["SELECT", "INSERT"]),
    always("message_identity", &["SELECT"]),
    always("message_key", &["SELECT", "INSERT"]),
    always("alert_report", &["SELECT", "INSERT", "UPDATE"]),
    always("envelope", &["SELECT", "INSERT"]),
    always("forward", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("fhir_leader", &["SELECT", "UPDATE"]),
    always("fhir_position", &["SELECT", "INSERT", "UPDATE"]),
    always("fhir_resource", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("fhir_group", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("fhir_key", &["SELECT", "INSERT", "DELETE"]),
    always("fhir_version", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("fhir_removed", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("fhir_link", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("reconsidered", &["SELECT", "INSERT"]),
    always("outbox", &["SELECT", "INSERT", "UPDATE"]),
    always("relayed_order", &["SELECT", "INSERT", "DELETE"]),
    always("audit", &["SELECT", "INSERT"]),
    always("audit_end", &["SELECT", "INSERT", "UPDATE"]),
    always("audit_begin", &["SELECT"]),
    always("device", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("device_revision", &["SELECT", "UPDATE"]),
    always("organisation", &["SELECT", "INSERT", "UPDATE"]),
    always("api_client", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("api_certificate", &["SELECT", "INSERT", "DELETE"]),
    always("api_removed", &["SELECT", "INSERT", "DELETE"]),
    always("api_secret", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("api_revision", &["SELECT", "UPDATE"]),
    always("subscription", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("subscription_position", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("partner_credential", &["SELECT", "INSERT", "DELETE"]),
    always("partner_notification", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("api_registration", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("api_token", &["SELECT", "INSERT", "DELETE"]),
    always("api_authorization", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("api_jti", &["SELECT", "INSERT", "DELETE"]),
    always("enrolment", &["SELECT", "INSERT", "UPDATE"]),
    always("seen_identity", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("unfit_certificate", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("contact", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("refused", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("feed", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("probe", &["SELECT", "INSERT", "UPDATE"]),
    always("node_lease", &["SELECT", "INSERT", "UPDATE"]),
    always("confirmed_clock", &["SELECT", "INSERT", "UPDATE"]),
    always("milestone", &["SELECT", "INSERT", "UPDATE"]),
    always("notification", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    always("notified", &["SELECT", "INSERT", "UPDATE"]),
    always("patient_key", &["SELECT"]),
    Rights { table: "message", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights { table: "message_key", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights { table: "alert_report", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights { table: "envelope", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights { table: "reconsidered", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights { table: "outbox", privileges: &["DELETE"], need: Need::RemovingMessages },
    Rights {
        table: "message_volume",
        privileges: &["SELECT", "INSERT", "UPDATE", "DELETE"],
        need: Need::LimitingSize,
    },
    Rights { table: "audit", privileges: &["DELETE"], need: Need::RemovingAudit },
    Rights { table: "audit_begin", privileges: &["INSERT", "UPDATE"], need: Need::RemovingAudit },
];

/// The catalogs of the server that the examination of the tables reads; every role may read them, unless a
/// superuser has revoked that.
const CATALOGS: [&str; 21] = [
    "pg_am",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_depend",
    "pg_index",
    "pg_inherits",
    "pg_language",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_policy",
    "pg_proc",
    "pg_rewrite",
    "pg_roles",
    "pg_trigger",
    "pg_type",
];

/// Without the schema or the database no table is visible: then only that is named.
const SELECT_MISSING: &str = "), schema AS (
    SELECT FROM pg_namespace
    WHERE nspname = split_part(current_setting('search_path'), ',', 1) AND has_schema_privilege(oid, 'USAGE')
)
SELECT 'CONNECT on database ' || current_database() AS missing
WHERE NOT has_database_privilege(current_database(), 'CONNECT')
UNION ALL
SELECT 'USAGE on the schema of the tables' WHERE NOT EXISTS (SELECT FROM schema)
UNION ALL
SELECT string_agg(privilege, ', ' ORDER BY privilege) || ' on ' || name FROM needed
WHERE EXISTS (SELECT FROM schema) AND NOT coalesce(has_table_privilege(to_regclass(name), privilege), false)
GROUP BY name";
