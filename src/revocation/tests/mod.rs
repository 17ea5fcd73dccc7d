//! The engine against responders and distribution points that misbehave: one test for each mistake that would
//! admit a revoked certificate or refuse a good device.

mod cost;
mod hashes;
mod hostile;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::crl::store::{Origin, StoredCrl};
use super::fixtures::{
    Ca, Extras, List, config, distribution_points, entry, extension, hours, point_name, responder_at,
    response,
};
use super::*;
use crate::config;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::pki::ResponderId;
use crate::x509::CertificateFacts;
use crate::x509::der::{INTEGER, element};

/// The requests received: `GET /path` or `POST /path`.
type Asked = Arc<Mutex<Vec<String>>>;

/// An HTTP server: for each request the bytes of a response, a status, or silence.
struct Site {
    url: String,
    asked: Asked,
}

#[derive(Clone)]
enum Reply {
    Bytes(Vec<u8>),
    Status(u16),
    /// The bytes, after a delay.
    Late(Vec<u8>),
    Silence,
}

impl Site {
    async fn new(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        let (log, reply) = (Arc::clone(&asked), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&log), Arc::clone(&reply)));
            }
        });
        Self { url, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer<F: Fn(&str) -> Reply>(mut stream: TcpStream, log: Asked, reply: Arc<F>) {
    let mut request = Vec::new();
    let head = loop {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8_lossy(&request[..end]).into_owned();
        }
    };
    let line = head.lines().next().unwrap().rsplit_once(' ').unwrap().0.to_owned();
    log.lock().unwrap().push(line.clone());
    let (status, body) = match reply(&line) {
        Reply::Bytes(body) => (200, body),
        Reply::Status(status) => (status, Vec::new()),
        Reply::Late(body) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (200, body)
        }
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}

/// An engine at the time of the fixtures.
struct Scene {
    folder: tempfile::TempDir,
    clock: Clock,
    ca: Ca,
    engine: Engine,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut config::Revocation)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(hours(0));
        let mut config = config(folder.path());
        change(&mut config);
        let engine = Engine::open(&config, Metrics::new().unwrap(), clock.clone()).unwrap();
        Self { folder, clock, ca: Ca::new("Issuing CA"), engine }
    }

    /// A new process on the same folder.
    fn restarted(self) -> Self {
        let Self { folder, clock, ca, engine } = self;
        engine.0.disk.flush();
        drop(engine);
        let engine = Engine::open(&config(folder.path()), Metrics::new().unwrap(), clock.clone()).unwrap();
        Self { folder, clock, ca, engine }
    }

    fn device(&self, extensions: Vec<CustomExtension>) -> Arc<[IssuedCertificate]> {
        Arc::from([self.ca.device(&Extras { extensions, ..Extras::default() })])
    }

    async fn check(&self, path: &Arc<[IssuedCertificate]>) -> Status {
        self.engine.check(path).await.remove(0)
    }

    async fn verdict(&self, path: &Arc<[IssuedCertificate]>) -> Verdict {
        self.check(path).await.verdict
    }

    fn list(&self, number: u8) -> List {
        List::new(number)
    }
}

fn is_revoked(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Revoked { .. })
}

const REVOKED: CertStatus = CertStatus::Revoked { when: jiff::Timestamp::UNIX_EPOCH, reason: Some(1) };
const NOTHING: Verdict = Verdict::Undetermined(UndeterminedReason::NothingFresh);
/// The serial number of the test devices.
const SERIAL: &[u8] = &[0x42, 0x17];

/// A signed response for the device, as of so many hours ago.
fn responded(ca: &Ca, issued: &IssuedCertificate, status: CertStatus, hours_ago: i64) -> Vec<u8> {
    let mut single = entry(issued, status);
    single.this_update = hours(-hours_ago);
    response(ca, vec![single]).sign(&ca.key).unwrap()
}

/// A server whose reply is set by the test.
async fn slot() -> (Site, Arc<Mutex<Reply>>) {
    let slot = Arc::new(Mutex::new(Reply::Status(404)));
    let held = Arc::clone(&slot);
    (Site::new(move |_| held.lock().unwrap().clone()).await, slot)
}

fn put(slot: &Mutex<Reply>, bytes: Vec<u8>) {
    *slot.lock().unwrap() = Reply::Bytes(bytes);
}

// Bugs of other implementations: older CRL replayed; it must not displace the known one either.
#[tokio::test]
async fn a_replayed_crl_is_refused_before_it_replaces_the_known_one() {
    let mut scene = Scene::new();
    let path = scene.device(Vec::new());
    let url = "http://127.0.0.1/ca.crl";
    let _ = scene.engine.peek(&path);
    let newer = scene.list(7).revoking(SERIAL, Some(1)).by(&scene.ca).into();
    let older = List { this_update: hours(-2), ..scene.list(6) }.by(&scene.ca).into();
    let twin = List { this_update: hours(0), ..scene.list(9) }.by(&Ca::new("Issuing CA")).into();
    scene.engine.accept_crl(url, &newer).unwrap();
    for _ in 0..2 {
        assert_eq!(scene.engine.accept_crl(url, &older), Err(AttemptError::RolledBack));
        assert_eq!(scene.engine.accept_crl(url, &twin), Err(AttemptError::Unsigned));
        assert!(is_revoked(scene.engine.peek(&path)[0].verdict));
        // The next process knows the same, also before any certificate was seen.
        scene = scene.restarted();
        scene.engine.accept_crl(url, &twin).unwrap();
        let _ = scene.engine.peek(&path);
        assert!(is_revoked(scene.engine.peek(&path)[0].verdict), "the stored one is still there");
    }
    // Without numbers, thisUpdate decides.
    let number = |list: List| bytes::Bytes::from(List { extensions: Vec::new(), ..list }.by(&scene.ca));
    let url = "http://127.0.0.1/unnumbered.crl";
    assert_eq!(scene.engine.accept_crl(url, &number(scene.list(0))), Err(AttemptError::Older), "as old");
    let newer = List { this_update: hours(0), ..scene.list(0) };
    scene.engine.accept_crl(url, &number(newer)).unwrap();
    let older = number(List { this_update: hours(-2), ..scene.list(0) });
    assert_eq!(scene.engine.accept_crl(url, &older), Err(AttemptError::Older));
}

// The same for OCSP: a good response from before the revocation, still valid.
#[tokio::test]
async fn a_replayed_good_response_is_not_cached() {
    let (site, slot) = slot().await;
    let mut scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    put(&slot, responded(&scene.ca, &path[0], REVOKED, 1));
    assert!(is_revoked(scene.verdict(&path).await));
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 2));
    let refused = scene.engine.query_responders(&path[0]).await.unwrap_err();
    assert_eq!(refused[0].error, AttemptError::Superseded);
    assert!(is_revoked(scene.verdict(&path).await));
    scene = scene.restarted();
    assert!(is_revoked(scene.verdict(&path).await), "from the disk");
    assert_eq!(site.asked().len(), 2);
}

// A9: stored responses survive a restart. Only a thread that may block reads them.
#[tokio::test]
async fn a_stored_response_is_read_from_disk_once() {
    let (site, slot) = slot().await;
    let mut scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 1));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    scene = scene.restarted();
    assert!(scene.engine.try_check(&path).is_none(), "no disk access without waiting");
    let status = scene.check(&path).await;
    assert_eq!((status.verdict, status.evidence.unwrap().source), (Verdict::Good, Source::OcspCache));
    assert!(scene.engine.try_check(&path).is_some());
    assert_eq!(site.asked().len(), 1);
    // A useless file is read once.
    let file = std::fs::read_dir(scene.folder.path().join("data/ocsp")).unwrap().next().unwrap().unwrap();
    std::fs::write(file.path(), b"nonsense").unwrap();
    let scene = scene.restarted();
    assert_eq!(scene.verdict(&path).await, Verdict::Good, "asked again");
    assert_eq!(site.asked().len(), 2);
}

// A device whose certificate was just issued is unknown to its responder, but not for a day.
#[tokio::test]
async fn an_unknown_certificate_is_queried_again_soon() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Unknown, 1));
    assert_eq!(scene.verdict(&path).await, Verdict::Undetermined(UndeterminedReason::Unknown));
    assert_eq!(scene.verdict(&path).await, Verdict::Undetermined(UndeterminedReason::Unknown));
    assert_eq!(site.asked().len(), 2, "by SHA-256 and by SHA-1");
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 1));
    scene.clock.advance(Duration::from_secs(61));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
}

// RFC 6960 A.1, RFC 5019 section 6.
#[tokio::test]
async fn a_failed_get_is_retried_by_post() {
    let scene = Scene::new();
    let certificate = scene.device(Vec::new());
    let good = responded(&scene.ca, &certificate[0], CertStatus::Good, 1);
    let mut over = entry(&certificate[0], CertStatus::Good);
    (over.this_update, over.next_update) = (hours(-48), Some(hours(-24)));
    let stale = response(&scene.ca, vec![over]).sign(&scene.ca.key).unwrap();
    for by_get in [Reply::Status(405), Reply::Bytes(stale), Reply::Bytes(b"<html>".to_vec())] {
        let good = Reply::Bytes(good.clone());
        let site = Site::new(move |line| if line.starts_with("GET") { by_get.clone() } else { good.clone() });
        let site = site.await;
        let path = scene.device(vec![responder_at(&site.url)]);
        assert_eq!(scene.engine.query_responders(&path[0]).await, Ok(()));
        let asked = site.asked();
        assert!(asked[0].starts_with("GET") && asked[1].starts_with("POST") && asked.len() == 2, "{asked:?}");
    }
}

// Bugs of other implementations: delegate whose AIA points at itself.
#[tokio::test]
async fn a_delegate_does_not_vouch_for_itself() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    let (der, key) = scene.ca.issue(
        "OCSP signer",
        &Extras {
            purposes: vec![ExtendedKeyUsagePurpose::OcspSigning],
            usages: vec![KeyUsagePurpose::DigitalSignature],
            extensions: vec![responder_at(&site.url)],
            serial: Some(vec![0x55]),
            ..Extras::default()
        },
    );
    let mut by_delegate = response(&scene.ca, vec![entry(&path[0], CertStatus::Good)]);
    let subject = CertificateFacts::read(&der).unwrap().subject.as_der().to_vec();
    (by_delegate.responder, by_delegate.certificates) = (ResponderId::Name(subject), vec![der]);
    put(&slot, by_delegate.sign(&key).unwrap());
    let status = scene.check(&path).await;
    assert_eq!(status.verdict, NOTHING);
    assert_eq!(status.failed_attempts[0].error, AttemptError::Delegate, "{:?}", status.failed_attempts);
    assert_eq!(site.asked().len(), 1, "about the device, and never about the delegate");
    // A CRL decides on the delegate: if it is revoked, its responses are rejected; if cleared, accepted.
    let list = |list: List| {
        StoredCrl::new(crl::Crl::read(list.by(&scene.ca)).unwrap(), Origin::Installed("x".into()))
    };
    scene.engine.0.crls.install(vec![list(scene.list(1).revoking(&[0x55], Some(1)))]);
    assert_eq!(scene.engine.query_responders(&path[0]).await.unwrap_err()[0].error, AttemptError::Delegate);
    scene.engine.0.crls.install(vec![list(scene.list(2))]);
    assert_eq!(scene.engine.query_responders(&path[0]).await, Ok(()));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
}

// A configured signer of indirect CRLs is known before the first certificate that needs it, and after it
// expired.
#[tokio::test]
async fn an_indirect_crl_is_refreshed_like_any_other() {
    let (ca, authority) = (Ca::new("Issuing CA"), Ca::new("CRL authority"));
    let (der, key) =
        ca.issue("CRL authority", &Extras { usages: vec![KeyUsagePurpose::CrlSign], ..Extras::default() });
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("authority.der");
    std::fs::write(&file, &der).unwrap();
    let scene = Scene { ca, ..Scene::with(|config| config.crl_issuers = vec![file]) };
    let name = authority.facts.subject.as_der();
    let url = "http://127.0.0.1/i.crl";
    let point = [point_name(url), element(0xa2, &element(0xa4, name))].concat();
    let path = scene.device(vec![distribution_points(&[point])]);
    let list = |number, hour| {
        let list = List { this_update: hours(hour), ..scene.list(number) };
        list.scoped(&[&point_name(url), &[0x84, 1, 0xff]]).sign(name, &key).into()
    };
    scene.engine.accept_crl(url, &list(1, -2)).unwrap();
    assert_eq!(scene.engine.peek(&path)[0].verdict, Verdict::Good);
    assert_eq!(scene.engine.accept_crl(url, &list(2, -1)), Ok(()), "its successor");
    assert_eq!(scene.engine.accept_crl(url, &list(1, -2)), Err(AttemptError::RolledBack));
    // The signer's certificate counts within its validity, and only for paths of the CA that issued it.
    let other = Scene::new().device(Vec::new());
    let signers =
        |path: &[IssuedCertificate], now| scene.engine.0.settings.load().crl_signers(path, now).len();
    assert_eq!((signers(&path, hours(0)), signers(&path, hours(2000)), signers(&other, hours(0))), (2, 1, 1));
}

// A device that no CRL covers reconnects every few seconds; CRLs have megabytes.
#[tokio::test]
async fn a_crl_that_covers_nothing_is_not_fetched_for_each_handshake() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let path = scene.device(vec![distribution_points(&[point_name(&site.url("ca.crl"))])]);
    put(&slot, scene.list(1).scoped(&[&point_name("http://a/other.crl")]).by(&scene.ca));
    for _ in 0..3 {
        assert_eq!(scene.verdict(&path).await, NOTHING);
    }
    assert_eq!(site.asked().len(), 1);
    scene.clock.advance(Duration::from_secs(16));
    assert_eq!(scene.verdict(&path).await, NOTHING);
    assert_eq!(site.asked().len(), 2);
}

// A9.1: at half of its life at the latest, once, and again after half of the rest.
#[tokio::test]
async fn a_crl_is_refreshed_once_at_half_of_its_life() {
    let (site, slot) = slot().await;
    let scene = Scene::with(|config| config.refresh_interval = Duration::from_hours(1000));
    let path = scene.device(Vec::new());
    let url = site.url("ca.crl");
    let scoped = scene.list(1).scoped(&[&point_name(&url)]).by(&scene.ca);
    let file = Origin::Installed("ca.crl".into());
    scene.engine.0.crls.install(vec![StoredCrl::new(crl::Crl::read(scoped.clone()).unwrap(), file)]);
    // Made an hour ago, for a day: 10 % jitter of half its life.
    let due = |at| {
        scene.engine.due_crls(at).into_iter().map(|due| due.endpoints[0].url.clone()).collect::<Vec<_>>()
    };
    assert!(due(hours(9)).is_empty());
    assert_eq!(due(hours(11)), [url.as_str()]);
    scene.clock.advance(Duration::from_hours(11));
    let _ = scene.engine.peek(&path);
    put(&slot, scoped);
    assert!(scene.engine.renew_crl(&scene.engine.due_crls(hours(11))[0]).await);
    // The same CRL came: due again after half of the remaining life.
    assert!(due(hours(11)).is_empty() && due(hours(16)).is_empty());
    assert_eq!(due(hours(17)), [url.as_str()]);
    let inventory = scene.engine.inventory();
    assert!(inventory.crls.iter().all(|crl| crl.next_refresh.is_some()), "{inventory:?}");
}

// RFC 5280 5.2.6: a complete CRL that names its deltas.
#[tokio::test]
async fn the_delta_that_a_crl_names_is_fetched_with_it() {
    let scene = Scene::new();
    let (site, delta) = slot().await;
    let freshest = distribution_points(&[point_name(&site.url("delta.crl"))]);
    let base = scene.list(5).with(extension(46, false, freshest.content())).by(&scene.ca);
    let complete = Site::new(move |_| Reply::Bytes(base.clone())).await;
    let path = scene.device(vec![distribution_points(&[point_name(&complete.url("ca.crl"))])]);
    let indicator = extension(27, true, &element(INTEGER, &[5]));
    put(&delta, scene.list(6).with(indicator).revoking(SERIAL, Some(1)).by(&scene.ca));
    assert!(is_revoked(scene.verdict(&path).await));
}

// The log names the attempts, also when the deadline passed first.
#[tokio::test]
async fn a_responder_that_missed_the_deadline_is_named() {
    let site = Site::new(|_| Reply::Silence).await;
    let scene = Scene::with(|config| config.deadline = Duration::from_millis(100));
    let path = scene.device(vec![responder_at(&site.url)]);
    let status = scene.check(&path).await;
    assert_eq!(status.verdict, Verdict::Undetermined(UndeterminedReason::Deadline));
    let late = FailedAttempt { target: site.url.clone(), error: AttemptError::Deadline };
    assert_eq!(status.failed_attempts, [late]);
}

// Handshakes beyond the limit wait for a permit; they are not refused.
#[tokio::test]
async fn handshakes_beyond_the_limit_wait() {
    let ca = Ca::new("Issuing CA");
    let issued = ca.device(&Extras::default());
    let good = responded(&ca, &issued, CertStatus::Good, 1);
    let site = Site::new(move |_| Reply::Late(good.clone())).await;
    let scene = Scene { ca, ..Scene::with(|config| config.max_waiting = 1) };
    let path = scene.device(vec![responder_at(&site.url)]);
    let all = (0..8).map(|_| scene.engine.check(&path));
    for statuses in futures_util::future::join_all(all).await {
        assert_eq!(statuses[0].verdict, Verdict::Good);
    }
}

#[tokio::test]
async fn a_reload_changes_how_many_may_wait() {
    let scene = Scene::with(|config| config.max_waiting = 1);
    let waiting = || scene.engine.0.waiters.load().available_permits();
    let config = |max_waiting| config::Revocation { max_waiting, ..fixtures::config(scene.folder.path()) };
    for max_waiting in [3, 3, 2] {
        scene.engine.apply(Engine::prepare(&config(max_waiting)).unwrap());
        assert_eq!(waiting(), max_waiting);
    }
}

// A9.4: live sessions are checked again after a revocation, not after each of two thousand good responses of
// a reconnect storm.
#[tokio::test]
async fn live_sessions_are_notified_of_revocations_only() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    let changes = scene.engine.subscribe();
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 2));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    assert!(!changes.has_changed().unwrap());
    put(&slot, responded(&scene.ca, &path[0], REVOKED, 1));
    scene.engine.query_responders(&path[0]).await.unwrap();
    assert!(changes.has_changed().unwrap());
}

// The responder is skipped while it fails and a CRL answers, and queried for each device when none does.
#[tokio::test]
async fn a_failing_responder_is_skipped_if_a_crl_answers() {
    let site = Site::new(|_| Reply::Status(503)).await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    let installed = crl::Crl::read(scene.list(1).by(&scene.ca)).unwrap();
    scene.engine.0.crls.install(vec![StoredCrl::new(installed, Origin::Installed("x".into()))]);
    assert!(scene.engine.try_check(&path).is_none(), "OCSP first");
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    let asked = site.asked().len();
    assert!(scene.engine.try_check(&path).is_some());
    assert_eq!(site.asked().len(), asked);
    scene.clock.advance(Duration::from_secs(15));
    assert!(scene.engine.try_check(&path).is_none(), "it is queried again");
    // An hour later the CRL is still fresh; two days later it is not.
    scene.clock.advance(Duration::from_hours(48));
    assert_eq!(scene.verdict(&path).await, NOTHING);
}

// The gauge shows the CRL that expires first, and ignores unverified ones.
#[tokio::test]
async fn the_gauge_shows_the_crl_that_expires_first() {
    let scene = Scene::new();
    let path = scene.device(Vec::new());
    let _ = scene.engine.peek(&path);
    let until = |hour, list: List| List { next_update: Some(hours(hour)), ..list };
    let users = scene.list(1).scoped(&[&[0x81, 1, 0xff]]);
    let cas = scene.list(1).scoped(&[&[0x82, 1, 0xff]]);
    scene.engine.accept_crl("http://a/users.crl", &until(5, users).by(&scene.ca).into()).unwrap();
    scene.engine.accept_crl("http://a/cas.crl", &until(9, cas).by(&scene.ca).into()).unwrap();
    let forged = until(1, scene.list(9)).by(&Ca::new("Issuing CA")).into();
    assert_eq!(scene.engine.accept_crl("http://a/forged.crl", &forged), Err(AttemptError::Unsigned));
    let gauge = &scene.engine.0.metrics.crl_next_update_timestamp_seconds;
    assert_eq!(gauge.with_label_values(&["CN=Issuing CA"]).get(), hours(5).as_second());
}

// A9.1: a known device does not wait when its response is refreshed in the background.
#[tokio::test]
async fn responses_are_due_before_they_expire_while_the_device_connects() {
    let (site, slot) = slot().await;
    let scene = Scene::with(|config| config.refresh_interval = Duration::from_hours(1000));
    let path = scene.device(vec![responder_at(&site.url)]);
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 1));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    // Its life is 23 hours.
    assert!(scene.engine.due_responses(hours(10)).is_empty());
    assert_eq!(scene.engine.due_responses(hours(12)).len(), 1);
    *slot.lock().unwrap() = Reply::Status(503);
    scene.engine.query_responders(&path[0]).await.unwrap_err();
    assert!(scene.engine.due_responses(hours(12)).is_empty(), "a failing responder is skipped for a moment");
    scene.clock.advance(Duration::from_secs(7 * 24 * 3600 + 1));
    let later = scene.clock.now() + SignedDuration::from_secs(1);
    assert!(scene.engine.due_responses(later).is_empty(), "not seen for a week");
}
