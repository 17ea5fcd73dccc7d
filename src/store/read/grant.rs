//! Queries of access tokens.

use crate::clients::{Authorization, AuthorizationStage, Person, Scopes, Token};
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

impl Reader {
    /// The authorization with this hash.
    pub(in crate::store) async fn authorization(
        &self,
        hash: &Fingerprint,
    ) -> Result<Option<Authorization>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_AUTHORIZATION).bind(hash.to_string())).await?;
        rows.first().map(authorization).transpose()
    }
}

fn authorization(row: &Row) -> Result<Authorization, StoreError> {
    Ok(Authorization {
        stage: match row.get::<i64>("stage")? {
            0 => AuthorizationStage::Asked,
            1 => AuthorizationStage::Code,
            _ => AuthorizationStage::Token,
        },
        client: row.parsed("client", "api_authorization.client")?,
        redirect_uri: row.get("redirect_uri")?,
        state: row.get("state")?,
        challenge: row.get("challenge")?,
        scopes: row.parsed("scopes", "api_authorization.scopes")?,
        person: Person {
            subject: row.get("person")?,
            certificate: row.parsed("certificate", "api_authorization.certificate")?,
            chain: row.list("chain", "api_authorization.chain")?,
        },
        ends: row.time("ends", "api_authorization.ends")?,
    })
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
        person: match row.get::<Option<String>>("person")? {
            None => None,
            Some(subject) => Some(Person {
                subject,
                certificate: row.parsed("person_certificate", "api_authorization.certificate")?,
                chain: row.list("chain", "api_authorization.chain")?,
            }),
        },
    })
}

/// A token whose authorization is gone does not count.
const SELECT_TOKEN: &str = "
SELECT t.holder, t.certificate, t.bound, t.proof, t.known, t.scopes, t.ends, a.person,
    a.certificate AS person_certificate, a.chain
FROM api_token t LEFT JOIN api_authorization a ON a.hash = t.code
WHERE t.hash = $1 AND (t.code = '' OR a.hash IS NOT NULL)";
const SELECT_AUTHORIZATION: &str = "
SELECT stage, client, redirect_uri, state, challenge, scopes, person, certificate, chain, ends
FROM api_authorization WHERE hash = $1";
