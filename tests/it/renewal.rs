//! A9.1: revocation data is renewed in the background before it expires, so that no handshake waits and
//! nothing runs out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, OcspResponder, OcspSigner, TestPki};
use serde_json::Value;

use crate::harness::{SOON, Server, eventually, pki};
use crate::revocation::{certificate, connects, last, openssl_crl, site};

/// How long the first CRL and the OCSP responses last: longer than a start and a few commands take on a busy
/// machine.
const LIFE: Duration = Duration::from_secs(20);

/// Waits until this time has passed since then.
fn wait_out(began: Instant, time: Duration) {
    std::thread::sleep(time.saturating_sub(began.elapsed()));
}

// A9.1: installed at setup, refreshed from the URL that it names. By OpenSSL's CRLs.
#[test]
fn a9_1_an_installed_crl_is_renewed_before_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let installed = folder.path().join("installed.crl");
    let root = pki().crl(Authority::RootEcc);
    let crls = format!("installed-crls = [{root:?}, {installed:?}]");
    let site = site(&[&crls, "clock-skew = \"0s\"", "refresh-interval = \"1s\""]);
    let list = folder.path().join("list.crl");
    let served = list.clone();
    let server = Server::start(Duration::ZERO, Arc::new(move |_| std::fs::read(&served).ok()));
    let url = server.url("ca.crl");
    let make = |name| certificate(&site, name, &[], std::slice::from_ref(&url));
    let (good, stolen) = (make("GOOD"), make("STOLEN"));
    let point = format!(
        "authorityKeyIdentifier = keyid\nissuingDistributionPoint = critical,@point\n[point]\nfullname = URI:{url}"
    );
    let began = Instant::now();
    std::fs::rename(openssl_crl(folder.path(), &[], &point, 1, LIFE), &installed).unwrap();
    let platform = site.start();
    platform.admit("GOOD", &[]);
    platform.admit("STOLEN", &[]);
    connects(&site, &platform, &good, "GOOD").unwrap();
    let row = last(&platform, "connection-accepted");
    assert_eq!(row["revocation"][0]["url"], installed.to_str().unwrap(), "{row}");

    // While the platform runs without connections, the CA publishes the next one; until then nothing is
    // there to fetch.
    openssl_crl(folder.path(), &[&stolen], &point, 2, Duration::from_hours(48));
    let number = |wanted: &str| {
        let known: Value = serde_json::from_str(&platform.get("/api/certificates").1).unwrap();
        known["crls"].as_array().unwrap().iter().any(|crl| {
            let next = crl["next-refresh"].is_string() && crl["refresh-url"] == url.as_str();
            crl["number"] == wanted && crl["from"] == url.as_str() && next && crl["verified"] == true
        })
    };
    eventually("the platform has fetched the next CRL", || number("02"));
    wait_out(began, LIFE + Duration::from_secs(1));
    let (asked, since) = (*server.asked.lock().unwrap(), Instant::now());
    connects(&site, &platform, &good, "GOOD").unwrap();
    let row = last(&platform, "connection-accepted");
    let leaf = &row["revocation"][0];
    assert_eq!((&leaf["source"], &leaf["url"]), (&"crl-cache".into(), &url.as_str().into()), "{row}");
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
    let most = asked + 5 + u32::try_from(since.elapsed().as_secs()).unwrap();
    assert!(*server.asked.lock().unwrap() <= most, "it is not fetched all the time");

    // Replayed: the first one is over, and older. Nothing is forgotten for it, nor after a restart.
    openssl_crl(folder.path(), &[], &point, 1, Duration::from_hours(48));
    let before = *server.asked.lock().unwrap();
    eventually("it has been fetched", || *server.asked.lock().unwrap() > before);
    connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(platform.stop().status.success());
    let platform = site.start();
    let refused = connects(&site, &platform, &stolen, "STOLEN").unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
}

// A9.1, A9.2: a device that was seen lately is asked about again before its answer expires; it does not wait.
#[test]
fn a9_1_an_ocsp_answer_is_renewed_before_it_expires() {
    let site = site(&["clock-skew = \"0s\"", "refresh-interval = \"1s\""]);
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let own = TestPki::open(&dir, &Clock::system()).unwrap();
    let life = SignedDuration::try_from(LIFE).unwrap();
    let responder = OcspResponder::new(own, OcspSigner::Ca, life).unwrap();
    let server = Server::start(Duration::ZERO, Arc::new(move |request| Some(responder.answer(&request))));
    // Requests by POST: what a test's server reads most easily.
    let own = certificate(&site, "GOOD", &[server.url(&"x".repeat(200))], &[]);
    let platform = site.start();
    platform.admit("GOOD", &[]);
    let began = Instant::now();
    connects(&site, &platform, &own, "GOOD").unwrap();
    assert_eq!(last(&platform, "connection-accepted")["revocation"][0]["source"], "ocsp");
    wait_out(began, LIFE + Duration::from_secs(1));
    connects(&site, &platform, &own, "GOOD").unwrap();
    let leaf = last(&platform, "connection-accepted")["revocation"][0].clone();
    assert_eq!(leaf["source"], "ocsp-cache", "{leaf}");
    assert!(*server.asked.lock().unwrap() >= 2);
}

// An answer that comes after the handshake has given up is there for the next one.
#[test]
fn a9_an_answer_that_came_too_late_serves_the_next_attempt() {
    let site = site(&["deadline = \"500ms\"", "fetch-timeout = \"20s\""]);
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let own = TestPki::open(&dir, &Clock::system()).unwrap();
    let responder = OcspResponder::new(own, OcspSigner::Ca, SignedDuration::from_hours(1)).unwrap();
    let server =
        Server::start(Duration::from_secs(3), Arc::new(move |request| Some(responder.answer(&request))));
    let own = certificate(&site, "GOOD", &[server.url(&"x".repeat(200))], &[]);
    let platform = site.start();
    platform.admit("GOOD", &[]);
    connects(&site, &platform, &own, "GOOD").unwrap_err();
    let line = "no response within revocation.deadline";
    eventually("the reason is in the log", || platform.log().contains(line));
    let began = Instant::now();
    while connects(&site, &platform, &own, "GOOD").is_err() {
        assert!(began.elapsed() < SOON);
    }
    assert_eq!(*server.asked.lock().unwrap(), 1, "who comes back meanwhile waits for the same answer");
}
