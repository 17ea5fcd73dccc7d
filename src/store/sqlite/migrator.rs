//! The migrations of a store in a file.

use sqlx::migrate::Migrator;

pub(in crate::store) static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");
