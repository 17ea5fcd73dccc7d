//! What goes into a database and what comes out of it, whichever it is. Both understand `$1`, so most statements
//! are written once.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Database, Decode, Encode, Postgres, Row as _, Sqlite, Type};

use super::{StoreError, postgres, sqlite};

/// A statement with its parameters.
#[derive(Debug)]
pub(super) struct Statement {
    sql: String,
    values: Vec<Value>,
}

/// A parameter.
#[derive(Debug)]
pub(super) enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// More of the statement.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A parameter, in the place where the statement has got to.
    pub(super) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
        self
    }

    /// The next of the parameters that the statement names already.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The same with something before it.
    #[cfg(test)]
    pub(super) fn behind(mut self, words: &str) -> Self {
        self.sql.insert_str(0, words);
        self
    }

    /// Its text, and its parameters in their order.
    pub(super) fn into_parts(self) -> (String, Vec<Value>) {
        (self.sql, self.values)
    }

    /// The statement as the library takes it.
    pub(super) fn query<'q, DB: Database>(self) -> Query<'q, DB, DB::Arguments>
    where
        i64: Encode<'q, DB> + Type<DB>,
        String: Encode<'q, DB> + Type<DB>,
        Vec<u8>: Encode<'q, DB> + Type<DB>,
    {
        let query = sqlx::query(AssertSqlSafe(self.sql));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// No store lives to see the end of these numbers.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Microseconds since 1970-01-01 UTC.
impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Number(time.as_microsecond())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl Row {
    /// The column of that name.
    pub(super) fn get<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column).map_err(sqlite::failure),
            Self::Postgres(row) => row.try_get(column).map_err(postgres::failure),
        }
    }

    /// A text that stands for something; `place` names it when it does not.
    pub(super) fn parsed<T: FromStr>(&self, column: &str, place: &'static str) -> Result<T, StoreError> {
        self.get::<String>(column)?.parse().map_err(|_| StoreError::unreadable(place))
    }

    /// A list, which is kept as JSON.
    pub(super) fn list(&self, column: &str, place: &'static str) -> Result<Vec<String>, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|_| StoreError::unreadable(place))
    }

    /// A number that cannot be negative.
    pub(super) fn count(&self, column: &str, place: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(column)?).map_err(|_| StoreError::unreadable(place))
    }

    /// A time, which is kept in microseconds.
    pub(super) fn time(&self, column: &str, place: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.get(column)?).map_err(|_| StoreError::unreadable(place))
    }
}
