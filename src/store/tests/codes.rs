//! Tests of authorization codes, and of the tokens that people let applications have.

use jiff::SignedDuration;

use super::*;
use crate::audit::{AuthorizationDecided, TokenGranted, TokenRevoked};
use crate::clients::{
    Authorization, AuthorizationStage, Client, Holder, KnownCertificate, Organisation, Person, StoredSecret,
    Token,
};

battery! {
    n001_6_a_code_that_is_used_twice_ends_with_its_token_in_one_step,
    n001_6_tokens_of_an_application_are_counted_by_person,
    n001_6_a_code_lasts_from_the_time_at_which_it_is_stored,
    n001_6_an_assertion_that_was_used_ends_no_code,
}

const BY: &str = "operator";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn hash(text: &str) -> Fingerprint {
    Fingerprint::sha256(text.as_bytes())
}

fn person(name: &str) -> Person {
    Person { subject: format!("CN={name}"), certificate: hash(name), chain: vec!["AAAA".to_owned()] }
}

async fn scene(place: &TestStore) -> Store {
    let store = place.open_as("here").await;
    let organisation = Organisation {
        oid: "1.2.3".parse().unwrap(),
        name: "Hospital".to_owned(),
        networks: Vec::new(),
        is_suspended: false,
    };
    store.add_organisation(organisation, BY).await.unwrap();
    let client = Client {
        id: "app".parse().unwrap(),
        organisation: "1.2.3".parse().unwrap(),
        scopes: "system/*.rs".parse().unwrap(),
        devices: None,
        is_suspended: false,
        certificates: vec![KnownCertificate::Fingerprint(hash("app"))],
        secrets: Vec::new(),
        application: None,
    };
    store.add_client(client, BY).await.unwrap();
    store
}

/// The hash of a code that a person gave the application.
async fn allowed(asking: &Store, deciding: &Store, name: &str) -> Fingerprint {
    let ((_, page), (_, code)) = (StoredSecret::generate().unwrap(), StoredSecret::generate().unwrap());
    let authorization = Authorization {
        stage: AuthorizationStage::Asked,
        client: "app".parse().unwrap(),
        redirect_uri: "https://app.example/callback".to_owned(),
        state: String::new(),
        challenge: "x".repeat(43),
        scopes: "system/*.rs".parse().unwrap(),
        person: person(name),
        ends: asking.now() + SignedDuration::from_mins(5),
    };
    let new = NewAuthorization { hash: page, authorization, max_authorizations: 20 };
    assert_eq!(asking.ask_person(new).await.unwrap(), AuthorizationWrite::Written);
    let decided = AuthorizationDecided {
        person: format!("CN={name}"),
        certificate: hash(name),
        peer: [192, 0, 2, 1].into(),
        client: "app".to_owned(),
        decision: "allowed",
        scopes: "system/*.rs".to_owned(),
        redirect_uri: "https://app.example/callback".to_owned(),
    };
    let decision = Decision { hash: page, code: Some((code, MINUTE)), decided };
    assert_eq!(deciding.decide_authorization(decision).await.unwrap(), AuthorizationWrite::Written);
    code
}

fn revoked() -> TokenRevoked {
    TokenRevoked { client: "app".to_owned(), peer: [192, 0, 2, 1].into(), reason: Some("code-used") }
}

fn token(store: &Store, name: &str, code: Fingerprint) -> NewToken {
    let (_, own) = StoredSecret::generate().unwrap();
    let ends = store.now() + SignedDuration::from_mins(15);
    let granted = TokenGranted {
        client: "app".to_owned(),
        organisation: None,
        method: "private_key_jwt",
        certificate: hash("app"),
        is_bound: false,
        peer: [192, 0, 2, 1].into(),
        scopes: "system/*.rs".to_owned(),
        ends,
        purpose: None,
        person: Some(format!("CN={name}")),
    };
    let token = Token {
        holder: Holder::Client("app".parse().unwrap()),
        certificate: hash("app"),
        is_bound: false,
        proof: hash("app"),
        known: Some(KnownCertificate::Fingerprint(hash("app"))),
        scopes: "system/*.rs".parse().unwrap(),
        ends,
        person: Some(person(name)),
    };
    NewToken { hash: own, token, max_tokens: 2, assertion: None, code: Some((code, revoked())), granted }
}

// The loser of two requests need not wait for the answer, and the process may end behind it.
async fn n001_6_a_code_that_is_used_twice_ends_with_its_token_in_one_step(place: TestStore) {
    let store = scene(&place).await;
    let code = allowed(&store, &store, "ada").await;
    let first = token(&store, "ada", code);
    let own = first.hash;
    assert_eq!(store.grant_token(first).await.unwrap(), TokenWrite::Granted);
    assert!(store.token(&own).await.unwrap().is_some());
    let second = store.grant_token(token(&store, "ada", code)).await.unwrap();
    assert_eq!(second, TokenWrite::CodeUsed(1));
    assert_eq!(store.token(&own).await.unwrap(), None);
    let revoked = event_names(&store).await.iter().filter(|name| *name == "token-revoked").count();
    assert_eq!(revoked, 1);
}

async fn n001_6_tokens_of_an_application_are_counted_by_person(place: TestStore) {
    let store = scene(&place).await;
    let grant = async |name: &str| {
        let code = allowed(&store, &store, name).await;
        let new = token(&store, name, code);
        let own = new.hash;
        (store.grant_token(new).await.unwrap(), own)
    };
    let (_, given_back) = grant("ada").await;
    assert_eq!(grant("ada").await.0, TokenWrite::Granted);
    assert_eq!(grant("ada").await.0, TokenWrite::TooMany);
    assert_eq!(grant("bob").await.0, TokenWrite::Granted, "another person is not kept from it");
    let holder = Holder::Client("app".parse().unwrap());
    assert!(store.revoke_token(given_back, holder, revoked()).await.unwrap());
    assert_eq!(grant("ada").await.0, TokenWrite::Granted, "what was given back leaves its place");
}

async fn n001_6_a_code_lasts_from_the_time_at_which_it_is_stored(place: TestStore) {
    let store = scene(&place).await;
    let before = store.now();
    // The clock of the store goes on between the page and the decision.
    place.clock.advance(Duration::from_mins(2));
    let code = allowed(&store, &store, "ada").await;
    let ends = store.authorization(&code).await.unwrap().unwrap().ends;
    assert_eq!(ends, before + MINUTE * 3);
    place.clock.advance(Duration::from_mins(1));
    let late = store.grant_token(token(&store, "ada", code)).await.unwrap();
    assert_eq!(late, TokenWrite::CodeUsed(0), "it has ended");
}

async fn n001_6_an_assertion_that_was_used_ends_no_code(place: TestStore) {
    let store = scene(&place).await;
    let code = allowed(&store, &store, "ada").await;
    let assertion = (hash("assertion"), store.now() + MINUTE);
    assert!(store.use_assertion(assertion.0, assertion.1).await.unwrap());
    assert!(!store.end_code(code, assertion, revoked()).await.unwrap());
    assert!(store.authorization(&code).await.unwrap().is_some());
    assert!(store.end_code(code, (hash("another"), store.now() + MINUTE), revoked()).await.unwrap());
    assert_eq!(store.authorization(&code).await.unwrap(), None);
}
