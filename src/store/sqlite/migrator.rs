//! The migrations of a store in a file.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

use crate::store::migration::embedded::{SQLITE, migrator};

pub(in crate::store) static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| migrator(SQLITE));
