//! Queries of access tokens.

use crate::clients::{Scopes, Token};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    /// The token with this hash.
    pub(in crate::store) async fn token(&self, hash: &Fingerprint) -> Result<Option<Token>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_TOKEN).bind(hash.to_string())).await?;
        rows.first().map(token).transpose()
    }
}

fn token(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        holder: row.parsed("holder", "api_token.holder")?,
        certificate: row.parsed("certificate", "api_token.certificate")?,
        is_bound: row.get::<i64>("bound")? != 0,
        proof: match row.get::<Option<String>>("proof")? {
            Some(_) => row.parsed("proof", "api_token.proof")?,
            None => row.parsed("certificate", "api_token.certificate")?,
        },
        known: match row.get::<Option<String>>("known")? {
            Some(_) => Some(row.parsed("known", "api_token.known")?),
            None => None,
        },
        scopes: row.parsed::<Scopes>("scopes", "api_token.scopes")?,
        ends: row.time("ends", "api_token.ends")?,
    })
}

const SELECT_TOKEN: &str = "
SELECT holder, certificate, bound, proof, known, scopes, ends FROM api_token WHERE hash = $1";
