//! The exchange of an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::clients::{Authorization, AuthorizationStage};
use crate::model::Fingerprint;

/// What is wrong with an authorization code, or with what comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFault {
    /// It is unknown, or has ended.
    Unknown,
    /// It was used already.
    Used,
    /// Another client got it.
    OtherClient,
    /// It was sent to another address.
    RedirectUri,
    /// The verifier does not fit the challenge.
    Verifier,
    /// The certificate of the person does not count any more.
    Person,
}

/// What a client sends to get a token for a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeExchange<'a> {
    /// The client, which has proved who it is.
    pub client: &'a str,
    /// Where it says that it got the code.
    pub redirect_uri: &'a str,
    /// Its verifier.
    pub verifier: &'a str,
}

impl CodeExchange<'_> {
    /// Checks what was sent against what the person allowed. Whether the person still counts is the caller's
    /// to find out, and that the code is used once that of the store.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, authorization: &Authorization, now: Timestamp) -> Result<(), CodeFault> {
        match authorization.stage {
            // The value of a page is no code.
            AuthorizationStage::Asked => return Err(CodeFault::Unknown),
            AuthorizationStage::Token => return Err(CodeFault::Used),
            AuthorizationStage::Code if authorization.ends <= now => return Err(CodeFault::Unknown),
            AuthorizationStage::Code => {}
        }
        if authorization.client.as_str() != self.client {
            return Err(CodeFault::OtherClient);
        }
        if authorization.redirect_uri != self.redirect_uri {
            return Err(CodeFault::RedirectUri);
        }
        if !self.is_verifier() || challenge(self.verifier) != authorization.challenge {
            return Err(CodeFault::Verifier);
        }
        Ok(())
    }

    /// RFC 7636 section 4.1.
    fn is_verifier(&self) -> bool {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (43..=128).contains(&self.verifier.len()) && self.verifier.bytes().all(is_unreserved)
    }
}

/// S256 (RFC 7636 section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Fingerprint::sha256(verifier.as_bytes()).as_bytes())
}

impl CodeFault {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "code-unknown",
            Self::Used => "code-used",
            Self::OtherClient => "code-of-other",
            Self::RedirectUri => "code-redirect-uri",
            Self::Verifier => "code-verifier",
            Self::Person => "code-person",
        }
    }

    /// What happened and what to do, for the people who run the client.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Unknown => {
                "the code is unknown, or has ended; send the person to the authorization endpoint again"
            }
            Self::Used => {
                "the code was used already, so the token that it gave has ended; use each code once, and find out who \
                 has it"
            }
            Self::OtherClient => "the code was given to another client; it does not count any more",
            Self::RedirectUri => {
                "redirect_uri is not the one to which the code was sent; the code does not count any more"
            }
            Self::Verifier => {
                "code_verifier does not fit the code_challenge of the request; the code does not count any more"
            }
            Self::Person => {
                "the certificate of the person has ended or is revoked; the person has to allow it again"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Person;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CALLBACK: &str = "https://app.example/callback";

    fn authorization() -> Authorization {
        Authorization {
            stage: AuthorizationStage::Code,
            client: "app".parse().unwrap(),
            redirect_uri: CALLBACK.to_owned(),
            state: String::new(),
            challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            scopes: "system/Observation.rs".parse().unwrap(),
            person: Person {
                subject: "CN=ada".to_owned(),
                certificate: Fingerprint::sha256(b""),
                chain: Vec::new(),
            },
            ends: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(60),
        }
    }

    #[test]
    fn n001_6_a_code_counts_for_its_client_its_address_and_its_verifier() {
        let good = CodeExchange { client: "app", redirect_uri: CALLBACK, verifier: VERIFIER };
        let check =
            |exchange: CodeExchange<'_>, own: &Authorization| exchange.check(own, Timestamp::UNIX_EPOCH);
        assert_eq!(check(good, &authorization()), Ok(()));
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for (exchange, fault) in [
            (CodeExchange { client: "App", ..good }, CodeFault::OtherClient),
            (CodeExchange { redirect_uri: "https://app.example/callback/", ..good }, CodeFault::RedirectUri),
            (CodeExchange { redirect_uri: "https://app.example/Callback", ..good }, CodeFault::RedirectUri),
            (CodeExchange { verifier: "", ..good }, CodeFault::Verifier),
            (CodeExchange { verifier: challenge, ..good }, CodeFault::Verifier),
            (CodeExchange { verifier: &VERIFIER[..42], ..good }, CodeFault::Verifier),
        ] {
            assert_eq!(check(exchange, &authorization()), Err(fault), "{exchange:?}");
        }
        let with = |stage| Authorization { stage, ..authorization() };
        assert_eq!(check(good, &with(AuthorizationStage::Asked)), Err(CodeFault::Unknown));
        assert_eq!(check(good, &with(AuthorizationStage::Token)), Err(CodeFault::Used));
        let ended = authorization().ends;
        assert_eq!(good.check(&authorization(), ended), Err(CodeFault::Unknown));
    }
}
