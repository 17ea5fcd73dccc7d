//! Access tokens of hospital systems.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::Fingerprint;

/// A client got an access token. The row never has the token, nor its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGranted {
    /// The id of the client.
    pub client: String,
    /// The OID of its organisation.
    pub organisation: Option<String>,
    /// How it proved who it is, as RFC 8414 names it.
    pub method: &'static str,
    /// The certificate that proved it, or to which the token is bound.
    pub certificate: Fingerprint,
    /// Whether the token counts with this certificate alone.
    pub is_bound: bool,
    /// The address of the client.
    pub peer: IpAddr,
    /// The scopes that were granted.
    pub scopes: String,
    /// When it ends.
    pub ends: Timestamp,
    /// For whom and for what the client says that it asks (`hl7-b2b`): the organisation, and the purposes.
    pub purpose: Option<String>,
    /// The subject of the certificate of the person who agreed.
    pub person: Option<String>,
}

/// A client gave a token back, or its code was used twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRevoked {
    /// The id of the client.
    pub client: String,
    /// The address of the client, or of who used the code again.
    pub peer: IpAddr,
    /// `code-used`: an authorization code was used twice, so the token that it gave has ended.
    pub reason: Option<&'static str>,
}

/// A person decided whether an application reads. The row never has the code, nor its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationDecided {
    /// The subject of the certificate of the person.
    pub person: String,
    /// The certificate.
    pub certificate: Fingerprint,
    /// The address of the person.
    pub peer: IpAddr,
    /// The id of the application.
    pub client: String,
    /// `allowed` or `denied`.
    pub decision: &'static str,
    /// The scopes that were asked for.
    pub scopes: String,
    /// Where the application takes the answer.
    pub redirect_uri: String,
}

impl TokenGranted {
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        set("client", self.client.as_str().into());
        set("method", self.method.into());
        set("certificate", self.certificate.to_string().into());
        set("bound", self.is_bound.into());
        set("peer", self.peer.to_string().into());
        set("scopes", self.scopes.as_str().into());
        set("ends", self.ends.to_string().into());
        for (name, value) in
            [("organisation", &self.organisation), ("purpose", &self.purpose), ("person", &self.person)]
        {
            if let Some(value) = value {
                set(name, value.as_str().into());
            }
        }
        fields.into()
    }
}

impl TokenRevoked {
    pub(super) fn fields(&self) -> Value {
        let mut fields = json!({ "client": self.client, "peer": self.peer.to_string() });
        if let (Some(reason), Some(fields)) = (self.reason, fields.as_object_mut()) {
            fields.insert("reason".to_owned(), reason.into());
        }
        fields
    }
}

impl AuthorizationDecided {
    pub(super) fn fields(&self) -> Value {
        json!({
            "person": self.person,
            "certificate": self.certificate.to_string(),
            "peer": self.peer.to_string(),
            "client": self.client,
            "decision": self.decision,
            "scopes": self.scopes,
            "redirect-uri": self.redirect_uri,
        })
    }
}
