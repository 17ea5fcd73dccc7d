//! The errors of the store, by what the caller can do about them.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::migrate::MigrateError;

use crate::audit::SignError;
use crate::filesystem::AccessProblem;
use crate::model::{DeviceId, FoundRisks, MessageId, SchemaName, StoreUrl};
use crate::store::backup_advice::backup_advice;
use crate::store::instance::process::Holder;
use crate::store::migration::plan::MigrationPlan;
use crate::store::own_chain::divergence::Divergence;

pub use crate::store::conflict::{ClientsConflict, EnrolmentConflict};

/// Why an operation of the store failed.
///
/// Cheap to clone: when a commit fails, every caller that waits for it gets the error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The URL of the store is not valid.
    #[error(
        "the store's URL must be sqlite:PATH with the path of a file, or postgres://USER@HOST/DATABASE, where \
         several hosts are separated by commas, with no parameters but sslmode, sslrootcert, sslcert, sslkey, \
         target_session_attrs (read-write or primary), host, hostaddr, port, user, password and dbname"
    )]
    Url,
    /// The password file is missing, unreadable, or readable by others than its owner.
    #[error(
        "cannot use the store's file {} with a password or key: it must exist and be readable by its owner only",
        file.display()
    )]
    Password {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The file does not exist and cannot be created, or cannot be opened.
    #[error("cannot open the store {}: check that its directory exists and is writable, and that its disk is not full", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the database.
        #[source]
        source: Arc<DatabaseError>,
    },
    /// The file holds something else than a database.
    #[error("{} is not an SQLite database: name another file in store.url, or restore a backup", path.display())]
    NotDatabase {
        /// The file.
        path: PathBuf,
        /// The error of the database.
        #[source]
        source: Arc<DatabaseError>,
    },
    /// The server cannot be reached or refuses the connection.
    #[error(
        "cannot connect to the store {place}: check that the server runs and is reachable, that the role and the \
         database exist, and that the password is right"
    )]
    Connect {
        /// The server and the database.
        place: StoreUrl,
        /// The error of the database.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// In this state the store can lose or hide what it has committed.
    #[error(
        "the store can lose or hide acknowledged messages: {0}; undo it, or accept the risk in \
         store.accepted-risks (docs/reference/store.md, \"Risks of the store\")"
    )]
    Risky(FoundRisks),
    /// The tables are in another schema of the database than the configured one.
    #[error(
        "the schema \"{configured}\" of the database has no tables of the platform, and \"{found}\" has: set \
         store.schema to the one that is meant"
    )]
    OtherSchema {
        /// That of the configuration.
        configured: SchemaName,
        /// One that has the tables.
        found: String,
    },
    /// A row was not stored as it was written, although the database reported no error.
    #[error(
        "the database reports success and has not stored a row of {0} as it was written: remove the trigger, rule or \
         constraint that drops or changes it (docs/reference/store.md, \"Risks of the store\")"
    )]
    Dropped(&'static str),
    /// A message came again, and the platform has not stored the copy that is there.
    #[error(
        "message {0} is in the store, and the audit trail does not say that the platform accepted it: another program has put it there or changed it, so that nothing is acknowledged with it (docs/explanation/store.md, \"Resends\")"
    )]
    UnknownCopy(MessageId),
    /// A table does not take what the platform writes: a rule, something that is not a table, a changed
    /// column, or a missing index.
    #[error(
        "a table of the store does not take rows: look for rules, views in the place of tables, changed columns and \
         missing unique indexes (docs/reference/store.md, \"Risks of the store\")"
    )]
    NoTable(#[source] Arc<sqlx::Error>),
    /// The server understands a statement of the platform in another way, or not at all: code of others that
    /// the statement runs fails, or stands for a name in it.
    #[error(
        "the store's server does not run a statement of the platform as it is meant: look for triggers, functions and \
         operators of others that call or are called by a name that does not fit (docs/reference/store.md, \"Risks of the store\")"
    )]
    NotUnderstood(#[source] Arc<sqlx::Error>),
    /// The server cannot store all messages.
    #[error("the store's server is {0}")]
    Server(&'static str),
    /// The server is a standby, or read-only.
    #[error("the store's server takes no writes: it is a standby or read-only; connect to the primary")]
    ReadOnly,
    /// Each of several servers fails.
    #[error("none of the store's servers can be used: {0}")]
    NoServer(String),
    /// This variable of the environment would change how the store is reached.
    #[error("the environment variable {0} would change how the store's server is reached: unset it")]
    Environment(&'static str),
    /// The role of the platform lacks a privilege in the database.
    #[error(
        "the store's role lacks a privilege: grant the privileges that docs/howto/postgresql.md lists; `check` names those \
         that are missing"
    )]
    Denied(#[source] Arc<sqlx::Error>),
    /// The role lacks this privilege, as found before it is used.
    #[error(
        "the store's role lacks a privilege: {0}; grant the privileges that docs/howto/postgresql.md lists; migrations are for \
         the role that owns the tables (`store migrate --as-owner`)"
    )]
    NotGranted(String),
    /// The store was created or migrated by another version of this program.
    #[error(
        "the store's schema does not match this version of the program: use the version that wrote it, or a later one"
    )]
    Schema(#[source] Arc<MigrateError>),
    /// There is no store at that place.
    #[error(
        "there is no store at {0}: create it with `pcd-platform store migrate`, or start the platform with `pcd-platform serve`"
    )]
    Missing(StoreUrl),
    /// There is no store at that place, and this site has had one.
    #[error(
        "there is no store at {url}, and this site has had one ({reason}): find out where it is (moved away, its disk not \
         mounted, another database), or restore it; only where a new, empty store is wanted, make it with `pcd-platform store \
         migrate`"
    )]
    Gone {
        /// Where the store should be.
        url: StoreUrl,
        /// What says that there was one.
        reason: String,
    },
    /// There is no store at that place, and this role may not create one.
    #[error(
        "the database {0} has no tables of the platform: create them as the role that is to own them (`store migrate \
         --as-owner`), or wait for the end of a restore; the platform's role needs no right to create tables"
    )]
    NoTables(StoreUrl),
    /// There are tables at that place, and none of this program.
    #[error(
        "{0} is a database of another program: name a file that does not exist, or an empty database, in [store] url"
    )]
    Foreign(StoreUrl),
    /// An earlier version of this program wrote the store.
    #[error(
        "the schema of the store is that of migration {found}, and this program needs {expected}: stop every platform that \
         uses the store and run `pcd-platform store migrate` (with --dry-run it says what that does)"
    )]
    Outdated {
        /// The last migration that was applied.
        found: u64,
        /// The last one of this program.
        expected: u64,
    },
    /// A later version of this program has migrated the store.
    #[error(
        "a later version of this program has migrated the store to migration {found}; this version knows {expected}: use the \
         later version"
    )]
    Newer {
        /// The last migration that was applied.
        found: u64,
        /// The last one of this program.
        expected: u64,
    },
    /// The migrations of the store are not those of this program.
    #[error(
        "migration {0} of the store is not the one of this program: use the program that wrote the store"
    )]
    Altered(u64),
    /// A row of the table of migrations is missing.
    #[error(
        "the store does not record that migration {migration} was applied, but {evidence}: a row was removed from its table \
         _sqlx_migrations. Nothing was changed, because the migration could make the store unusable: put the row back, or \
         restore the store from a backup (docs/reference/store.md, \"A migration that is not recorded\")"
    )]
    Unrecorded {
        /// The first such migration.
        migration: u64,
        /// What shows that it was applied.
        evidence: Box<str>,
    },
    /// `serve` does not migrate a store of that size by itself.
    #[error(
        "the store has {} rows and needs the migrations {} to {}, which take {}: run `pcd-platform store migrate` while \
         no platform uses the store, or start once with `pcd-platform serve --migrate`; \
         `pcd-platform store migrate --dry-run` says what they do",
        .0.rows, .0.from, .0.to(), about(.0.estimated)
    )]
    TooLarge(Box<MigrationPlan>),
    /// This process may not use a file of the store.
    #[error("the store cannot be used: {0}")]
    Access(AccessProblem),
    /// The database file has several names. SQLite and the lock of a serving process go by the name: two
    /// processes that use two names of one file destroy it.
    #[error(
        "the store {} has {names} names (hard links), so that two platforms could use it at once: remove the others",
        path.display()
    )]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// The file of the lock cannot be used.
    #[error("cannot lock the store with the file {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Another process serves this node of the store.
    #[error("node {node} already serves this store: {holder}", node = .0.node, holder = .0)]
    AlreadyServed(Holder),
    /// Another process migrates the store.
    #[error("another process migrates this store now: {0}; try again when it has ended")]
    Migrating(Holder),
    /// Another process has taken over the node that this process served, because this one was not heard of
    /// for ten seconds, or its lock file was removed. This process must not write any more.
    #[error(
        "another process serves this node of the store now; this one was paused, or cut off from the server, for too long, or its lock file was removed{}",
        .0.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    InstanceLost(Option<Holder>),
    /// The store does not contain the end of the audit chain that this node remembers. Nothing is written to
    /// it until it does, or an operator accepts its end.
    #[error(
        "{0}; find out why (docs/howto/incidents.md, \"When the store went back\"), then accept the end of the store's chain \
         with `pcd-platform audit accept-end`"
    )]
    Diverged(Box<Divergence>),
    /// The database file, its log or the log's index was moved, removed, emptied or replaced while this
    /// process used it. What it would write there is lost.
    #[error(
        "{}, a file of the database, was moved, emptied or replaced while the platform used it: stop the \
         platform before you touch its files",
        .0.display()
    )]
    Replaced(PathBuf),
    /// The file cannot be used now: disk full, locked, missing. The same request may succeed later.
    #[error("the store is unavailable: check the free space of its disk and the permissions of its files")]
    Unavailable(#[source] Arc<DatabaseError>),
    /// SQLite finds no folder for a temporary file (SQLITE_IOERR_GETTEMPPATH).
    #[error(
        "SQLite finds no folder for temporary files: let the platform write to the folder of the store, or set \
         SQLITE_TMPDIR"
    )]
    NoTemporaryFolder(#[source] Arc<DatabaseError>),
    /// The server cannot be used now: unreachable, stopping, full, overloaded. The same request may succeed
    /// later.
    #[error("the store's server is unavailable: check that it runs, is reachable, and has free disk space")]
    Unreachable(#[source] Arc<sqlx::Error>),
    /// The operating system refuses to start a thread, or the thread has ended.
    #[error("a thread of the store cannot be started, or has ended: check the limit on threads")]
    Thread(#[source] Arc<std::io::Error>),
    /// An operation of the store timed out.
    #[error(
        "the store did not respond within {0:?}: check that its server or its disk is available and not overloaded"
    )]
    Timeout(std::time::Duration),
    /// Another node of the store writes what only one may write at a time, or has stopped while it did.
    #[error(
        "another node of the store writes clients, tokens or notifications now, or has stopped while it did; \
         try again in some seconds"
    )]
    Contended,
    /// There is no memory to decompress a message.
    #[error("a stored message cannot be read for want of memory: check the limit on memory of the platform")]
    Memory(#[source] Arc<std::io::Error>),
    /// Messages arrive, and none is stored.
    #[error("no message was stored for {seconds} s, although messages have arrived")]
    Stalled {
        /// Since the first of them has arrived.
        seconds: u64,
        /// Why the last of them, or the probe, was not written.
        #[source]
        source: Option<Arc<StoreError>>,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A stored value cannot be read: restore the store from a backup.
    #[error(
        "the store is damaged: {place} cannot be read; where the type of a column was changed, put it back (`check` names \
         it), otherwise restore the store from a backup"
    )]
    Corrupt {
        /// The table and column, or the part of the store.
        place: &'static str,
        /// The error of the database, if the database detected the damage.
        #[source]
        source: Option<Arc<DatabaseError>>,
    },
    /// SQLite refuses to read a row of the schema of the file, which it has not written.
    #[error(
        "SQLite cannot read the schema of the store's file, in which a row was changed or added: remove that row \
         (docs/reference/store.md, \"A row of the schema of a file\"); a backup has to be restored only where the row was that of \
         a table of the platform"
    )]
    Malformed(#[source] Arc<DatabaseError>),
    /// The backup failed.
    #[error("cannot copy the store to {}: {}", path.display(), backup_advice(source))]
    Backup {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// A store on PostgreSQL cannot be copied by this program; the server has tools of its own.
    #[error(
        "the store is on a PostgreSQL server: copy it with pg_dump --format=custom, or with the server's own backups"
    )]
    BackupOnServer,
    /// The database rejects this entry, now and later; other entries can be stored.
    #[error("the store rejects the entry")]
    Refused(#[source] Arc<DatabaseError>),
    /// The platform's key cannot sign the audit trail.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The directory already has an entry for the device.
    #[error("device {0} is in the directory already")]
    DeviceExists(DeviceId),
    /// The directory has an entry for the same EUI-64 in another spelling.
    #[error("device {device} is in the directory already, as {existing}: both are spellings of one EUI-64")]
    DeviceSpelled {
        /// The spelling that was to be added.
        device: DeviceId,
        /// The one that the directory has.
        existing: DeviceId,
    },
    /// The device did not name this identity, or named it with permission.
    #[error("nothing is recorded of this identity in messages of device {0}; `device show` lists what is")]
    IdentityNotSeen(DeviceId),
    /// The device is enforced, and does not learn identities.
    #[error(
        "device {0} is enforced: it has a list (--speaks-for), or has learnt before; allow identities with `device propose`"
    )]
    DeviceEnforced(DeviceId),
    /// Organisations and clients are not as the change needs them.
    #[error(transparent)]
    Clients(#[from] ClientsConflict),
    /// An enrolment is not as the change needs it.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentConflict),
    /// A message with the same control id waits for the device. The device's answer refers to a message by
    /// its control id only, so the answer would be ambiguous.
    #[error(
        "a message with this MSH-10 is already waiting for device {0}: use another MSH-10, or withdraw that message"
    )]
    AlreadyWaiting(DeviceId),
    /// An earlier message with the same control id was sent to the device, and not answered. Its answer may
    /// still come, and refers to it by its control id only.
    #[error(
        "an earlier order with this MSH-10 was sent to device {0} and is not answered; its answer, if it still \
         comes, would be taken for that to this one: use another MSH-10"
    )]
    ControlIdUsed(DeviceId),
    /// The directory has no entry for the device.
    #[error("device {0} is not in the directory")]
    DeviceUnknown(DeviceId),
}

fn about(time: std::time::Duration) -> String {
    match time.as_secs() {
        0 => "less than a second".to_owned(),
        seconds => format!("about {:?}", std::time::Duration::from_secs(seconds)),
    }
}

/// The error of a database library: sqlx for PostgreSQL and for reading SQLite, rusqlite for writing SQLite.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum DatabaseError {
    /// From PostgreSQL, or from reading SQLite.
    Sqlx(#[from] sqlx::Error),
    /// From writing SQLite.
    Rusqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Whether the fault lies in a single entry, so that the other entries of its batch can succeed. A
    /// privilege that one statement lacks is no fault of the connection, nor of other statements.
    pub(super) const fn concerns_one_entry(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Denied(_)
                | Self::NotUnderstood(_)
                | Self::Dropped(_)
                | Self::UnknownCopy(_)
                | Self::DeviceExists(_)
                | Self::DeviceEnforced(_)
                | Self::Clients(_)
                | Self::Enrolment(_)
                | Self::DeviceUnknown(_)
                | Self::AlreadyWaiting(_)
                | Self::ControlIdUsed(_)
        )
    }

    /// Whether a start that meets this error may succeed later without any change of the configuration: the
    /// server is starting, cannot be reached yet, or has no primary yet.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::ReadOnly | Self::NoServer(_) | Self::Timeout(_) => true,
            Self::Connect { source, .. } | Self::Unreachable(source) => match &**source {
                // An invalid certificate is an error of this kind.
                sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
                // 57P: starting or stopping; 53: no connection or no memory is left.
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    code.starts_with("57P") || code.starts_with("53") || code.starts_with("08")
                }),
                _ => false,
            },
            _ => false,
        }
    }

    /// The value at `place` (`table.column`) cannot be read.
    pub(super) const fn unreadable(place: &'static str) -> Self {
        Self::Corrupt { place, source: None }
    }
}
