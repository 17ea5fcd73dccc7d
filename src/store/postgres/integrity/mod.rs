//! Whether the tables of the store are what the migrations made: the query of the risks that they are.
//!
//! A role that owns a table, or may create something in front of it, can make the server report a commit
//! without keeping the rows, or hide rows from every reader: a view in the place of a table, a rule, a
//! trigger, a policy, a function that a trigger calls. All of these are in the catalogs of the server, which
//! every role may read. Names are looked up in one schema, whatever the search path of the session is.

pub(in crate::store) mod columns;

use columns::changed_columns;

use super::rights::{Need, RIGHTS};
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
    let names: Vec<_> = RIGHTS.iter().filter(|rights| rights.need == Need::Always).collect();
    let names: Vec<_> = names.iter().map(|rights| format!("('{}')", rights.table)).collect();
    let tables = names.join(", ");
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
            let listed = TRIGGERS.map(|(table, name, ..)| format!("('{table}', '{name}')")).join(", ");
            let triggers = found_triggers(&namespace);
            let (functions, columns) = (foreign_code(schema, &namespace), changed_columns());
            let indexes = missing_index();
            format!(
                "(WITH {own}, found AS ({triggers}) {GENERAL}
                UNION ALL {functions} UNION ALL {INDEX_CODE} UNION ALL {columns} UNION ALL {indexes}
                UNION ALL SELECT 64, 'missing table ' || name FROM own WHERE oid IS NULL
                UNION ALL SELECT 128, 'trigger ' || tgname || ' on ' || on_table FROM found WHERE NOT is_expected
                UNION ALL
                SELECT 16, 'trigger ' || wanted.name || ' on ' || wanted.on_table
                FROM (VALUES {listed}) AS wanted (on_table, name)
                LEFT JOIN found ON found.on_table = wanted.on_table AND tgname = wanted.name::name
                WHERE tgenabled IS NULL OR tgenabled NOT IN ('O', 'A'))"
            )
        }
    }
}

/// The triggers of the tables, and whether each is one that the migrations made.
fn found_triggers(namespace: &str) -> String {
    let wanted = TRIGGERS.map(|(table, name, function, kind, old, new)| {
        format!("('{table}', '{name}', '{function}', {kind}, '{old}', '{new}')")
    });
    format!(
        "SELECT own.name AS on_table, tgname, tgenabled, wanted.name IS NOT NULL AS is_expected
        FROM own JOIN pg_trigger ON tgrelid = own.oid LEFT JOIN pg_proc ON pg_proc.oid = tgfoid
        LEFT JOIN (VALUES {}) AS wanted (on_table, name, function, kind, old_rows, new_rows)
            ON wanted.on_table = own.name AND tgname = wanted.name::name AND tgtype = wanted.kind
            AND proname = wanted.function::name AND pronamespace = {namespace} AND pronargs = 0
            AND coalesce(tgoldtable::text, '') = old_rows AND coalesce(tgnewtable::text, '') = new_rows
            AND NOT tgisinternal AND tgconstraint = 0 AND tgnargs = 0 AND tgattr::text = '' AND tgqual IS NULL",
        wanted.join(", ")
    )
}

/// Functions of the triggers that are not those of the migrations; functions, operators and types of others
/// in what the tables compute by themselves (defaults, checks, indexes), and functions of the server there
/// that can do more than compute, such as `set_config`; and functions and operators of the schema with the
/// name of one of the server's, which the statements of the platform could find.
fn foreign_code(schema: &SchemaName, namespace: &str) -> String {
    let functions = FUNCTIONS.map(|(name, language, is_definer, has_path, digest)| {
        let path = if has_path { format!("search_path={schema},pg_temp") } else { String::new() };
        format!("('{name}', '{language}', {is_definer}, '{path}', '{digest}')")
    });
    let functions = functions.join(", ");
    format!(
        "SELECT 128, 'function ' || wanted.name || ' is not that of the migrations'
        FROM (VALUES {functions}) AS wanted (name, language, is_definer, path, digest)
        WHERE NOT EXISTS (
            SELECT FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
            WHERE proname = wanted.name::name AND pronamespace = {namespace} AND prosecdef = is_definer
                AND lanname = wanted.language::name AND encode(sha256(convert_to(prosrc, 'UTF8')), 'hex') = digest
                AND translate(coalesce(array_to_string(proconfig, ';'), ''), ' \"', '') = path
        )
        UNION ALL
        SELECT 128, pg_describe_object(refclassid, refobjid, 0) || ' of ' || pg_describe_object(classid, objid, 0)
        FROM pg_depend
        WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
            AND (classid, objid) IN (
                SELECT 'pg_class'::regclass::oid, own.oid FROM own
                UNION ALL
                SELECT 'pg_constraint'::regclass, pg_constraint.oid FROM own JOIN pg_constraint ON conrelid = own.oid
                UNION ALL SELECT 'pg_attrdef'::regclass, pg_attrdef.oid FROM own JOIN pg_attrdef ON adrelid = own.oid
                UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM own JOIN pg_index ON indrelid = own.oid
            )
        UNION ALL
        -- Functions of the server are not in pg_depend. An expression names them by their oid.
        SELECT 128, 'function ' || proname || ' in a default, check or index of ' || on_table
        FROM (
            SELECT adbin::text, name FROM own JOIN pg_attrdef ON adrelid = own.oid
            UNION ALL SELECT conbin::text, name FROM own JOIN pg_constraint ON conrelid = own.oid
            UNION ALL SELECT indexprs::text, name FROM own JOIN pg_index ON indrelid = own.oid
            UNION ALL SELECT indpred::text, name FROM own JOIN pg_index ON indrelid = own.oid
        ) AS computed (tree, on_table), regexp_matches(tree, ':(?:op)?funcid ([0-9]+)', 'g') AS called
        JOIN pg_proc ON pg_proc.oid = called[1]::oid
        WHERE provolatile <> 'i' AND pg_proc.oid <> 'pg_catalog.now()'::regprocedure
        UNION ALL
        SELECT 128, 'function ' || proname || ' in the schema of the tables' FROM pg_proc AS other
        WHERE pronamespace = {namespace} AND EXISTS (
            SELECT FROM pg_proc WHERE proname = other.proname AND pronamespace = 'pg_catalog'::regnamespace
        ) AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = other.oid AND deptype = 'e'
        )
        UNION ALL
        SELECT 128, 'operator ' || oprname || ' in the schema of the tables' FROM pg_operator AS other
        WHERE oprnamespace = {namespace} AND EXISTS (
            SELECT FROM pg_operator WHERE oprname = other.oprname AND oprnamespace = 'pg_catalog'::regnamespace
        ) AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_operator'::regclass AND objid = other.oid AND deptype = 'e'
        )"
    )
}

/// A unique index that is missing, or does not do what that of the migrations does. Its name does not count,
/// nor how full its pages are. Constraints (`PRIMARY KEY`, `UNIQUE`) are indexes as well; one that is checked
/// at the end of the transaction only is none for `ON CONFLICT`.
fn missing_index() -> String {
    let wanted = UNIQUE_INDEXES.map(|(table, definition)| format!("('{table}', '{definition}')")).join(", ");
    format!(
        "SELECT 512, 'unique index on ' || wanted.on_table || ' using ' || wanted.definition
        FROM (VALUES {wanted}) AS wanted (on_table, definition)
        JOIN own ON own.name = wanted.on_table AND relkind = 'r'
        WHERE NOT EXISTS (
            SELECT FROM pg_index
            WHERE indrelid = own.oid AND indisunique AND indimmediate AND indisvalid AND indisready
                AND regexp_replace(pg_get_indexdef(indexrelid), '^.* USING | WITH [(][^)]*[)]', '', 'g')
                    = definition
        )"
    )
}

/// The bits of `pg_trigger.tgtype`.
mod kind {
    pub(super) const ROW: i16 = 1;
    pub(super) const BEFORE: i16 = 1 << 1;
    pub(super) const INSERT: i16 = 1 << 2;
    pub(super) const DELETE: i16 = 1 << 3;
    pub(super) const UPDATE: i16 = 1 << 4;
    pub(super) const TRUNCATE: i16 = 1 << 5;
}

/// Table, name, function, kind, and the names of the tables of old and new rows.
const TRIGGERS: [(&str, &str, &str, i16, &str, &str); 6] = [
    ("message", "message_identity_inserted", "message_identity_inserted", kind::INSERT, "", "added"),
    ("message", "message_identity_deleted", "message_identity_deleted", kind::DELETE, "gone", ""),
    ("audit", "audit_only_grows", "audit_only_grows", kind::BEFORE | kind::UPDATE | kind::TRUNCATE, "", ""),
    ("audit", "audit_only_pruned", "audit_only_pruned", kind::DELETE, "gone", ""),
    (
        "audit_begin",
        "audit_begin_moves_on",
        "audit_begin_moves_on",
        kind::ROW | kind::BEFORE | kind::UPDATE | kind::DELETE,
        "",
        "",
    ),
    ("device", "device_changed", "device_changed", kind::INSERT | kind::UPDATE | kind::DELETE, "", ""),
];

/// Table, and the end of the definition of each unique index, as the server prints it.
const UNIQUE_INDEXES: [(&str, &str); 19] = [
    ("message", "btree (id)"),
    ("message", "btree (device, correlation, digest) WHERE (rejection IS NULL)"),
    ("message_identity", "btree (identity, message)"),
    ("envelope", "btree (message)"),
    ("alert_report", "btree (device, report)"),
    ("reconsidered", "btree (original)"),
    ("reconsidered", "btree (message)"),
    ("outbox", "btree (id)"),
    ("outbox", "btree (device, control_id) WHERE (outcome IS NULL)"),
    ("audit", "btree (sequence)"),
    ("audit", "btree (node, number)"),
    ("audit_end", "btree (node)"),
    ("audit_begin", "btree (node)"),
    ("device", "btree (id)"),
    ("device_revision", "btree (one)"),
    ("seen_identity", "btree (device, identity)"),
    ("node_lease", "btree (node)"),
    ("unfit_certificate", "btree (device)"),
    ("confirmed_clock", "btree (one)"),
];

/// Name, language, whether it runs as its owner, whether it sets the search path, and the SHA-256 of its
/// source. A migration that changes a function changes it here: every test of the store fails otherwise.
const FUNCTIONS: [(&str, &str, bool, bool, &str); 7] = [
    (
        "audit_begin_moves_on",
        "plpgsql",
        false,
        true,
        "aeae6de90a658377db06ddcce1f729a2f00c5fed020060adcbeaed13ddb9a03d",
    ),
    (
        "audit_only_grows",
        "plpgsql",
        false,
        true,
        "f46c117f2964c55a14dd97be1f510e94ff491d2c7fb47f9d198f2cf482aae6bd",
    ),
    (
        "audit_only_pruned",
        "plpgsql",
        false,
        true,
        "a1bbec24e77b139a19bf8f5b8481b383881116c978c6a39f9b58c66760d13685",
    ),
    (
        "device_changed",
        "plpgsql",
        false,
        true,
        "cdfc58bca93775588efc1ef0314a102a6bd0dc02a032d14d56dface9953c0a21",
    ),
    // Without a search path, so that the server can inline it; its callers set one.
    (
        "identity_keys",
        "sql",
        false,
        false,
        "7e613237531546028a7c73d918eb533a9604104ee25e79ec769b35fb32c647d6",
    ),
    (
        "message_identity_deleted",
        "plpgsql",
        true,
        true,
        "4be85856dd20a9168a81c599f8f3a62f84b7f9a1c5e18e50c7e957391fc25d12",
    ),
    (
        "message_identity_inserted",
        "plpgsql",
        true,
        true,
        "0df8d873710b35acb9580e87928b0360218b94aeac64ae2ba481f76c0429931b",
    ),
];

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

/// Code that runs when the server compares or converts: operator classes of indexes and their functions,
/// access methods, and casts between types of the server, which apply where a parameter is stored in a column
/// of another type. What is built in has a number below 16384.
const INDEX_CODE: &str = "
SELECT 128, 'operator class ' || opcname || ' of index ' || part.relname || ' of ' || name
FROM own JOIN pg_index ON indrelid = own.oid JOIN pg_class AS part ON part.oid = indexrelid
CROSS JOIN unnest(indclass) AS used (class) JOIN pg_opclass ON pg_opclass.oid = used.class
WHERE used.class >= 16384 OR EXISTS (
    SELECT FROM pg_amproc WHERE amprocfamily = opcfamily AND amproc::oid >= 16384
        AND (amproclefttype, amprocrighttype) = (opcintype, opcintype)
)
UNION ALL
SELECT 128, 'access method ' || amname || ' of ' || name
FROM own LEFT JOIN pg_index ON indrelid = own.oid LEFT JOIN pg_class AS part ON part.oid = indexrelid
JOIN pg_am ON pg_am.oid IN (own.relam, part.relam)
WHERE pg_am.oid >= 16384 OR amhandler::oid >= 16384
UNION ALL
SELECT 128, 'cast from ' || format_type(castsource, NULL) || ' to ' || format_type(casttarget, NULL) FROM pg_cast
WHERE (pg_cast.oid >= 16384 OR castfunc >= 16384) AND castsource < 16384 AND casttarget < 16384";
