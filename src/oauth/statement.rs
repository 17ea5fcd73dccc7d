//! A signed software statement, by which a client registers itself (RFC 7591; HL7 FAST security guide,
//! "Registration").

use jiff::Timestamp;
use serde::Deserialize;

use super::assertion::{Claims, Expected, Verified};
use super::jws::Jws;
use super::redirect_uri::RedirectUri;
use super::refused::AssertionFault;
use super::refused_registration::RefusedRegistration;
use crate::x509::CertificateFacts;

/// A statement whose signature and claims are not verified yet.
#[derive(Debug)]
pub struct Statement<'a>(Jws<'a>);

/// What a statement says of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMetadata {
    /// The URI of the certificate under which the client is known.
    pub issuer: String,
    /// What it calls itself.
    pub name: String,
    /// Addresses of the people who run it; one is an address of mail.
    pub contacts: Vec<String>,
    /// The scopes that it asks for; `None`: all that it may have.
    pub scope: Option<String>,
    /// Where it takes the answers of people, if it asks for authorization codes; none: it reads on its own
    /// behalf.
    pub redirect_uris: Vec<String>,
    /// Whether the registration is cancelled: it asks for no grant.
    pub is_cancelled: bool,
}

#[derive(Deserialize)]
struct Fields {
    client_name: Option<String>,
    #[serde(default)]
    contacts: Vec<String>,
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Vec<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    scope: Option<String>,
}

impl<'a> Statement<'a> {
    /// Examines its size, its form, its algorithm and whether this fits the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &'a str) -> Result<Self, RefusedRegistration> {
        Jws::read(text).map(Self).map_err(RefusedRegistration::Statement)
    }

    /// The certificates that it carries, in DER. Whether they count is the caller's to find out, before the
    /// signature is verified.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0.chain
    }

    /// The certificate of the client.
    #[must_use]
    pub fn leaf(&self) -> &CertificateFacts {
        &self.0.leaf
    }

    /// Verifies the signature, the claims, and then what it says of the client.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(
        &self,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<(ClientMetadata, Verified), RefusedRegistration> {
        let failed = RefusedRegistration::Statement;
        let payload = self.0.verify().map_err(failed)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| failed(AssertionFault::Claims))?;
        let issuer = claims.issuer().ok_or(failed(AssertionFault::Claims))?.to_owned();
        if issuer.len() > MAX_TEXT || !self.leaf().uris.contains(&issuer) {
            return Err(RefusedRegistration::Issuer);
        }
        let owner = self.leaf().fingerprint.to_string();
        let expected = Expected { client: &issuer, owner: &owner, audiences: [endpoint; 2], now };
        let verified = claims.check(&expected).map_err(failed)?;
        let fields: Fields = serde_json::from_slice(&payload).map_err(|_| RefusedRegistration::Metadata)?;
        Ok((fields.metadata(issuer)?, verified))
    }
}

impl Fields {
    fn metadata(self, issuer: String) -> Result<ClientMetadata, RefusedRegistration> {
        let failed = RefusedRegistration::Metadata;
        let grants = self.grant_types.ok_or(failed)?;
        let is_cancelled = grants.is_empty();
        // The guide: exactly one of the two.
        let is_application = grants == ["authorization_code"];
        if !is_cancelled && !is_application && grants != ["client_credentials"] {
            return Err(RefusedRegistration::GrantType);
        }
        if self.token_endpoint_auth_method.is_some_and(|method| method != "private_key_jwt") {
            return Err(failed);
        }
        let is_uri = |uri: &String| RedirectUri::parse(uri).is_some();
        let has_uris = (1..=MAX_REDIRECT_URIS).contains(&self.redirect_uris.len());
        let are_uris = match is_application {
            true => has_uris && self.redirect_uris.iter().all(is_uri),
            false => self.redirect_uris.is_empty(),
        };
        if !are_uris {
            return Err(RefusedRegistration::Redirect);
        }
        let are_responses = match is_application {
            true => self.response_types == ["code"],
            false => self.response_types.is_empty(),
        };
        let is_plain =
            |text: &String| (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
        let name = self.client_name.filter(is_plain).or(is_cancelled.then(String::new)).ok_or(failed)?;
        let has_mail = self.contacts.iter().any(|contact| contact.starts_with("mailto:"));
        let are_plain = self.contacts.len() <= MAX_CONTACTS && self.contacts.iter().all(is_plain);
        if !are_responses || !are_plain || (!has_mail && !is_cancelled) {
            return Err(failed);
        }
        let (contacts, redirect_uris) = (self.contacts, self.redirect_uris);
        Ok(ClientMetadata { issuer, name, contacts, scope: self.scope, redirect_uris, is_cancelled })
    }
}

/// Bytes of a name, a contact or an issuer.
const MAX_TEXT: usize = 256;
/// Addresses to which an application takes answers.
const MAX_REDIRECT_URIS: usize = 8;
/// Contacts of a client.
const MAX_CONTACTS: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn metadata(changes: &[(&str, Value)]) -> Result<ClientMetadata, RefusedRegistration> {
        let mut all = json!({
            "client_name": "EHR", "contacts": ["mailto:it@hospital.example"],
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        });
        for (name, value) in changes {
            all[name] = value.clone();
        }
        let fields: Fields = serde_json::from_value(all).map_err(|_| RefusedRegistration::Metadata)?;
        fields.metadata("https://ehr.example".to_owned())
    }

    #[test]
    fn n001_7_a_statement_says_what_the_guide_requires() {
        assert_eq!(metadata(&[]).unwrap().name, "EHR");
        assert!(metadata(&[("grant_types", json!([])), ("contacts", json!([]))]).unwrap().is_cancelled);
        use RefusedRegistration as Refused;
        for (name, value, refused) in [
            ("client_name", Value::Null, Refused::Metadata),
            ("client_name", json!("a\nb"), Refused::Metadata),
            ("client_name", json!("x".repeat(257)), Refused::Metadata),
            ("contacts", json!([]), Refused::Metadata),
            ("contacts", json!(["https://hospital.example"]), Refused::Metadata),
            ("contacts", json!("mailto:a@b.example"), Refused::Metadata),
            ("grant_types", Value::Null, Refused::Metadata),
            ("grant_types", json!(["implicit"]), Refused::GrantType),
            ("grant_types", json!(["client_credentials", "authorization_code"]), Refused::GrantType),
            ("response_types", json!(["code"]), Refused::Metadata),
            ("redirect_uris", json!(["https://ehr.example/cb"]), Refused::Redirect),
            ("token_endpoint_auth_method", json!("none"), Refused::Metadata),
        ] {
            assert_eq!(metadata(&[(name, value.clone())]), Err(refused), "{name} {value}");
        }
    }

    #[test]
    fn n001_7_an_application_says_where_it_takes_the_answers_of_people() {
        let with = |types: Value, uris: Value| {
            let grants = ("grant_types", json!(["authorization_code"]));
            metadata(&[grants, ("response_types", types), ("redirect_uris", uris)])
        };
        let own = with(json!(["code"]), json!(["https://app.example/cb"])).unwrap();
        assert_eq!(own.redirect_uris, ["https://app.example/cb"]);
        use RefusedRegistration as Refused;
        for (types, uris, refused) in [
            (json!([]), json!(["https://app.example/cb"]), Refused::Metadata),
            (json!(["token"]), json!(["https://app.example/cb"]), Refused::Metadata),
            (json!(["code"]), json!([]), Refused::Redirect),
            (json!(["code"]), json!(["http://app.example/cb"]), Refused::Redirect),
            (json!(["code"]), json!(["https://app.example/cb", "https://app.example/#x"]), Refused::Redirect),
            (json!(["code"]), json!(vec!["https://app.example/cb"; 9]), Refused::Redirect),
        ] {
            assert_eq!(with(types.clone(), uris.clone()), Err(refused), "{types} {uris}");
        }
    }
}
