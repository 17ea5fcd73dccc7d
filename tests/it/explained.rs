//! What is known of a refusal afterwards: in `device why`, in the API, on the page and in the log; and that
//! no refusal is left out.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use pcd_platform::model::Refusal;
use serde_json::Value;

use crate::harness::{Platform, eventually};

/// What is known of one refusal afterwards.
pub struct Refused<'a> {
    pub reason: &'a str,
    /// What is asked: a Common Name, or an address.
    pub subject: &'a str,
    /// Words of the cause.
    pub cause: &'a str,
    /// Words of the next step.
    pub step: &'a str,
}

/// `device why`, whatever its exit code.
pub fn why(platform: &Platform, subject: &str) -> Value {
    let (_, stdout, stderr) = platform.cli().try_run(&["--json", "device", "why", subject]);
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"))
}

/// The cause and the next step are found in `device why`, in the API, on the page and in the log.
pub fn assert_explained(platform: &Platform, Refused { reason, subject, cause, step }: Refused<'_>) {
    let mut shown = Value::Null;
    eventually(&format!("why says {reason}"), || {
        shown = why(platform, subject);
        shown["code"] == reason && (reason == "suspended-device" || shown["refusal"].is_object())
    });
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    assert!(text(&shown, "cause").contains(cause), "{reason}: {shown:#}");
    assert!(text(&shown, "next-step").contains(step), "{reason}: {shown:#}");
    let failed: Vec<_> =
        shown["steps"].as_array().unwrap().iter().filter(|step| step["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{reason}: one stage fails: {shown:#}");
    let (_, shown, _) = platform.cli().try_run(&["device", "why", subject]);
    assert!(shown.contains('✗') && shown.contains("to do: ") && shown.contains(reason), "{shown}");
    if reason != "suspended-device" {
        let (status, listed) = platform.get("/api/refusals");
        assert_eq!(status, 200);
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let row = listed.iter().find(|row| row["reason"] == reason).unwrap_or_else(|| panic!("{reason}"));
        assert!(text(row, "cause").contains(cause) && text(row, "next-step").contains(step), "{row:#}");
    }
    let is_line = |line: &str| line.contains("connection refused") && line.contains(reason);
    eventually(&format!("the log says {reason}"), || platform.log().lines().any(is_line));
    let log = platform.log();
    let line = log.lines().find(|line| is_line(line)).unwrap();
    assert!(line.contains("cause") && line.contains("to_do"), "{line}");
    // A device has a page of its own, an address is on that of all refusals.
    let path = match subject.parse::<IpAddr>() {
        Ok(_) => "/refusals".to_owned(),
        Err(_) => format!("/devices/{subject}"),
    };
    assert_on_page(platform, &path, reason, &[cause, step]);
    note(reason);
}

/// A person reads each of these texts on the page, which links the help page of the code.
pub fn assert_on_page(platform: &Platform, path: &str, reason: &str, texts: &[&str]) {
    let (status, page) = platform.get(path);
    assert_eq!(status, 200, "{path}");
    assert!(page.contains(&format!("\"/help/{reason}\"")), "{path} lacks the help page of {reason}: {page}");
    let shown = words(&page);
    for text in texts {
        // A sentence of a page begins with a capital and has no marks of commands.
        assert!(shown.contains(&text.replace('`', "").to_lowercase()), "{path} lacks {text:?}: {shown}");
    }
}

/// What a reader sees of a page, in small letters.
fn words(page: &str) -> String {
    let mut shown = String::new();
    for piece in page.split('<').skip(1) {
        shown.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    for (entity, sign) in [("&#39;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")] {
        shown = shown.replace(entity, sign);
    }
    shown.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Notes that this test has provoked the refusal and found its explanation.
pub fn note(reason: &str) {
    EXPLAINED.with_borrow_mut(|codes| codes.insert(reason.to_owned()));
}

/// This test has provoked these refusals with real peers, and found each explained.
pub fn assert_all_were_explained(expected: &[Refusal]) {
    let expected: BTreeSet<_> = expected.iter().map(|refusal| refusal.code().to_owned()).collect();
    EXPLAINED.with_borrow(|codes| assert_eq!(*codes, expected));
}

thread_local! {
    /// What the test of this thread has provoked.
    static EXPLAINED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// What each test of `why` provokes: it compares the list with what it has found.
pub const OF_CERTIFICATES: [Refusal; 14] = [
    Refusal::NoCertificate,
    Refusal::Expired,
    Refusal::NotYetValid,
    Refusal::WrongPurpose,
    Refusal::NoCommonName,
    Refusal::UnknownDevice,
    Refusal::SuspendedDevice,
    Refusal::OtherIssuer,
    Refusal::BadSignature,
    Refusal::UnsupportedExtension,
    Refusal::MalformedCertificate,
    Refusal::UnacceptableKey,
    Refusal::UnacceptableSignature,
    Refusal::OversizedChain,
];
pub const OF_ROOTS: [Refusal; 2] = [Refusal::IncompleteChain, Refusal::UntrustedIssuer];
pub const OF_RULES: [Refusal; 3] = [Refusal::Revoked, Refusal::NameConstraints, Refusal::CertificatePolicy];
pub const OF_SOURCES: [Refusal; 1] = [Refusal::RevocationUndetermined];
pub const OF_TLS: [Refusal; 7] = [
    Refusal::ProtocolViolation,
    Refusal::HandshakeTimeout,
    Refusal::Disconnected,
    Refusal::ProtocolVersion,
    Refusal::InappropriateFallback,
    Refusal::NothingInCommon,
    Refusal::PeerAlert,
];
pub const OF_LIMITS: [Refusal; 3] =
    [Refusal::TooManySessions, Refusal::TooManyNewSessions, Refusal::TooManyConnections];
pub const OF_ENTRIES: [Refusal; 1] = [Refusal::DamagedEntry];
/// What balancers cause, with their explanations: the tests of `balancers` provoke them.
const OF_BALANCERS: [Refusal; 3] =
    [Refusal::ProxyNotAllowed, Refusal::ProxyHeaderMissing, Refusal::ProxyHeaderMalformed];

/// A new refusal needs a peer that provokes it, and an explanation that is found.
#[test]
fn every_refusal_is_provoked_by_a_real_peer_and_explained() {
    let lists: [&[Refusal]; 8] = [
        &OF_CERTIFICATES,
        &OF_ROOTS,
        &OF_RULES,
        &OF_SOURCES,
        &OF_TLS,
        &OF_LIMITS,
        &OF_ENTRIES,
        &OF_BALANCERS,
    ];
    let provoked: BTreeSet<_> = lists.concat().into_iter().collect();
    assert_eq!(provoked, Refusal::ALL.into());
}
