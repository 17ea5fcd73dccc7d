//! The check: who a client is, and what it may read.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::client::{Client, ClientId, KnownCertificate};
use super::reader::{Reader, Rights};
use super::refused::RefusedReader;
use super::registry::Registry;
use super::scope::Scopes;
use super::token::{Holder, Token};
use crate::model::{Fingerprint, Refusal};

/// What a request shows of its client.
#[derive(Debug, Clone)]
pub struct Presented<'a> {
    /// The certificate of the connection, or why it does not count; `None`: there is none.
    pub certificate: Option<Result<PresentedCertificate, Refusal>>,
    /// The address of the client.
    pub address: IpAddr,
    /// The id and the secret of the client, if it names them.
    pub secret: Option<(&'a str, &'a str)>,
    /// The access token of the request.
    pub bearer: Bearer<'a>,
    /// The object identifier of the organisation, if the request names one.
    pub organisation: Option<&'a str>,
    /// What the platform is used for.
    pub environment: &'a str,
}

/// The access token of a request (RFC 6750).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// It has none.
    None,
    /// It has one that is not stored.
    Unknown,
    /// It has this one.
    Known(&'a Token),
}

/// A certificate that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// Its community.
    pub community: String,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its subject, as the platform writes it.
    pub subject: String,
    /// The environment that its Common Name states, as in `_EMAIL.demo@hospital.example`.
    pub environment: Option<String>,
    /// The URIs of its subjectAltName.
    pub uris: Vec<String>,
}

impl PresentedCertificate {
    /// The environment in a Common Name: `_EMAIL.ENVIRONMENT@DOMAIN`. Others state none.
    #[must_use]
    pub fn stated_environment(common_name: &str) -> Option<String> {
        let (prefix, rest) = common_name.split_at_checked(ENVIRONMENT_PREFIX.len())?;
        let (environment, domain) = rest.split_once('@')?;
        let is_stated = prefix.eq_ignore_ascii_case(ENVIRONMENT_PREFIX) && !domain.is_empty();
        is_stated.then(|| environment.to_owned())
    }

    /// Whether it may be used in this environment: it states it, or none.
    #[must_use]
    pub fn is_for(&self, environment: &str) -> bool {
        self.environment.as_deref().is_none_or(|stated| stated.eq_ignore_ascii_case(environment))
    }
}

/// Who may read, besides registered clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unregistered {
    /// No client.
    Refused,
    /// Every member of a community, everything.
    Members,
}

/// Decides one request.
///
/// A client proves who it is by a certificate that is registered for it; by its id and secret, over a
/// connection with a certificate of a community that is registered for no client; or by an access token. A
/// secret beside a registered certificate must fit as well.
///
/// # Errors
/// Why the request is refused.
pub fn admit(
    registry: &Registry,
    presented: &Presented<'_>,
    unregistered: Unregistered,
    now: Timestamp,
) -> Result<Reader, RefusedReader> {
    match presented.bearer {
        Bearer::None => by_certificate(registry, presented, unregistered, now),
        Bearer::Unknown => Err(RefusedReader::InvalidToken),
        Bearer::Known(token) if token.ends <= now => Err(RefusedReader::InvalidToken),
        Bearer::Known(token) => by_token(registry, presented, unregistered, token),
    }
}

fn by_certificate(
    registry: &Registry,
    presented: &Presented<'_>,
    unregistered: Unregistered,
    now: Timestamp,
) -> Result<Reader, RefusedReader> {
    let certificate = counted(presented)?;
    let owner = owner(registry, certificate);
    let client = match presented.secret {
        None => owner,
        Some((id, secret)) => Some(owner_by_secret(registry, owner, id, secret, now)?),
    };
    let Some(client) = client else {
        let is_member = unregistered == Unregistered::Members && presented.organisation.is_none();
        let rights = || member(&certificate.community, certificate.fingerprint, presented.address);
        return if is_member { Ok(Reader(Arc::new(rights()))) } else { Err(RefusedReader::NotRegistered) };
    };
    granted(registry, client, certificate, presented)
}

/// The token says whose it is. What the client has lost since it was granted, the token does not give.
fn by_token(
    registry: &Registry,
    presented: &Presented<'_>,
    unregistered: Unregistered,
    token: &Token,
) -> Result<Reader, RefusedReader> {
    if token.is_bound {
        let certificate = match presented.certificate {
            None => return Err(RefusedReader::TokenOfOther),
            Some(_) => counted(presented)?,
        };
        if certificate.fingerprint != token.certificate {
            return Err(RefusedReader::TokenOfOther);
        }
    }
    match &token.holder {
        Holder::Client(id) => {
            let client = registry.client(id).ok_or(RefusedReader::InvalidToken)?;
            let scopes = token.scopes.intersection(&client.scopes);
            let rights = registered(registry, client, presented, token.certificate, scopes)?;
            let person = token.person.as_ref().map(|person| person.subject.clone());
            Ok(Reader(Arc::new(Rights { person, ..rights })))
        }
        Holder::Member { community, certificate }
            if unregistered == Unregistered::Members && presented.organisation.is_none() =>
        {
            let rights = member(community, *certificate, presented.address);
            Ok(Reader(Arc::new(Rights { scopes: token.scopes.clone(), ..rights })))
        }
        Holder::Member { .. } => Err(RefusedReader::NotRegistered),
    }
}

/// The certificate of a request, if it counts here.
pub(super) fn counted<'a>(presented: &'a Presented<'_>) -> Result<&'a PresentedCertificate, RefusedReader> {
    let certificate = match &presented.certificate {
        None => return Err(RefusedReader::NoCertificate),
        Some(Err(refusal)) => return Err(RefusedReader::Certificate(*refusal)),
        Some(Ok(certificate)) => certificate,
    };
    if !certificate.is_for(presented.environment) {
        return Err(RefusedReader::OtherEnvironment);
    }
    Ok(certificate)
}

/// What a client may do that has proved who it is by a certificate, if it may do anything from there now.
pub(super) fn granted(
    registry: &Registry,
    client: &Client,
    certificate: &PresentedCertificate,
    presented: &Presented<'_>,
) -> Result<Reader, RefusedReader> {
    let rights = registered(registry, client, presented, certificate.fingerprint, client.scopes.clone())?;
    Ok(Reader(Arc::new(rights)))
}

/// What a client may do that has proved who it is, if it and its organisation may do anything from there now.
fn registered(
    registry: &Registry,
    client: &Client,
    presented: &Presented<'_>,
    certificate: Fingerprint,
    scopes: Scopes,
) -> Result<Rights, RefusedReader> {
    if client.is_suspended {
        return Err(RefusedReader::ClientSuspended);
    }
    let organisation = registry.organisation(&client.organisation);
    let organisation =
        organisation.filter(|own| !own.is_suspended).ok_or(RefusedReader::OrganisationSuspended)?;
    let named = presented.organisation.map(|oid| oid.strip_prefix("urn:oid:").unwrap_or(oid));
    if named.is_some_and(|oid| oid != organisation.oid.as_str()) {
        return Err(RefusedReader::OtherOrganisation);
    }
    if !organisation.allows(presented.address) {
        return Err(RefusedReader::OtherNetwork);
    }
    Ok(Rights {
        client: client.id.as_str().to_owned(),
        holder: Holder::Client(client.id.clone()),
        organisation: Some(organisation.oid.clone()),
        certificate,
        address: presented.address,
        scopes,
        devices: client.devices.clone(),
        person: None,
        is_application: client.application.is_some(),
    })
}

/// The client for which the certificate is registered.
pub(super) fn owner<'a>(registry: &'a Registry, certificate: &PresentedCertificate) -> Option<&'a Client> {
    let by_subject = || KnownCertificate::Subject {
        community: certificate.community.clone(),
        subject: certificate.subject.clone(),
    };
    let by_uri = |uri: &String| {
        let known = KnownCertificate::Uri { community: certificate.community.clone(), uri: uri.clone() };
        registry.client_of(&known)
    };
    registry
        .client_of(&KnownCertificate::Fingerprint(certificate.fingerprint))
        .or_else(|| registry.client_of(&by_subject()))
        .or_else(|| certificate.uris.iter().find_map(by_uri))
}

/// The client that the id and the secret prove. It is the owner of the certificate, if that has one.
fn owner_by_secret<'a>(
    registry: &'a Registry,
    owner: Option<&Client>,
    id: &str,
    secret: &str,
    now: Timestamp,
) -> Result<&'a Client, RefusedReader> {
    let client = by_secret(registry, id, secret, now)?;
    let is_owner = match owner {
        Some(owner) => owner.id == client.id,
        // Its own certificates are the only ones that it may come with.
        None => client.certificates.is_empty(),
    };
    if is_owner { Ok(client) } else { Err(RefusedReader::WrongSecret) }
}

/// The client that the id and the secret prove.
pub(super) fn by_secret<'a>(
    registry: &'a Registry,
    id: &str,
    secret: &str,
    now: Timestamp,
) -> Result<&'a Client, RefusedReader> {
    let id = id.parse::<ClientId>().map_err(|_| RefusedReader::WrongSecret)?;
    let client = registry.client(&id).ok_or(RefusedReader::WrongSecret)?;
    // Each is compared: how long it takes does not say which one fits.
    let fitting = client.secrets.iter().filter(|known| known.is(secret, now)).count();
    if fitting > 0 { Ok(client) } else { Err(RefusedReader::WrongSecret) }
}

/// What a member of a community may read that is not registered.
fn member(community: &str, certificate: Fingerprint, address: IpAddr) -> Rights {
    Rights {
        client: format!("community:{community}"),
        holder: Holder::Member { community: community.to_owned(), certificate },
        organisation: None,
        certificate,
        address,
        scopes: Scopes::everything(),
        devices: None,
        person: None,
        is_application: false,
    }
}

/// How Common Names begin that state an environment.
const ENVIRONMENT_PREFIX: &str = "_EMAIL.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::authorization::Person;
    use crate::clients::client::Application;
    use crate::clients::organisation::Organisation;
    use crate::clients::scope::Interaction;
    use crate::clients::secret::StoredSecret;

    const SECRET: &str = "open sesame";

    fn certificate(name: &str) -> PresentedCertificate {
        PresentedCertificate {
            community: "hospital".to_owned(),
            fingerprint: Fingerprint::sha256(name.as_bytes()),
            subject: format!("CN={name}"),
            environment: PresentedCertificate::stated_environment(name),
            uris: Vec::new(),
        }
    }

    fn client(id: &str, certificates: Vec<KnownCertificate>) -> Client {
        Client {
            id: id.parse().unwrap(),
            organisation: "2.25.1".parse().unwrap(),
            scopes: "system/Observation.rs".parse().unwrap(),
            devices: None,
            is_suspended: false,
            certificates,
            secrets: vec![StoredSecret { hash: Fingerprint::sha256(SECRET.as_bytes()), ends: None }],
            application: None,
        }
    }

    fn organisation() -> Organisation {
        Organisation {
            oid: "2.25.1".parse().unwrap(),
            name: "Hospital".to_owned(),
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            is_suspended: false,
        }
    }

    fn clients() -> Vec<Client> {
        let own = KnownCertificate::Fingerprint(certificate("ehr").fingerprint);
        let subject =
            KnownCertificate::Subject { community: "hospital".to_owned(), subject: "CN=lab".to_owned() };
        vec![client("ehr", vec![own]), client("lab", vec![subject]), client("report", Vec::new())]
    }

    fn presented(name: &str) -> Presented<'static> {
        Presented {
            certificate: Some(Ok(certificate(name))),
            address: "10.1.2.3".parse().unwrap(),
            secret: None,
            bearer: Bearer::None,
            organisation: None,
            environment: "demo",
        }
    }

    fn decide(registry: &Registry, presented: &Presented<'_>) -> Result<Reader, RefusedReader> {
        admit(registry, presented, Unregistered::Refused, Timestamp::UNIX_EPOCH)
    }

    fn id(decided: Result<Reader, RefusedReader>) -> Result<String, RefusedReader> {
        decided.map(|reader| reader.client().to_owned())
    }

    #[test]
    fn n001_3_a_client_is_known_by_its_certificate() {
        let registry = Registry::new(vec![organisation()], clients());
        let reader = decide(&registry, &presented("ehr")).unwrap();
        assert_eq!((reader.client(), reader.organisation().unwrap().as_str()), ("ehr", "2.25.1"));
        assert_eq!(reader.certificate(), certificate("ehr").fingerprint);
        assert!(reader.may(Interaction::Search, "Observation") && !reader.may(Interaction::Read, "Device"));
        assert_eq!(id(decide(&registry, &presented("lab"))), Ok("lab".to_owned()));
        let of_other = PresentedCertificate { community: "other".to_owned(), ..certificate("lab") };
        let of_other = Presented { certificate: Some(Ok(of_other)), ..presented("lab") };
        assert_eq!(id(decide(&registry, &of_other)), Err(RefusedReader::NotRegistered));
        assert_eq!(id(decide(&registry, &presented("unknown"))), Err(RefusedReader::NotRegistered));
        let none = Presented { certificate: None, ..presented("ehr") };
        assert_eq!(id(decide(&registry, &none)), Err(RefusedReader::NoCertificate));
        let revoked = Presented { certificate: Some(Err(Refusal::Revoked)), ..presented("ehr") };
        assert_eq!(id(decide(&registry, &revoked)), Err(RefusedReader::Certificate(Refusal::Revoked)));
    }

    #[test]
    fn n001_3_a_community_reads_where_that_is_configured() {
        let registry = Registry::new(vec![organisation()], clients());
        let admit = |name| admit(&registry, &presented(name), Unregistered::Members, Timestamp::UNIX_EPOCH);
        let reader = admit("unknown").unwrap();
        assert_eq!((reader.client(), reader.organisation()), ("community:hospital", None));
        assert!(reader.may(Interaction::Read, "Patient"));
        assert_eq!(id(admit("ehr")), Ok("ehr".to_owned()), "a registered client has its own scopes");
    }

    #[test]
    fn n000_8_a_certificate_of_another_environment_is_refused() {
        let registry = Registry::new(vec![organisation()], Vec::new());
        let admit = |name| admit(&registry, &presented(name), Unregistered::Members, Timestamp::UNIX_EPOCH);
        for name in ["_EMAIL.demo@hospital.example", "_email.DEMO@x", "ehr", "demo@x", "_EMAIL.prod", ""] {
            assert!(admit(name).is_ok(), "{name}");
        }
        for name in ["_EMAIL.prodeu@hospital.example", "_EMAIL.@x", "_EMAIL.demo2@x"] {
            assert_eq!(id(admit(name)), Err(RefusedReader::OtherEnvironment), "{name}");
        }
    }

    #[test]
    fn n000_2_a_secret_proves_a_client_and_no_other_one() {
        let registry = Registry::new(vec![organisation()], clients());
        let with =
            |name, secret| id(decide(&registry, &Presented { secret: Some(secret), ..presented(name) }));
        assert_eq!(with("unknown", ("report", SECRET)), Ok("report".to_owned()));
        assert_eq!(with("ehr", ("ehr", SECRET)), Ok("ehr".to_owned()));
        let wrong = Err(RefusedReader::WrongSecret);
        for (name, secret) in [
            ("unknown", ("report", "")),
            ("unknown", ("report", "Open sesame")),
            ("unknown", ("unknown", SECRET)),
            ("unknown", ("?", SECRET)),
            ("ehr", ("ehr", "wrong")),
            ("ehr", ("report", SECRET)),
            // A client with certificates comes with one of them.
            ("unknown", ("ehr", SECRET)),
        ] {
            assert_eq!(with(name, secret), wrong, "{name} {secret:?}");
        }
    }

    #[test]
    fn n000_1_an_organisation_has_networks_and_its_own_number() {
        let registry = Registry::new(vec![organisation()], clients());
        let elsewhere = Presented { address: "192.0.2.1".parse().unwrap(), ..presented("ehr") };
        assert_eq!(id(decide(&registry, &elsewhere)), Err(RefusedReader::OtherNetwork));
        for (oid, expected) in [
            ("2.25.1", Ok("ehr".to_owned())),
            ("urn:oid:2.25.1", Ok("ehr".to_owned())),
            ("2.25.2", Err(RefusedReader::OtherOrganisation)),
            ("", Err(RefusedReader::OtherOrganisation)),
        ] {
            let named = Presented { organisation: Some(oid), ..presented("ehr") };
            assert_eq!(id(decide(&registry, &named)), expected, "{oid}");
        }
    }

    #[test]
    fn n000_2_who_is_suspended_reads_nothing() {
        let suspended = clients().into_iter().map(|own| Client { is_suspended: true, ..own }).collect();
        let registry = Registry::new(vec![organisation()], suspended);
        assert_eq!(id(decide(&registry, &presented("ehr"))), Err(RefusedReader::ClientSuspended));
        let organisation = Organisation { is_suspended: true, ..organisation() };
        let registry = Registry::new(vec![organisation], clients());
        assert_eq!(id(decide(&registry, &presented("ehr"))), Err(RefusedReader::OrganisationSuspended));
        let refused = decide(&registry, &presented("ehr")).unwrap_err();
        assert!(refused.is_unauthenticated() && RefusedReader::CODES.contains(&refused.code()));
    }

    #[test]
    fn n001_4_a_bound_token_counts_with_its_certificate_alone() {
        let registry = Registry::new(vec![organisation()], clients());
        let token = Token {
            holder: Holder::Client("ehr".parse().unwrap()),
            certificate: certificate("ehr").fingerprint,
            is_bound: true,
            scopes: "system/*.r".parse().unwrap(),
            ends: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1),
            person: None,
        };
        let with = |token: &Token, presented: &Presented<'_>| {
            decide(&registry, &Presented { bearer: Bearer::Known(token), ..presented.clone() })
        };
        let reader = with(&token, &presented("ehr")).unwrap();
        assert!(reader.may(Interaction::Read, "Observation"), "what both allow");
        assert!(!reader.may(Interaction::Search, "Observation") && !reader.may(Interaction::Read, "Patient"));
        let none = Presented { certificate: None, ..presented("ehr") };
        let revoked = Presented { certificate: Some(Err(Refusal::Revoked)), ..presented("ehr") };
        let other = RefusedReader::TokenOfOther;
        assert_eq!(with(&token, &presented("lab")).unwrap_err(), other);
        assert_eq!(with(&token, &none).unwrap_err(), other);
        assert_eq!(with(&token, &revoked).unwrap_err(), RefusedReader::Certificate(Refusal::Revoked));
        let plain = Token { is_bound: false, ..token.clone() };
        for presented in [presented("lab"), none, revoked] {
            assert_eq!(id(with(&plain, &presented)), Ok("ehr".to_owned()));
        }
        let ended = Token { ends: Timestamp::UNIX_EPOCH, ..plain.clone() };
        let of_none = Token { holder: Holder::Client("gone".parse().unwrap()), ..plain };
        for token in [ended, of_none] {
            assert_eq!(with(&token, &presented("ehr")).unwrap_err(), RefusedReader::InvalidToken);
        }
        let unknown = Presented { bearer: Bearer::Unknown, ..presented("ehr") };
        assert_eq!(decide(&registry, &unknown).unwrap_err(), RefusedReader::InvalidToken);
    }

    #[test]
    fn n001_6_an_application_reads_with_a_person_alone() {
        let redirect_uris = vec!["https://app.example/callback".to_owned()];
        let application = Some(Application { name: "App".to_owned(), redirect_uris });
        let all = clients().into_iter().map(|own| Client { application: application.clone(), ..own });
        let registry = Registry::new(vec![organisation()], all.collect());
        let proved = decide(&registry, &presented("ehr")).unwrap();
        assert_eq!(proved.with_person_where_needed().unwrap_err(), RefusedReader::PersonNeeded);
        let own = certificate("ada").fingerprint;
        let person = Person { subject: "CN=ada".to_owned(), certificate: own, chain: Vec::new() };
        let token = Token {
            holder: Holder::Client("ehr".parse().unwrap()),
            certificate: certificate("ehr").fingerprint,
            is_bound: false,
            scopes: "system/*.r".parse().unwrap(),
            ends: Timestamp::MAX,
            person: Some(person),
        };
        let with = |token: &Token| {
            let presented = Presented { bearer: Bearer::Known(token), ..presented("ehr") };
            decide(&registry, &presented).unwrap().with_person_where_needed()
        };
        assert_eq!(with(&token).unwrap().person(), Some("CN=ada"));
        let refused = with(&Token { person: None, ..token }).unwrap_err();
        assert!(refused == RefusedReader::PersonNeeded && !refused.is_unauthenticated());
    }

    #[test]
    fn n001_4_a_token_of_a_member_counts_while_members_read() {
        let registry = Registry::new(vec![organisation()], Vec::new());
        let own = certificate("any");
        let holder = Holder::Member { community: own.community.clone(), certificate: own.fingerprint };
        let scopes = "system/Device.r".parse().unwrap();
        let token = Token {
            holder,
            certificate: own.fingerprint,
            is_bound: false,
            scopes,
            ends: Timestamp::MAX,
            person: None,
        };
        let bearer = Presented { bearer: Bearer::Known(&token), certificate: None, ..presented("any") };
        let read = |unregistered| admit(&registry, &bearer, unregistered, Timestamp::UNIX_EPOCH);
        let reader = read(Unregistered::Members).unwrap();
        assert!(reader.client() == "community:hospital" && !reader.may(Interaction::Read, "Patient"));
        assert_eq!(read(Unregistered::Refused).unwrap_err(), RefusedReader::NotRegistered);
    }
}
