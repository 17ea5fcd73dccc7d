//! Tests of what a removal leaves of what clients were granted, and of what is granted beside it.

use super::*;
use crate::audit::{PartnerServed, TokenGranted};
use crate::clients::{Client, Holder, KnownCertificate, Organisation, Registration, StoredSecret, Token};

battery! {
    n001_4_no_token_is_granted_beside_a_removal,
    n001_4_a_removal_ends_what_was_granted_and_is_remembered,
    n001_7_what_an_operator_has_ended_is_not_approved_by_the_configuration,
    n001_7_a_client_that_comes_and_goes_leaves_no_rows,
    n001_7_an_operator_and_a_client_do_not_change_scopes_at_once,
    n003_3_no_credentials_are_issued_beside_what_ends_them,
}

const BY: &str = "operator";

fn certificate(name: &str) -> KnownCertificate {
    KnownCertificate::Fingerprint(Fingerprint::sha256(name.as_bytes()))
}

fn organisation() -> Organisation {
    Organisation {
        oid: "1.2.3".parse().unwrap(),
        name: "Hospital".to_owned(),
        networks: Vec::new(),
        is_suspended: false,
    }
}

fn client(id: &str, certificates: &[&str]) -> Client {
    Client {
        id: id.parse().unwrap(),
        organisation: "1.2.3".parse().unwrap(),
        scopes: "system/*.rs".parse().unwrap(),
        devices: None,
        is_suspended: false,
        certificates: certificates.iter().map(|name| certificate(name)).collect(),
        secrets: Vec::new(),
        application: None,
    }
}

/// A token that is asked for by this certificate, as it was admitted before anything was removed.
fn asked(holder: Holder, by: &str, known: Option<KnownCertificate>) -> NewToken {
    let (_, hash) = StoredSecret::generate().unwrap();
    let proof = Fingerprint::sha256(by.as_bytes());
    let ends = Clock::system().now() + jiff::SignedDuration::from_mins(15);
    let granted = TokenGranted {
        client: holder.to_string(),
        organisation: None,
        method: "tls_client_auth",
        certificate: proof,
        is_bound: true,
        peer: [192, 0, 2, 1].into(),
        scopes: "system/*.rs".to_owned(),
        ends,
        purpose: None,
        person: None,
    };
    let scopes = "system/*.rs".parse().unwrap();
    let token =
        Token { holder, certificate: proof, is_bound: true, proof, known, scopes, ends, person: None };
    NewToken { hash, token, max_tokens: 100, assertion: None, code: None, granted }
}

fn of_client(id: &str, by: &str) -> NewToken {
    asked(Holder::Client(id.parse().unwrap()), by, Some(certificate(by)))
}

fn registration(client: &str) -> Registration {
    Registration {
        client: client.parse().unwrap(),
        community: "hospital".to_owned(),
        issuer: "https://app.example".to_owned(),
        name: "App".to_owned(),
        contacts: vec!["mailto:it@hospital.example".to_owned()],
        scopes: "system/*.rs".parse().unwrap(),
        redirect_uris: Vec::new(),
        registered_at: Clock::system().now(),
        is_approved: false,
    }
}

async fn scene(place: &TestStore) -> [Store; 2] {
    let here = place.open_as("here").await;
    let there = if place.is_postgres() { place.open_as("there").await } else { here.clone() };
    let stores = [here, there];
    stores[0].add_organisation(organisation(), BY).await.unwrap();
    stores
}

async fn n001_4_no_token_is_granted_beside_a_removal(place: TestStore) {
    let [here, there] = scene(&place).await;
    here.add_client(client("ehr", &["old", "new"]), BY).await.unwrap();
    let grant = async |new: NewToken| there.grant_token(new).await.unwrap();
    assert_eq!(grant(of_client("ehr", "old")).await, TokenWrite::Granted);
    here.remove_client_certificate(client("ehr", &[]), certificate("old"), BY).await.unwrap();
    assert_eq!(grant(of_client("ehr", "old")).await, TokenWrite::Withdrawn);
    let member =
        Holder::Member { community: "hospital".to_owned(), certificate: Fingerprint::sha256(b"old") };
    assert_eq!(grant(asked(member, "old", None)).await, TokenWrite::Withdrawn, "nor as a member");
    // The certificate that it may be bound to is another one than that by which it is asked for.
    let mut bound = of_client("ehr", "new");
    bound.token.certificate = Fingerprint::sha256(b"old");
    assert_eq!(grant(bound).await, TokenWrite::Withdrawn);
    let of_new = of_client("ehr", "new");
    assert_eq!(grant(of_new.clone()).await, TokenWrite::Granted);
    for is in [true, false] {
        let expected = if is { TokenWrite::Withdrawn } else { TokenWrite::Granted };
        here.suspend_client(client("ehr", &[]), is, BY).await.unwrap();
        assert_eq!(grant(of_client("ehr", "new")).await, expected);
    }
    for is in [true, false] {
        let expected = if is { TokenWrite::Withdrawn } else { TokenWrite::Granted };
        here.suspend_organisation(organisation().oid, is, BY).await.unwrap();
        assert_eq!(grant(of_client("ehr", "new")).await, expected);
    }
    assert_eq!(there.token(&of_new.hash).await.unwrap(), None);
    assert_eq!(grant(of_client("gone", "new")).await, TokenWrite::Withdrawn);
}

async fn n001_4_a_removal_ends_what_was_granted_and_is_remembered(place: TestStore) {
    let [here, there] = scene(&place).await;
    here.add_client(client("ehr", &["old", "new"]), BY).await.unwrap();
    let mut bound = of_client("ehr", "new");
    bound.token.certificate = Fingerprint::sha256(b"member");
    let token = bound.hash;
    there.grant_token(bound).await.unwrap();
    let read = there.token(&token).await.unwrap().unwrap();
    assert_eq!((read.proof, read.known), (Fingerprint::sha256(b"new"), Some(certificate("new"))));
    here.remove_client_certificate(client("ehr", &[]), certificate("new"), BY).await.unwrap();
    assert_eq!(there.token(&token).await.unwrap(), None);
    assert_eq!(there.removed_certificates().await.unwrap(), [certificate("new")]);
    let last = here.remove_client_certificate(client("ehr", &[]), certificate("old"), BY).await;
    assert!(matches!(last, Err(StoreError::Clients(ClientsConflict::LastCertificate))), "{last:?}");
    here.add_client_certificate(client("ehr", &[]), certificate("new"), BY).await.unwrap();
    assert_eq!(there.removed_certificates().await.unwrap(), []);
}

async fn n001_7_what_an_operator_has_ended_is_not_approved_by_the_configuration(place: TestStore) {
    let [store, _] = scene(&place).await;
    let approve = async |id: &str, names: &[&str], max| {
        let (own, names) = (registration(id), names.iter().map(|name| certificate(name)).collect());
        store.register(own.clone(), 10).await.unwrap();
        let client = own.approved("1.2.3".parse().unwrap(), own.scopes.clone());
        store.approve_automatically((own, client), names, max, "configuration").await
    };
    let needed = |result| matches!(result, Err(StoreError::Clients(ClientsConflict::ApprovalNeeded)));
    assert!(needed(approve("r-0", &["app"], 0).await), "as many as may are approved");
    store.cancel_registration(registration("r-0")).await.unwrap();
    approve("r-1", &["app"], 10).await.unwrap();
    store.suspend_client(client("r-1", &[]), true, BY).await.unwrap();
    store.cancel_registration(registration("r-1")).await.unwrap();
    assert!(needed(approve("r-2", &["app"], 10).await), "it was suspended before it was cancelled");
    let own = registration("r-2");
    let client_of = |own: &Registration| own.approved("1.2.3".parse().unwrap(), own.scopes.clone());
    store.approve_registration(own.clone(), client_of(&own), BY).await.unwrap();
    store.reject_registration(own, BY).await.unwrap();
    assert!(needed(approve("r-3", &["app"], 10).await), "an operator has rejected it");
    assert_eq!(store.removed_certificates().await.unwrap(), [registration("r-3").known()]);
    store.reject_registration(registration("r-3"), BY).await.unwrap();
    let own = registration("r-4");
    store.register(own.clone(), 10).await.unwrap();
    store.approve_registration(own.clone(), client_of(&own), BY).await.unwrap();
    assert_eq!(store.removed_certificates().await.unwrap(), [], "an operator may");
    store.cancel_registration(own).await.unwrap();
    // A certificate that is given to a client, or was taken from one.
    store.add_client(client("ehr", &["app", "other"]), BY).await.unwrap();
    assert!(needed(approve("r-5", &["app"], 10).await));
    store.remove_client_certificate(client("ehr", &[]), certificate("app"), BY).await.unwrap();
    store.cancel_registration(registration("r-5")).await.unwrap();
    assert!(needed(approve("r-6", &["app"], 10).await));
}

async fn n001_7_a_client_that_comes_and_goes_leaves_no_rows(place: TestStore) {
    let [store, _] = scene(&place).await;
    for number in 0..3 {
        let own = registration(&format!("r-{number}"));
        store.register(own.clone(), 10).await.unwrap();
        let client = own.approved("1.2.3".parse().unwrap(), own.scopes.clone());
        store
            .approve_automatically((own.clone(), client), vec![own.known()], 10, "configuration")
            .await
            .unwrap();
        let known = asked(Holder::Client(own.client.clone()), "app", Some(own.known()));
        assert_eq!(store.grant_token(known.clone()).await.unwrap(), TokenWrite::Granted);
        store.cancel_registration(own).await.unwrap();
        assert_eq!(store.grant_token(known).await.unwrap(), TokenWrite::Withdrawn);
    }
    assert_eq!(store.clients().await.unwrap(), []);
    assert_eq!(store.removed_certificates().await.unwrap(), []);
}

async fn n001_7_an_operator_and_a_client_do_not_change_scopes_at_once(place: TestStore) {
    let [store, _] = scene(&place).await;
    let own = registration("r-1");
    store.register(own.clone(), 10).await.unwrap();
    let client = own.approved("1.2.3".parse().unwrap(), own.scopes.clone());
    store.approve_registration(own.clone(), client.clone(), BY).await.unwrap();
    let own = Registration { is_approved: true, ..own };
    let has = Some(client.scopes.clone());
    let narrow = Client { scopes: "system/Device.r".parse().unwrap(), ..client };
    store.change_client(narrow.clone(), BY).await.unwrap();
    let changed = store.change_registration(own, has).await;
    assert!(matches!(changed, Err(StoreError::Clients(ClientsConflict::ChangedMeanwhile))), "{changed:?}");
    assert_eq!(store.clients().await.unwrap()[0].scopes, narrow.scopes);
}

/// A request was admitted by what an operator ends before its credentials are written.
async fn n003_3_no_credentials_are_issued_beside_what_ends_them(place: TestStore) {
    let store = place.open().await;
    store.add_organisation(organisation(), BY).await.unwrap();
    let own = client("lab", &["lab", "other"]);
    store.add_client(own.clone(), BY).await.unwrap();
    let (former, current) = (Fingerprint::sha256(b"former"), Fingerprint::sha256(b"current"));
    let issue = async |secret: Fingerprint, name: &str| {
        let credential = PartnerCredential {
            access_key: format!("PCD{name}"),
            token: Fingerprint::sha256(name.as_bytes()),
            client: own.id.clone(),
            certificate: Fingerprint::sha256(b"lab"),
            expires: Clock::system().now() + jiff::SignedDuration::from_mins(15),
        };
        let event = PartnerServed {
            service: "token-issued",
            client: own.id.to_string(),
            organisation: own.organisation.to_string(),
            certificate: Some(credential.certificate),
            peer: [192, 0, 2, 1].into(),
            request: None,
            notification: None,
            count: 1,
            patients: Vec::new(),
        };
        let proof = PartnerProof { secret, known: None };
        let issued = store.issue_credential(credential, proof, event).await.unwrap();
        let is_there = store.partner_credential(&format!("PCD{name}")).await.unwrap().is_some();
        assert_eq!(issued, is_there);
        issued
    };
    store.rotate_secret(own.clone(), former, None, BY).await.unwrap();
    assert!(issue(former, "1").await && !issue(current, "2").await);
    store.rotate_secret(own.clone(), current, None, BY).await.unwrap();
    assert!(!issue(former, "3").await && issue(current, "4").await);
    store.suspend_client(own.clone(), true, BY).await.unwrap();
    assert!(!issue(current, "5").await);
    store.suspend_client(own.clone(), false, BY).await.unwrap();
    assert!(issue(current, "6").await);
    store.remove_client_certificate(own.clone(), certificate("lab"), BY).await.unwrap();
    assert!(!issue(current, "7").await);
}
