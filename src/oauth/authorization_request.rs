//! A request to the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636).

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::refused_authorization::RefusedAuthorization;

/// The parameters of a request, as the browser brings them.
#[derive(Debug, Clone, Default)]
pub struct AuthorizationRequest(Vec<(String, String)>);

/// What an application asks for, when it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The scopes; `None`: all that it has.
    pub scope: Option<&'a str>,
    /// SHA-256 of its verifier, in base64url.
    pub challenge: &'a str,
}

impl AuthorizationRequest {
    /// The parameters of a query. One without a value is not there (RFC 6749 section 3.1).
    #[must_use]
    pub fn new(mut parameters: Vec<(String, String)>) -> Self {
        parameters.retain(|(_, value)| !value.is_empty());
        Self(parameters)
    }

    /// The application, and where the answer goes: each is there once. Until both are known to belong
    /// together, the application gets no answer.
    ///
    /// # Errors
    /// When one is missing, or is there twice.
    pub fn addressee(&self) -> Result<(&str, &str), RefusedAuthorization> {
        let one = |name| self.once(name).ok().flatten().ok_or(RefusedAuthorization::Form);
        Ok((one("client_id")?, one("redirect_uri")?))
    }

    /// What comes back to the application with each answer, if it can.
    #[must_use]
    pub fn state(&self) -> &str {
        self.checked_state().unwrap_or_default()
    }

    /// What the application asks for. `resources` is the address of the resources.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, resources: &str) -> Result<Asked<'_>, RefusedAuthorization> {
        let mut names = HashSet::new();
        if !self.0.iter().all(|(name, _)| names.insert(name.as_str())) {
            return Err(RefusedAuthorization::RepeatedParameter);
        }
        self.checked_state()?;
        if self.once("request")?.is_some() || self.once("request_uri")?.is_some() {
            return Err(RefusedAuthorization::RequestObject);
        }
        let missing = RefusedAuthorization::MissingParameter;
        if self.once("response_type")?.ok_or(missing)? != "code" {
            return Err(RefusedAuthorization::ResponseType);
        }
        if self.once("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(RefusedAuthorization::ResponseMode);
        }
        let challenge = self.once("code_challenge")?.ok_or(missing)?;
        // RFC 7636 section 4.3: without a method it would be plain.
        if self.once("code_challenge_method")?.ok_or(missing)? != "S256" {
            return Err(RefusedAuthorization::ChallengeMethod);
        }
        if URL_SAFE_NO_PAD.decode(challenge).map(|hash| hash.len()) != Ok(SHA256_BYTES) {
            return Err(RefusedAuthorization::Challenge);
        }
        // SMART App Launch 2.2: a token for another server must not be asked for here.
        if self.once("aud")?.is_some_and(|audience| audience.trim_end_matches('/') != resources) {
            return Err(RefusedAuthorization::Audience);
        }
        Ok(Asked { scope: self.once("scope")?, challenge })
    }

    fn checked_state(&self) -> Result<&str, RefusedAuthorization> {
        let state = self.once("state")?.unwrap_or_default();
        // RFC 6749 appendix A.5.
        let is_state = state.len() <= MAX_STATE && state.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if is_state { Ok(state) } else { Err(RefusedAuthorization::State) }
    }

    fn once(&self, name: &str) -> Result<Option<&str>, RefusedAuthorization> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(RefusedAuthorization::RepeatedParameter) } else { Ok(first) }
    }
}

const SHA256_BYTES: usize = 32;
/// Characters of `state`.
const MAX_STATE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCES: &str = "https://platform.example/fhir";

    fn request(changes: &[(&str, Option<&str>)]) -> AuthorizationRequest {
        let mut all = vec![
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", "https://app.example/cb"),
            ("state", "x"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            match value {
                Some(value) if value.starts_with('+') => all.push((name, value.trim_start_matches('+'))),
                _ => {
                    all.retain(|(own, _)| own != name);
                    all.extend(value.map(|value| (*name, value)));
                }
            }
        }
        AuthorizationRequest::new(all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn n001_6_each_parameter_of_a_request_is_checked() {
        let good =
            request(&[("scope", Some("system/Device.r")), ("aud", Some("https://platform.example/fhir/"))]);
        let asked = good.check(RESOURCES).unwrap();
        assert_eq!((asked.scope, good.state()), (Some("system/Device.r"), "x"));
        assert_eq!(good.addressee(), Ok(("app", "https://app.example/cb")));
        use RefusedAuthorization as Refused;
        let long = "x".repeat(MAX_STATE + 1);
        for (name, value, refused) in [
            ("response_type", None, Refused::MissingParameter),
            ("response_type", Some("token"), Refused::ResponseType),
            ("response_type", Some("code id_token"), Refused::ResponseType),
            ("response_type", Some("+code"), Refused::RepeatedParameter),
            ("response_mode", Some("fragment"), Refused::ResponseMode),
            ("request", Some("eyJ"), Refused::RequestObject),
            ("request_uri", Some("urn:x"), Refused::RequestObject),
            ("state", Some("+y"), Refused::RepeatedParameter),
            ("state", Some(long.as_str()), Refused::State),
            ("state", Some("a\nb"), Refused::State),
            ("code_challenge", None, Refused::MissingParameter),
            ("code_challenge", Some(""), Refused::MissingParameter),
            ("code_challenge", Some("short"), Refused::Challenge),
            ("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="), Refused::Challenge),
            ("code_challenge_method", None, Refused::MissingParameter),
            ("code_challenge_method", Some("plain"), Refused::ChallengeMethod),
            ("code_challenge_method", Some("s256"), Refused::ChallengeMethod),
            ("aud", Some("https://other.example/fhir"), Refused::Audience),
            ("other", Some("1"), Refused::Denied),
        ] {
            let request = request(&[(name, value)]);
            let checked = request.check(RESOURCES);
            match refused {
                // What is not known is ignored (RFC 6749 section 3.1).
                Refused::Denied => assert!(checked.is_ok(), "{name}"),
                refused => assert_eq!(checked, Err(refused), "{name} {value:?}"),
            }
            assert!(request.addressee().is_ok());
        }
        for (name, value) in
            [("client_id", None), ("client_id", Some("+b")), ("redirect_uri", Some("+https://b"))]
        {
            assert_eq!(request(&[(name, value)]).addressee(), Err(Refused::Form), "{name}");
        }
        assert_eq!(request(&[("state", Some("+y"))]).state(), "", "it is not known which one is meant");
    }

    #[test]
    fn n001_6_an_application_that_is_not_known_gets_no_error() {
        use RefusedAuthorization as Refused;
        for refused in [Refused::Form, Refused::Application, Refused::RedirectUri, Refused::Suspended] {
            assert!(refused.error().is_none() && refused.status() >= 400 && refused.text().len() > 20);
            assert!(Refused::CODES.contains(&refused.code()));
        }
        assert_eq!(Refused::Denied.error(), Some("access_denied"));
    }
}
