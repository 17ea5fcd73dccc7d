//! A row of a query's result, from either database.

use std::str::FromStr;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::audit::{ChainHead, RowHash};
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::{postgres, sqlite};

/// A row of a query's result.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column.
    pub(in crate::store) fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        T::read(self, column)
    }

    fn decoded<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column).map_err(sqlite::failure::read_error),
            Self::Postgres(row) => row.try_get(column).map_err(postgres::failure::classify),
        }
    }

    /// A text column that is parsed. `place` names the column in the error.
    pub(in crate::store) fn parsed<T: FromStr>(
        &self,
        column: &str,
        place: &'static str,
    ) -> Result<T, StoreError> {
        self.get::<String>(column)?.parse().map_err(|_| StoreError::unreadable(place))
    }

    /// A list, stored as JSON.
    pub(in crate::store) fn list(
        &self,
        column: &str,
        place: &'static str,
    ) -> Result<Vec<String>, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|_| StoreError::unreadable(place))
    }

    /// A number that is not negative.
    pub(in crate::store) fn count(&self, column: &str, place: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(column)?).map_err(|_| StoreError::unreadable(place))
    }

    /// A time of a foreign row: the nearest one that can be expressed, and whether it is that one.
    pub(in crate::store) fn nearest_time(&self, column: &str) -> Result<(Timestamp, bool), StoreError> {
        let stored: i64 = self.get(column)?;
        let nearest = if stored < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let time = Timestamp::from_microsecond(stored);
        Ok((time.as_ref().copied().unwrap_or(nearest), time.is_ok()))
    }

    /// A time, stored in microseconds since 1970.
    pub(in crate::store) fn time(&self, column: &str, place: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.get(column)?).map_err(|_| StoreError::unreadable(place))
    }
}

/// The value of a column.
pub(in crate::store) trait Column: Sized {
    /// Reads it.
    fn read(row: &Row, column: &str) -> Result<Self, StoreError>;
}

macro_rules! decoded {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
                row.decoded(column)
            }
        }
    )*};
}
decoded!(i32, i64, Option<i64>, Vec<u8>, Option<Vec<u8>>, bool, Option<bool>);

/// A text whose bytes are no UTF-8 has U+FFFD in their place. SQLite keeps what it is given; one such row
/// must not keep the others from being read, and its hash shows that it was changed.
impl Column for Option<String> {
    fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
        let Row::Sqlite(sqlite) = row else { return row.decoded(column) };
        let bytes: Option<Vec<u8>> = sqlite.try_get_unchecked(column).map_err(sqlite::failure::read_error)?;
        Ok(bytes.map(|bytes| {
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        }))
    }
}

impl Column for String {
    fn read(row: &Row, column: &str) -> Result<Self, StoreError> {
        let Row::Sqlite(_) = row else { return row.decoded(column) };
        Option::read(row, column)?.ok_or(StoreError::unreadable("a text"))
    }
}

/// A time of PostgreSQL, in microseconds since 1970.
pub(in crate::store) fn time_from_server(row: &PgRow, column: &str) -> Result<Timestamp, StoreError> {
    let micros: i64 = row.try_get(column).map_err(postgres::failure::classify)?;
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::unreadable("the server's time"))
}

/// The head of a chain, from its last row; the start if there is none.
pub(in crate::store) fn audit_end(rows: &[Row]) -> Result<ChainHead, StoreError> {
    let Some(row) = rows.first() else { return Ok(ChainHead::START) };
    let hash: Vec<u8> = row.get("hash")?;
    Ok(ChainHead {
        number: row.count("number", "audit.number")?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit.hash"))?,
    })
}

/// The column `id`: the identifier of a message.
pub(in crate::store) fn message_id(row: &Row) -> Result<MessageId, StoreError> {
    let bytes: Vec<u8> = row.get("id")?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("message.id"))?;
    Ok(MessageId::from_bytes(bytes))
}
