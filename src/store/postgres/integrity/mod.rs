//! Whether the tables of the store are what the migrations made: the query of the risks that they are.
//!
//! A role that owns a table, or may create something in front of it, can make the server report a commit
//! without keeping the rows, or hide rows from every reader: a view in the place of a table, a rule, a
//! trigger, a policy, a function that a trigger calls. All of these are in the catalogs of the server, which
//! every role may read. Names are looked up in one schema, whatever the search path of the session is.
//!
//! Nothing is compared by a part of a text: names, conditions and literals can hold any text, also one that
//! looks like what is expected. The query is to be run where only the names of the server are found
//! ([`super::durability::examine`]), so that no function or operator of others answers it.

mod code;
pub(in crate::store) mod columns;
mod indexes;
mod triggers;

use std::collections::BTreeSet;

use code::{COMPUTED, INDEX_CODE, shared_names};
use columns::changed_columns;
use indexes::missing_indexes;
use triggers::{trigger_findings, triggers_found};

use super::rights::RIGHTS;
use crate::model::SchemaName;

/// What is expected of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Expected {
    /// The tables that are there are tables. Another version of the program may have made them, and migrates
    /// them with this connection.
    AnyVersion,
    /// Every table, trigger and function of the migrations of this program.
    ThisVersion,
}

/// The query of the findings: the bit of a [`StoreRisk`](crate::model::StoreRisk), and the object that is it.
/// A query in parentheses, with two columns.
pub(super) fn table_findings(schema: &SchemaName, expected: Expected) -> String {
    // Some tables are there more than once: other rights on them are needed at times only.
    let names: BTreeSet<_> = RIGHTS.iter().map(|rights| format!("('{}')", rights.table)).collect();
    let tables = Vec::from_iter(names).join(", ");
    let namespace = format!("(SELECT oid FROM pg_namespace WHERE nspname = '{schema}')");
    let own = format!(
        "own AS (
            SELECT wanted.name, pg_class.oid, relkind, relpersistence, reltoastrelid, relam,
                relrowsecurity OR relforcerowsecurity AS is_secured
            FROM (VALUES {tables}) AS wanted (name)
            LEFT JOIN pg_class ON relname = wanted.name::name AND relnamespace = {namespace}
        )"
    );
    match expected {
        Expected::AnyVersion => format!("(WITH {own} {GENERAL})"),
        Expected::ThisVersion => {
            let found = triggers_found(schema, &namespace);
            let triggers = trigger_findings(&namespace);
            let (names, columns) = (shared_names(&namespace), changed_columns());
            let indexes = missing_indexes();
            format!(
                "(WITH {own}, {found} {GENERAL}
                UNION ALL {triggers} UNION ALL {COMPUTED} UNION ALL {INDEX_CODE} UNION ALL {names}
                UNION ALL {columns} UNION ALL {indexes}
                UNION ALL SELECT 64, 'missing table ' || name FROM own WHERE oid IS NULL)"
            )
        }
    }
}

/// What the tables of any version have to be. A table that is unlogged in part, its TOAST table or an index,
/// loses that part.
const GENERAL: &str = "
SELECT 64, 'in the place of table ' || name FROM own WHERE relkind <> 'r'
UNION ALL SELECT 64, 'inheritance of table ' || name FROM own JOIN pg_inherits ON own.oid IN (inhparent, inhrelid)
UNION ALL SELECT 32, 'table ' || name FROM own WHERE relpersistence <> 'p'
UNION ALL
SELECT 32, 'TOAST table of ' || name FROM own JOIN pg_class AS toast ON toast.oid = own.reltoastrelid
WHERE toast.relpersistence <> 'p'
UNION ALL
SELECT 32, 'index ' || part.relname || ' of ' || name
FROM own JOIN pg_index ON indrelid IN (own.oid, own.reltoastrelid) JOIN pg_class AS part ON part.oid = indexrelid
WHERE part.relpersistence <> 'p'
UNION ALL SELECT 256, 'table ' || name FROM own WHERE is_secured
UNION ALL SELECT 256, 'policy ' || polname || ' on ' || name FROM own JOIN pg_policy ON polrelid = own.oid
UNION ALL
SELECT 128, 'rule ' || rulename || ' on ' || name FROM own JOIN pg_rewrite ON ev_class = own.oid WHERE relkind = 'r'";
