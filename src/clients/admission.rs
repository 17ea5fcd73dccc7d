//! The check: who a client is, and what it may read.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::client::{Client, ClientId, KnownCertificate};
use super::reader::{Reader, Rights};
use super::refused::RefusedReader;
use super::registry::Registry;
use super::standing::{Owner, PresentedCertificate, is_removed, owner};
use super::token::{Holder, Token};
use crate::model::Scopes;
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
    registry.require_read()?;
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
    let owner = owner(registry, certificate)?;
    if let Some((id, secret)) = presented.secret {
        let client = owner_by_secret(registry, owner.as_ref(), id, secret, now)?;
        return granted(registry, client, owner.map(|(_, known)| known), certificate, presented);
    }
    if let Some((client, known)) = owner {
        return granted(registry, client, Some(known), certificate, presented);
    }
    let is_member = unregistered == Unregistered::Members && presented.organisation.is_none();
    let rights = || Rights {
        known: Some(certificate.by_subject()),
        ..member(&certificate.community, certificate.fingerprint, presented.address)
    };
    if is_member { Ok(Reader(Arc::new(rights()))) } else { Err(RefusedReader::NotRegistered) }
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
        owner(registry, certificate).map_err(|_| RefusedReader::InvalidToken)?;
    }
    let owner_now = token.known.as_ref().and_then(|known| registry.client_of(known));
    let is_withdrawn = [token.proof, token.certificate].into_iter().any(|own| is_removed(registry, own))
        || token.known.as_ref().is_some_and(|known| registry.is_removed(known));
    if is_withdrawn {
        return Err(RefusedReader::InvalidToken);
    }
    match &token.holder {
        Holder::Client(id) => {
            let client = registry.client(id).ok_or(RefusedReader::InvalidToken)?;
            if token.known.is_some() && owner_now.is_none_or(|owner| owner.id != *id) {
                return Err(RefusedReader::InvalidToken);
            }
            let scopes = token.scopes.intersection(&client.scopes);
            let certificate = (token.certificate, token.known.clone());
            let rights = registered(registry, client, presented, certificate, scopes)?;
            let person = token.person.as_ref().map(|person| person.subject.clone());
            Ok(Reader(Arc::new(Rights { person, ..rights })))
        }
        Holder::Member { community, certificate } => {
            let is_registered = owner_now.is_some()
                || registry.client_of(&KnownCertificate::Fingerprint(*certificate)).is_some();
            // Its client has rights of its own now.
            if is_registered {
                return Err(RefusedReader::InvalidToken);
            }
            if unregistered != Unregistered::Members || presented.organisation.is_some() {
                return Err(RefusedReader::NotRegistered);
            }
            let rights = member(community, *certificate, presented.address);
            Ok(Reader(Arc::new(Rights {
                scopes: token.scopes.clone(),
                known: token.known.clone(),
                ..rights
            })))
        }
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
    known: Option<KnownCertificate>,
    certificate: &PresentedCertificate,
    presented: &Presented<'_>,
) -> Result<Reader, RefusedReader> {
    let certificate = (certificate.fingerprint, known);
    let rights = registered(registry, client, presented, certificate, client.scopes.clone())?;
    Ok(Reader(Arc::new(rights)))
}

/// What a client may do that has proved who it is, if it and its organisation may do anything from there now.
fn registered(
    registry: &Registry,
    client: &Client,
    presented: &Presented<'_>,
    (certificate, known): (Fingerprint, Option<KnownCertificate>),
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
        known,
        address: presented.address,
        scopes,
        devices: client.devices.clone(),
        person: None,
        is_application: client.application.is_some(),
    })
}

/// The client that the id and the secret prove. It is the owner of the certificate, if that has one.
fn owner_by_secret<'a>(
    registry: &'a Registry,
    owner: Option<&Owner<'_>>,
    id: &str,
    secret: &str,
    now: Timestamp,
) -> Result<&'a Client, RefusedReader> {
    let client = by_secret(registry, id, secret, now)?;
    let is_owner = match owner {
        Some((owner, _)) => owner.id == client.id,
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
        known: None,
        address,
        scopes: Scopes::everything(),
        devices: None,
        person: None,
        is_application: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::authorization::Person;
    use crate::clients::client::Application;
    use crate::clients::organisation::Organisation;
    use crate::clients::secret::StoredSecret;
    use crate::model::Interaction;

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
        let registry = Registry::new(vec![organisation()], clients(), Vec::new());
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
        let registry = Registry::new(vec![organisation()], clients(), Vec::new());
        let admit = |name| admit(&registry, &presented(name), Unregistered::Members, Timestamp::UNIX_EPOCH);
        let reader = admit("unknown").unwrap();
        assert_eq!((reader.client(), reader.organisation()), ("community:hospital", None));
        assert!(reader.may(Interaction::Read, "Patient"));
        assert_eq!(id(admit("ehr")), Ok("ehr".to_owned()), "a registered client has its own scopes");
    }

    #[test]
    fn n000_8_a_certificate_of_another_environment_is_refused() {
        let registry = Registry::new(vec![organisation()], Vec::new(), Vec::new());
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
        let registry = Registry::new(vec![organisation()], clients(), Vec::new());
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
        let registry = Registry::new(vec![organisation()], clients(), Vec::new());
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
        let registry = Registry::new(vec![organisation()], suspended, Vec::new());
        assert_eq!(id(decide(&registry, &presented("ehr"))), Err(RefusedReader::ClientSuspended));
        let organisation = Organisation { is_suspended: true, ..organisation() };
        let registry = Registry::new(vec![organisation], clients(), Vec::new());
        assert_eq!(id(decide(&registry, &presented("ehr"))), Err(RefusedReader::OrganisationSuspended));
        let refused = decide(&registry, &presented("ehr")).unwrap_err();
        assert!(refused.is_unauthenticated() && RefusedReader::CODES.contains(&refused.code()));
    }

    #[test]
    fn n001_4_a_bound_token_counts_with_its_certificate_alone() {
        let registry = Registry::new(vec![organisation()], clients(), Vec::new());
        let token = Token {
            holder: Holder::Client("ehr".parse().unwrap()),
            certificate: certificate("ehr").fingerprint,
            is_bound: true,
            proof: certificate("ehr").fingerprint,
            known: Some(KnownCertificate::Fingerprint(certificate("ehr").fingerprint)),
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
        let registry = Registry::new(vec![organisation()], all.collect(), Vec::new());
        let proved = decide(&registry, &presented("ehr")).unwrap();
        assert_eq!(proved.with_person_where_needed().unwrap_err(), RefusedReader::PersonNeeded);
        let own = certificate("ada").fingerprint;
        let person = Person { subject: "CN=ada".to_owned(), certificate: own, chain: Vec::new() };
        let token = Token {
            holder: Holder::Client("ehr".parse().unwrap()),
            certificate: certificate("ehr").fingerprint,
            is_bound: false,
            proof: certificate("ehr").fingerprint,
            known: Some(KnownCertificate::Fingerprint(certificate("ehr").fingerprint)),
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
        let registry = Registry::new(vec![organisation()], Vec::new(), Vec::new());
        let own = certificate("any");
        let holder = Holder::Member { community: own.community.clone(), certificate: own.fingerprint };
        let token = Token {
            holder,
            certificate: own.fingerprint,
            is_bound: false,
            proof: own.fingerprint,
            known: Some(own.by_subject()),
            scopes: "system/Device.r".parse().unwrap(),
            ends: Timestamp::MAX,
            person: None,
        };
        let bearer = Presented { bearer: Bearer::Known(&token), certificate: None, ..presented("any") };
        let read = |unregistered| admit(&registry, &bearer, unregistered, Timestamp::UNIX_EPOCH);
        let reader = read(Unregistered::Members).unwrap();
        assert!(reader.client() == "community:hospital" && !reader.may(Interaction::Read, "Patient"));
        assert_eq!(read(Unregistered::Refused).unwrap_err(), RefusedReader::NotRegistered);
    }

    // With a registry that is not there, a suspended client would be a member like any other.
    #[test]
    fn n001_3_nothing_is_decided_before_the_clients_are_read() {
        let admit = |secret| {
            let shown = Presented { secret, organisation: Some("2.25.1"), ..presented("ehr") };
            let (registry, now) = (Registry::default(), Timestamp::UNIX_EPOCH);
            let partner = crate::clients::admit_partner(&registry, &shown, now);
            let shown = Presented { organisation: None, ..shown };
            [partner, super::admit(&registry, &shown, Unregistered::Members, now)].map(id)
        };
        for secret in [None, Some(("ehr", SECRET))] {
            assert_eq!(admit(secret), [Err(RefusedReader::Unread), Err(RefusedReader::Unread)]);
        }
        let (client, own) = ("ehr".parse().unwrap(), certificate("ehr").fingerprint);
        let address = "10.1.2.3".parse().unwrap();
        let credential = crate::clients::admit_credential(&Registry::default(), &client, own, address);
        assert_eq!(id(credential), Err(RefusedReader::Unread));
    }

    // What an operator has taken from a client opens nothing, not even where every member reads.
    #[test]
    fn n001_3_a_certificate_that_was_removed_is_no_member_either() {
        let removed = |known| Registry::new(vec![organisation()], clients(), vec![known]);
        let admit = |registry: &Registry, name: &str| {
            id(super::admit(registry, &presented(name), Unregistered::Members, Timestamp::UNIX_EPOCH))
        };
        let gone = KnownCertificate::Fingerprint(certificate("gone").fingerprint);
        for known in [gone.clone(), certificate("gone").by_subject()] {
            let registry = removed(known);
            assert_eq!(admit(&registry, "gone"), Err(RefusedReader::Removed));
            assert_eq!(admit(&registry, "other"), Ok("community:hospital".to_owned()));
        }
        // The certificate itself says more than its subject, by which the client is known.
        let registry = removed(KnownCertificate::Fingerprint(certificate("lab").fingerprint));
        assert_eq!(admit(&registry, "lab"), Err(RefusedReader::Removed));
        let with_secret = Presented { secret: Some(("report", SECRET)), ..presented("gone") };
        assert_eq!(id(decide(&removed(gone), &with_secret)), Err(RefusedReader::Removed));
    }

    #[test]
    fn n001_7_a_certificate_with_the_uris_of_two_clients_is_that_of_none() {
        let uri = |uri: &str| KnownCertificate::Uri { community: "hospital".to_owned(), uri: uri.to_owned() };
        let own = ["a", "b"].map(|name| client(name, vec![uri(name)]));
        let registry = |removed| Registry::new(vec![organisation()], own.to_vec(), removed);
        let with = |registry: &Registry, uris: &[&str]| {
            let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
            let shown = PresentedCertificate { uris, ..certificate("any") };
            let shown = Presented { certificate: Some(Ok(shown)), ..presented("any") };
            id(super::admit(registry, &shown, Unregistered::Members, Timestamp::UNIX_EPOCH))
        };
        assert_eq!(with(&registry(Vec::new()), &["x", "a"]), Ok("a".to_owned()));
        assert_eq!(with(&registry(Vec::new()), &["a", "b"]), Err(RefusedReader::NotRegistered));
        assert_eq!(with(&registry(vec![uri("b")]), &["a", "b"]), Err(RefusedReader::Removed));
    }

    #[test]
    fn n001_4_a_token_ends_with_that_by_which_it_was_granted() {
        let own = certificate("ehr");
        let known = KnownCertificate::Fingerprint(own.fingerprint);
        let token = |holder, certificate| Token {
            holder,
            certificate,
            is_bound: false,
            proof: own.fingerprint,
            known: Some(known.clone()),
            scopes: "system/*.rs".parse().unwrap(),
            ends: Timestamp::MAX,
            person: None,
        };
        let read = |registry: &Registry, token: &Token| {
            let shown = Presented { bearer: Bearer::Known(token), ..presented("member") };
            id(super::admit(registry, &shown, Unregistered::Members, Timestamp::UNIX_EPOCH))
        };
        let ended = Err(RefusedReader::InvalidToken);
        let ehr = token(Holder::Client("ehr".parse().unwrap()), own.fingerprint);
        let of = |clients, removed| Registry::new(vec![organisation()], clients, removed);
        assert_eq!(read(&of(clients(), Vec::new()), &ehr), Ok("ehr".to_owned()));
        let without =
            vec![client("ehr", vec![KnownCertificate::Fingerprint(certificate("new").fingerprint)])];
        assert_eq!(read(&of(without, Vec::new()), &ehr), ended, "the client has another certificate");
        let of_other = vec![client("ehr", Vec::new()), client("lab", vec![known.clone()])];
        assert_eq!(read(&of(of_other, Vec::new()), &ehr), ended, "the certificate has another client");
        assert_eq!(read(&of(clients(), vec![known.clone()]), &ehr), ended);
        // Bound to another certificate than that by which it was asked for: both count.
        let member = certificate("member");
        let gone = KnownCertificate::Fingerprint(member.fingerprint);
        let bound = Token { is_bound: true, certificate: member.fingerprint, ..ehr };
        assert_eq!(read(&of(clients(), Vec::new()), &bound), Ok("ehr".to_owned()));
        assert_eq!(read(&of(clients(), vec![gone]), &bound), ended);
        assert_eq!(read(&of(clients(), vec![member.by_subject()]), &bound), ended);
        // A member that was registered since has the rights of its client alone.
        let holder = Holder::Member { community: "hospital".to_owned(), certificate: own.fingerprint };
        let of_member = token(holder, own.fingerprint);
        let without = vec![client("lab", Vec::new())];
        assert_eq!(read(&of(without, Vec::new()), &of_member), Ok("community:hospital".to_owned()));
        assert_eq!(read(&of(clients(), Vec::new()), &of_member), ended);
    }
}
