//! Credentials for files: short-lived, and for the files of one organisation.

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::json;

use super::contract::json as json_response;
use super::identity::{Caller, only};
use super::problem::Problem;
use crate::clients::{ClientId, Oid, StoredSecret};
use crate::model::{Fingerprint, MessageId};
use crate::store::{PartnerCredential, PartnerProof};

/// Issues credentials (N003-3). The store gets a hash of the session token, and no secret.
pub(super) async fn issue(caller: &Caller<'_>) -> Result<Response<Body>, Problem> {
    let (token, hash) = StoredSecret::generate().map_err(|_| Problem::Fault)?;
    let (id, _) = StoredSecret::generate().map_err(|_| Problem::Fault)?;
    let letters = id.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase());
    let access_key: String = PREFIX.chars().chain(letters.take(KEY_CHARS)).collect();
    let config = caller.state.config.load_full();
    let lifetime = SignedDuration::try_from(config.notifications.credential_lifetime).unwrap_or_default();
    let expires = caller.state.clock.now().saturating_add(lifetime).map_err(|_| Problem::Fault)?;
    let credential = PartnerCredential {
        access_key: access_key.clone(),
        token: hash,
        client: caller.reader.client().parse::<ClientId>().map_err(|_| Problem::Fault)?,
        certificate: caller.reader.certificate(),
        expires,
    };
    let secret = only(caller.headers, "client_secret").unwrap_or_default();
    let proof = PartnerProof {
        secret: Fingerprint::sha256(secret.as_bytes()),
        known: caller.reader.known().cloned(),
    };
    let event = caller.served("token-issued", 1);
    let issued = caller.state.store.issue_credential(credential, proof, event).await;
    // Ended by an operator since the request was admitted.
    if !issued.map_err(|error| Problem::of_store(&error))? {
        return Err(Problem::InvalidClient);
    }
    tracing::info!(
        client = caller.reader.client(),
        request = caller.request,
        "a partner got credentials for files"
    );
    let body = json!({
        "awsCredentials": {
            "AccessKeyId": access_key,
            "SecretAccessKey": secret_access_key(&token),
            "SessionToken": token.as_str(),
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        },
        "awsResources": [format!("arn:aws:s3:::{}", bucket(&caller.organisation))],
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// The secret access key of a session token. It follows from the token, so that the store need not have it:
/// requests show the token, and a request that someone else has seen shows neither.
pub(in crate::api) fn secret_access_key(token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"pcd-platform secret access key"))
}

/// The bucket of an organisation.
pub(in crate::api) fn bucket(organisation: &Oid) -> String {
    format!("pcd-{organisation}")
}

/// The key of the file of a notification.
pub(in crate::api) fn key_of(organisation: &Oid, id: MessageId) -> String {
    format!("delivery/{organisation}/{id}.json")
}

/// The notification whose file has this key.
pub(in crate::api) fn notification_of(organisation: &Oid, key: &str) -> Option<MessageId> {
    let name = key.strip_prefix("delivery/")?.strip_prefix(organisation.as_str())?.strip_prefix('/')?;
    let id: MessageId = name.strip_suffix(".json")?.parse().ok()?;
    // Each file has one key.
    (key_of(organisation, id) == key).then_some(id)
}

const PREFIX: &str = "PCD";
/// Characters of the id of an access key behind its prefix.
const KEY_CHARS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_3_a_file_has_one_key_which_is_of_one_organisation() {
        let (own, other): (Oid, Oid) = ("2.25.1".parse().unwrap(), "2.25.11".parse().unwrap());
        // With a letter in it.
        let id: MessageId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let key = key_of(&own, id);
        assert_eq!(notification_of(&own, &key), Some(id));
        let upper = key.replace(&id.to_string(), &id.to_string().to_uppercase());
        for wrong in ["", "delivery", &key[..key.len() - 1], &format!("{key}x"), &key_of(&other, id), &upper]
        {
            assert_eq!(notification_of(&own, wrong), None, "{wrong}");
        }
        assert_ne!(secret_access_key("a"), secret_access_key("b"));
    }
}
