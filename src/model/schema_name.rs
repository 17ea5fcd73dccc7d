//! The name of the schema that holds the tables of a store on PostgreSQL.

use std::fmt;
use std::str::FromStr;

/// A schema of a PostgreSQL database: 1 to 63 lower case letters, digits and underscores, not beginning with
/// a digit or `pg_`. It needs no quotes in SQL, nor in a search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SchemaName {
    fn default() -> Self {
        Self("public".to_owned())
    }
}

impl FromStr for SchemaName {
    type Err = InvalidSchemaName;

    fn from_str(name: &str) -> Result<Self, InvalidSchemaName> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_valid = (1..=63).contains(&name.len())
            && name.chars().all(is_plain)
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.starts_with("pg_");
        if is_valid { Ok(Self(name.to_owned())) } else { Err(InvalidSchemaName) }
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no [`SchemaName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a schema has 1 to 63 lower case letters, digits and underscores, and begins with neither a digit nor pg_"
)]
pub struct InvalidSchemaName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_needs_no_quotes_and_is_none_of_the_servers() {
        for name in ["public", "pcd", "pcd_2", "_x"] {
            assert_eq!(name.parse::<SchemaName>().unwrap().as_str(), name);
        }
        for name in ["", "$user", "Pcd", "a b", "a,b", "a'b", "2pcd", "pg_temp", "pg_catalog", "é"] {
            assert!(name.parse::<SchemaName>().is_err(), "{name}");
        }
    }
}
