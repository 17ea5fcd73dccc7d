//! SQL statements with their parameters, for both databases. Both support `$1`, so most statements are
//! written once.

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, Encode, Type};

/// A statement with its parameters.
#[derive(Debug)]
pub(in crate::store) struct Statement {
    sql: String,
    values: Vec<Value>,
}

/// A parameter.
#[derive(Debug)]
pub(in crate::store) enum Value {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Statement {
    pub(in crate::store) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Appends SQL text.
    pub(in crate::store) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends a parameter: its placeholder and its value.
    pub(in crate::store) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
        self
    }

    /// The value of the next parameter that the SQL text already names.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Inserts SQL text before the statement.
    #[cfg(test)]
    pub(in crate::store) fn prefixed(mut self, prefix: &str) -> Self {
        self.sql.insert_str(0, prefix);
        self
    }

    /// The SQL text, and the parameters in order.
    pub(in crate::store) fn into_parts(self) -> (String, Vec<Value>) {
        (self.sql, self.values)
    }

    /// The statement as a sqlx query.
    pub(in crate::store) fn query<'q, DB: Database>(self) -> Query<'q, DB, DB::Arguments>
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

/// Saturates: no store reaches the end of these numbers.
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

/// A list as it is stored, in JSON.
pub(in crate::store) fn json(list: &[String]) -> String {
    if list.is_empty() { "[]".to_owned() } else { Json::from(list).to_string() }
}
