//! Removes the variables of PostgreSQL's clients from the environment of this process.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Starts this program again, in place of this process, without the variables that the database library would
/// follow: the configuration alone says where the store is and how it is reached. Returns when there is no
/// such variable, or when the program cannot be started again; the store then refuses what it cannot
/// override.
///
/// A variable of the own process cannot be removed without unsafe code.
pub(super) fn drop_postgres_variables() {
    let set: Vec<_> = VARIABLES.into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    if set.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    for name in set {
        again.env_remove(name);
    }
    let _ = again.exec();
}

/// Those that sqlx reads, and others of libpq, so that a later version of sqlx changes nothing.
const VARIABLES: [&str; 20] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLCRL",
    "PGSSLNEGOTIATION",
    "PGREQUIRESSL",
    "PGTARGETSESSIONATTRS",
    "PGCONNECT_TIMEOUT",
];
