//! An assertion by which a client proves who it is (RFC 7521, RFC 7523; HL7 FAST security guide, "Consumer
//! Authorization & Authentication").

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::b2b::Purpose;
use super::jws::Jws;
use super::refused::AssertionFault;
use crate::model::Fingerprint;
use crate::x509::CertificateFacts;

/// An assertion whose signature and claims are not verified yet.
#[derive(Debug)]
pub struct Assertion<'a>(Jws<'a>);

/// The claims of an assertion whose signature was verified.
#[derive(Debug)]
pub struct SignedClaims(Claims);

/// What the claims of an assertion have to say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The client to which the certificate belongs.
    pub client: &'a str,
    /// Whose `jti` it is: those of two clients may be equal.
    pub owner: &'a str,
    /// The address of the token endpoint (RFC 7523 section 3), and the issuer.
    pub audiences: [&'a str; 2],
    /// The time.
    pub now: Timestamp,
}

/// An assertion that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The hash of its owner and its `jti`: it counts once.
    pub id: Fingerprint,
    /// When it would be refused as too old.
    pub ends: Timestamp,
    /// For whom and for what the client says that it asks.
    pub purpose: Option<Purpose>,
}

/// The claims of a signed JWT (RFC 7519 section 4.1).
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    extensions: Option<HashMap<String, Value>>,
}

/// RFC 7519 section 4.1.3.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audiences: &[&str]) -> bool {
        match self {
            Self::One(own) => audiences.contains(&own.as_str()),
            // Who operates another one could present it here first.
            Self::Several(all) => matches!(all.as_slice(), [own] if audiences.contains(&own.as_str())),
        }
    }
}

impl<'a> Assertion<'a> {
    /// Examines its size, its form, its algorithm and whether this fits the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &'a str) -> Result<Self, AssertionFault> {
        Jws::read(text).map(Self)
    }

    /// The certificates that it carries, that of the client first, in DER. Whether they count is the caller's
    /// to find out, before the signature is verified.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0.chain
    }

    /// The certificate of the client.
    #[must_use]
    pub fn leaf(&self) -> &CertificateFacts {
        &self.0.leaf
    }

    /// Verifies the signature. Only then the certificate is asked about: who has copied it learns nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self) -> Result<SignedClaims, AssertionFault> {
        let payload = self.0.verify()?;
        serde_json::from_slice(&payload).map(SignedClaims).map_err(|_| AssertionFault::Claims)
    }
}

impl SignedClaims {
    /// Verifies what they say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(self, expected: &Expected<'_>) -> Result<Verified, AssertionFault> {
        self.0.check(expected)
    }
}

impl Claims {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.iss.as_deref()
    }

    pub(super) fn check(self, expected: &Expected<'_>) -> Result<Verified, AssertionFault> {
        let missing = AssertionFault::Claims;
        let issuer = self.iss.ok_or(missing)?;
        if issuer != expected.client {
            return Err(AssertionFault::Issuer);
        }
        if self.sub.ok_or(missing)? != expected.client {
            return Err(AssertionFault::Subject);
        }
        if !self.aud.ok_or(missing)?.names(&expected.audiences) {
            return Err(AssertionFault::Audience);
        }
        let (ends, issued) = (time(self.exp.ok_or(missing)?)?, time(self.iat.ok_or(missing)?)?);
        let latest = expected.now.saturating_add(TOLERANCE).map_err(|_| missing)?;
        if ends.saturating_add(TOLERANCE).map_err(|_| missing)? <= expected.now {
            return Err(AssertionFault::Expired);
        }
        if issued > latest || self.nbf.map(time).transpose()?.is_some_and(|start| start > latest) {
            return Err(AssertionFault::IssuedAt);
        }
        if ends.duration_since(issued) > MAX_LIFETIME || ends.duration_since(latest) > MAX_LIFETIME {
            return Err(AssertionFault::Lifetime);
        }
        let id = self.jti.filter(|id| (1..=MAX_ID).contains(&id.len())).ok_or(AssertionFault::Id)?;
        let purpose = match self.extensions.as_ref().and_then(|all| all.get(B2B)) {
            None => None,
            Some(extension) => Some(Purpose::read(extension).ok_or(AssertionFault::Extension)?),
        };
        let id = Fingerprint::sha256(format!("{}\0{id}", expected.owner).as_bytes());
        let ends = ends.saturating_add(TOLERANCE * 2).map_err(|_| missing)?;
        Ok(Verified { id, ends, purpose })
    }
}

/// RFC 7519 section 2, NumericDate: seconds, perhaps with a fraction.
fn time(seconds: f64) -> Result<Timestamp, AssertionFault> {
    let duration = SignedDuration::try_from_secs_f64(seconds).map_err(|_| AssertionFault::Claims)?;
    Timestamp::from_duration(duration).map_err(|_| AssertionFault::Claims)
}

/// How far the clock of a client may differ.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
/// Between `iat` and `exp` (HL7 FAST security guide, section 5.2).
const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Bytes of `jti`.
const MAX_ID: usize = 256;
/// The extension that is understood; others are ignored.
const B2B: &str = "hl7-b2b";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check(claims: Value) -> Result<Verified, AssertionFault> {
        let expected = Expected {
            client: "ehr",
            owner: "ehr",
            audiences: ["https://platform.example/oauth/token", "https://platform.example"],
            now: Timestamp::from_second(NOW).unwrap(),
        };
        let claims: Claims = serde_json::from_value(claims).map_err(|_| AssertionFault::Claims)?;
        claims.check(&expected)
    }

    fn claims() -> Value {
        serde_json::json!({
            "iss": "ehr", "sub": "ehr", "aud": "https://platform.example/oauth/token",
            "iat": NOW, "exp": NOW + 300, "jti": "1",
        })
    }

    #[test]
    fn n001_5_each_claim_is_checked() {
        let verified = check(claims()).unwrap();
        assert!(verified.ends.as_second() >= NOW + 330 && verified.purpose.is_none());
        use AssertionFault as Fault;
        for (name, value, fault) in [
            ("iss", "lab".into(), Fault::Issuer),
            ("iss", Value::Null, Fault::Claims),
            ("sub", "lab".into(), Fault::Subject),
            ("sub", 7.into(), Fault::Claims),
            ("aud", "https://platform.example/".into(), Fault::Audience),
            ("aud", serde_json::json!(["https://other.example/oauth/token"]), Fault::Audience),
            (
                "aud",
                serde_json::json!(["https://other.example", "https://platform.example/oauth/token"]),
                Fault::Audience,
            ),
            ("aud", Value::Null, Fault::Claims),
            ("exp", (NOW - 31).into(), Fault::Expired),
            ("exp", (NOW + 301).into(), Fault::Lifetime),
            ("exp", 1e300.into(), Fault::Claims),
            ("exp", "300".into(), Fault::Claims),
            ("exp", Value::Null, Fault::Claims),
            ("iat", (NOW + 31).into(), Fault::IssuedAt),
            ("iat", (NOW - 1).into(), Fault::Lifetime),
            ("iat", Value::Null, Fault::Claims),
            ("nbf", (NOW + 31).into(), Fault::IssuedAt),
            ("jti", "".into(), Fault::Id),
            ("jti", "x".repeat(257).into(), Fault::Id),
            ("jti", Value::Null, Fault::Id),
            ("extensions", serde_json::json!({ "hl7-b2b": { "version": "1" } }), Fault::Extension),
        ] {
            let mut wrong = claims();
            wrong[name] = value;
            assert_eq!(check(wrong.clone()), Err(fault), "{wrong}");
        }
        let mut several = claims();
        several["aud"] = serde_json::json!(["https://platform.example/oauth/token"]);
        several["exp"] = 1_800_000_299.5.into();
        several["extensions"] = serde_json::json!({ "other": 1 });
        assert!(check(several).is_ok());
    }

    #[test]
    fn n001_5_an_id_is_one_of_its_issuer() {
        let one = check(claims()).unwrap();
        let mut other = claims();
        other["jti"] = "2".into();
        assert_ne!(check(other).unwrap().id, one.id);
    }
}
