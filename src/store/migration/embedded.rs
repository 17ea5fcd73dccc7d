//! The migrations that the program carries with it: `build.rs` lists the files of `migrations/`.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text of a migration.
type Embedded = (i64, &'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The migrations of one kind of database. Their checksums, which the store keeps, are those of the texts.
pub(in crate::store) fn migrator(files: &[Embedded]) -> Migrator {
    let migration = |&(number, name, text): &Embedded| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}
