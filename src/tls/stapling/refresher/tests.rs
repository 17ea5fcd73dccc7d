//! The refresher with a responder inside the test, on a clock that the test advances.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use base64::Engine as _;
use jiff::SignedDuration;
use tempfile::TempDir;

use super::{StapleRefresher, StapledChains};
use crate::config::{Config, KeyLocation, Overrides};
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::pki::{
    Authority, CertificateOrder, KeyType, OcspResponder, OcspSigner, RevocationReason, Role, TestPki,
};
use crate::revocation::Engine;
use crate::tls::PlatformIdentity;
use crate::tls::credential::PlatformCredentials;
use crate::tls::provider::{Settings, provider};
use crate::tls::time::time_provider;
use crate::tls::trust::Trust;

const LIFE: SignedDuration = SignedDuration::from_hours(10);
const TIMEOUT: Duration = Duration::from_secs(20);

/// The response of the responder to a request.
type Answer = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// A platform certificate with its issuing CA, and an OCSP responder for both.
struct Scene {
    folder: TempDir,
    clock: Clock,
    pki: TestPki,
    /// The platform's certificate.
    order: CertificateOrder,
    config: Config,
    answer: Arc<Mutex<Answer>>,
    queries: Arc<Mutex<u32>>,
}

/// Roots and issuing CAs are generated once, because RSA keys take long.
static AUTHORITIES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    TestPki::init(&folder.path().join("pki"), "http://127.0.0.1:9", &Clock::system()).unwrap();
    folder
});

impl Scene {
    async fn new(signer: OcspSigner, must_staple: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Clock::system().now());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ocsp", listener.local_addr().unwrap());
        let pki = TestPki::open(&AUTHORITIES.path().join("pki"), &clock).unwrap();
        let name = format!("platform-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let order = CertificateOrder::new(name, Role::Platform, KeyType::Ecc);
        let order = CertificateOrder { must_staple, ocsp_urls: Some(vec![url.clone()]), ..order };
        let issued = pki.issue(&order).unwrap();
        // The CA certificates are shared by all tests and name no responder, so it is configured.
        let root = pki.certificate(Authority::RootEcc);
        let text = format!(
            "[tls]\nclient-trust-anchors = [{root:?}]\necc = {{ chain = {:?}, key = {:?} }}\n\
             [revocation]\nallowed-hosts = [\"127.0.0.1\"]\nrefresh-interval = \"365d\"\n\
             connect-timeout = \"20s\"\nfetch-timeout = \"20s\"\n\
             responders = [{{ issuer = {root:?}, ocsp = \"{url}\" }}]\n",
            issued.chain, issued.key
        );
        let config =
            Config::parse(&text, &folder.path().join("platform.toml"), &Overrides::default()).unwrap();
        let responder = OcspResponder::new(pki.clone(), signer, LIFE).unwrap();
        let answer: Arc<Mutex<Answer>> =
            Arc::new(Mutex::new(Box::new(move |request| responder.answer(request))));
        let queries = Arc::new(Mutex::new(0));
        let (answering, count) = (Arc::clone(&answer), Arc::clone(&queries));
        let router = Router::new().fallback(move |request: Request| {
            let (answering, count) = (Arc::clone(&answering), Arc::clone(&count));
            async move {
                *count.lock().unwrap() += 1;
                let asked = body(request).await;
                // An answer may wait, and a thread of the runtime that waits can hold up its timers.
                let answer = move || Bytes::from(answering.lock().unwrap()(&asked));
                tokio::task::spawn_blocking(answer).await.unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { folder, clock, pki, order, config, answer, queries }
    }

    fn answers(&self, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// A responder whose thisUpdate stays at this moment.
    fn responder(&self, lifetime: SignedDuration) -> OcspResponder {
        OcspResponder::new(self.pki.clone(), OcspSigner::Ca, lifetime).unwrap()
    }

    fn goes_silent(&self) {
        self.answers(|_| Vec::new());
    }

    /// Starts a platform: its refresher and its identity.
    fn start(&self) -> (StapleRefresher, PlatformIdentity) {
        let engine =
            Engine::open(&self.config.revocation, Metrics::new().unwrap(), self.clock.clone()).unwrap();
        let refresher = StapleRefresher::new(engine, self.clock.clone());
        let identity = self.reload(&refresher, Duration::ZERO);
        (refresher, identity)
    }

    /// Loads the configured chain. It waits so long for its staples at most.
    fn reload(&self, refresher: &StapleRefresher, wait: Duration) -> PlatformIdentity {
        let trust = Trust::load(&self.config.tls.client_trust_anchors).unwrap();
        let now = time_provider(&self.clock).current_time().unwrap();
        let provider = provider(Settings::default());
        let credentials = PlatformCredentials::load(&self.config.tls, &trust, &provider, now).unwrap();
        let chains = StapledChains::new(&credentials.identity, &trust);
        refresher.restore(&chains);
        refresher.replace_chains(chains, self.clock.now() + wait);
        credentials.identity
    }

    /// Configures another certificate.
    fn renew(&mut self) {
        let common_names = vec![format!("{}-again", self.order.common_names[0])];
        let order = CertificateOrder { common_names, ..self.order.clone() };
        let issued = self.pki.issue(&order).unwrap();
        let ecc = self.config.tls.ecc.as_mut().unwrap();
        (ecc.chain, ecc.key) = (issued.chain, KeyLocation::File(issued.key));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The OCSP request, by POST or by GET.
async fn body(request: Request) -> Vec<u8> {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    if !body.is_empty() {
        return body.to_vec();
    }
    let text = path.trim_start_matches("/ocsp/").replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

async fn fetch(refresher: &StapleRefresher) {
    let chains = refresher.state().chains.clone();
    refresher.fetch_missing(&chains, TIMEOUT).await;
}

/// Runs one iteration of the refresher, and waits for its queries.
async fn wake(refresher: &StapleRefresher) {
    let due = refresher.start_due(refresher.0.clock.now());
    for issued in due {
        refresher.clone().refresh(issued).await;
    }
    let chains = refresher.state().chains.clone();
    refresher.publish(&chains);
}

fn lengths(identity: &PlatformIdentity) -> Vec<bool> {
    identity.ecc().unwrap().staples().responses().iter().map(Option::is_some).collect()
}

fn leaf(identity: &PlatformIdentity) -> Option<Bytes> {
    identity.ecc().unwrap().staples().leaf().cloned()
}

fn hours(clock: &Clock, hours: u64) {
    clock.advance(Duration::from_secs(hours * 3600));
}

#[tokio::test]
async fn a10_every_certificate_below_the_root_gets_its_own_response() {
    for signer in [OcspSigner::Ca, OcspSigner::Delegate] {
        let scene = Scene::new(signer, false).await;
        let (refresher, identity) = scene.start();
        assert_eq!(lengths(&identity), [false, false]);
        fetch(&refresher).await;
        assert_eq!(lengths(&identity), [true, true], "{:?}", refresher.staples());
        let staples = refresher.staples();
        let names: Vec<_> = staples.iter().map(|staple| staple.certificate.as_str()).collect();
        assert_eq!(names, ["ecc", "ecc-ca"]);
        assert!(staples.iter().all(|staple| staple.status == Some("good") && staple.served), "{staples:?}");
        let stapled = identity.ecc().unwrap().staples();
        assert_ne!(stapled.responses()[0], stapled.responses()[1]);
        let queries = *scene.queries.lock().unwrap();
        fetch(&refresher).await;
        assert_eq!(*scene.queries.lock().unwrap(), queries, "fresh staples cause no query");
    }
}

#[tokio::test]
async fn a10_a_staple_is_renewed_at_half_of_its_lifetime_and_served_until_it_expires() {
    let scene = Scene::new(OcspSigner::Ca, false).await;
    let (refresher, identity) = scene.start();
    fetch(&refresher).await;
    let first = leaf(&identity).unwrap();
    let queries = *scene.queries.lock().unwrap();
    hours(&scene.clock, 4);
    wake(&refresher).await;
    assert_eq!(*scene.queries.lock().unwrap(), queries, "not before half of its lifetime, less the jitter");
    hours(&scene.clock, 1);
    wake(&refresher).await;
    let second = leaf(&identity).unwrap();
    assert_ne!(first, second);

    // The responder fails.
    scene.goes_silent();
    hours(&scene.clock, 5);
    wake(&refresher).await;
    assert_eq!(leaf(&identity), Some(second.clone()));
    assert!(refresher.staples()[0].problem.is_some());
    scene.clock.advance(Duration::from_secs(5 * 3600 - 1));
    wake(&refresher).await;
    assert_eq!(leaf(&identity), Some(second), "until its last second");
    scene.clock.advance(Duration::from_secs(1));
    wake(&refresher).await;
    assert_eq!(leaf(&identity), None);
    assert_eq!(refresher.staples()[0].status, None);

    // The responder recovers.
    let responder = scene.responder(LIFE);
    scene.answers(move |request| responder.answer(request));
    hours(&scene.clock, 1);
    wake(&refresher).await;
    assert_eq!(lengths(&identity), [true, true]);
}

#[tokio::test]
async fn a10_errors_and_older_responses_do_not_replace_the_cached_one() {
    let scene = Scene::new(OcspSigner::Ca, false).await;
    let (old, now) = (scene.responder(SignedDuration::from_hours(1000)), scene.responder(LIFE));
    let (refresher, identity) = scene.start();
    // Each request with its response.
    type Recorded = Vec<(Vec<u8>, Vec<u8>)>;
    let recorded: Arc<Mutex<Recorded>> = Arc::default();
    let record = Arc::clone(&recorded);
    scene.answers(move |request| {
        let answer = old.answer(request);
        record.lock().unwrap().push((request.to_vec(), answer.clone()));
        answer
    });
    fetch(&refresher).await;
    hours(&scene.clock, 600);
    scene.answers(move |request| now.answer(request));
    wake(&refresher).await;
    let newest = leaf(&identity).unwrap();
    assert!(recorded.lock().unwrap().iter().all(|(_, answer)| newest != *answer));

    // A replayed response: valid for four hundred hours more, but older than the cached one.
    hours(&scene.clock, 6);
    scene.answers(move |request| {
        let recorded = recorded.lock().unwrap();
        recorded.iter().find(|(asked, _)| asked == request).map(|(_, answer)| answer.clone()).unwrap()
    });
    wake(&refresher).await;
    assert_eq!(leaf(&identity), Some(newest.clone()));
    assert!(refresher.staples()[0].problem.as_ref().unwrap().contains("older"), "{:?}", refresher.staples());

    // RFC 6960 4.2.1: tryLater, internalError.
    for error in [3, 2] {
        hours(&scene.clock, 1);
        scene.answers(move |_| vec![0x30, 3, 0x0a, 1, error]);
        wake(&refresher).await;
        assert_eq!(leaf(&identity), Some(newest.clone()));
    }
    let problem = refresher.staples()[0].problem.clone().unwrap();
    assert!(problem.contains("internalError"), "{problem}");
}

#[tokio::test]
async fn a10_a_restart_during_an_outage_serves_stored_staples_unless_they_were_tampered_with() {
    let scene = Scene::new(OcspSigner::Delegate, false).await;
    let (refresher, identity) = scene.start();
    fetch(&refresher).await;
    let before = identity.ecc().unwrap().staples();
    drop(refresher);
    scene.goes_silent();
    let (refresher, identity) = scene.start();
    assert_eq!(identity.ecc().unwrap().staples(), before);
    assert_eq!(refresher.staples()[1].status, Some("good"));

    // One response is swapped with the other, one is damaged, one is truncated.
    let folder = scene.path().join("data/revocation/staple");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    let contents: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut damaged = contents[0].clone();
    *damaged.last_mut().unwrap() ^= 1;
    for wrong in [contents[1].clone(), damaged, contents[0][..100].to_vec()] {
        std::fs::write(&files[0], wrong).unwrap();
        let (_, identity) = scene.start();
        assert_eq!(lengths(&identity).iter().filter(|there| **there).count(), 1);
    }

    // Expired staples are not served.
    std::fs::write(&files[0], &contents[0]).unwrap();
    hours(&scene.clock, 10);
    let (_, identity) = scene.start();
    assert_eq!(lengths(&identity), [false, false]);
}

#[tokio::test]
async fn a10_a_revocation_of_the_platforms_certificate_is_stapled() {
    let scene = Scene::new(OcspSigner::Ca, false).await;
    let (refresher, identity) = scene.start();
    fetch(&refresher).await;
    let own = std::fs::read(&scene.config.tls.ecc.as_ref().unwrap().chain).unwrap();
    scene.pki.revoke(&own, RevocationReason::KeyCompromise).unwrap();
    hours(&scene.clock, 5);
    wake(&refresher).await;
    assert_eq!(refresher.staples()[0].status, Some("revoked"));
    assert_eq!(lengths(&identity), [true, true]);
}

// RFC 7633
#[tokio::test]
async fn a10_a_must_staple_certificate_is_not_served_without_a_staple() {
    let scene = Scene::new(OcspSigner::Ca, true).await;
    scene.goes_silent();
    let (refresher, identity) = scene.start();
    fetch(&refresher).await;
    assert!(!identity.ecc().unwrap().satisfies_must_staple());
    assert!(refresher.staples().iter().all(|staple| !staple.served));
    let responder = scene.responder(LIFE);
    scene.answers(move |request| responder.answer(request));
    hours(&scene.clock, 1);
    wake(&refresher).await;
    assert!(identity.ecc().unwrap().satisfies_must_staple());
    assert!(refresher.staples().iter().all(|staple| staple.served));
    scene.goes_silent();
    hours(&scene.clock, 10);
    wake(&refresher).await;
    assert!(!identity.ecc().unwrap().satisfies_must_staple());
}

#[tokio::test]
async fn a10_a_root_in_the_chain_has_no_staple() {
    let scene = Scene::new(OcspSigner::Ca, false).await;
    let chain = &scene.config.tls.ecc.as_ref().unwrap().chain;
    let root = std::fs::read_to_string(scene.pki.certificate(Authority::RootEcc)).unwrap();
    std::fs::write(chain, std::fs::read_to_string(chain).unwrap() + &root).unwrap();
    let (refresher, identity) = scene.start();
    fetch(&refresher).await;
    assert_eq!(lengths(&identity), [true, true, false]);
    assert_eq!(refresher.staples().len(), 2, "no staple is expected for a root");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a10_a_slow_responder_does_not_delay_the_start() {
    let scene = Scene::new(OcspSigner::Ca, false).await;
    let (refresher, identity) = scene.start();
    let responder = scene.responder(LIFE);
    let (release, wait) = std::sync::mpsc::channel::<()>();
    scene.answers(move |request| {
        let _ = wait.recv_timeout(TIMEOUT);
        responder.answer(request)
    });
    let chains = refresher.state().chains.clone();
    refresher.fetch_missing(&chains, Duration::from_millis(10)).await;
    assert_eq!(lengths(&identity), [false, false]);
    drop(release);
    let late = async {
        while lengths(&identity) != [true, true] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, late).await.expect("a late response is stapled when it arrives");
}

fn serves(identity: &PlatformIdentity, chain: &PlatformIdentity) -> bool {
    let [served, own] = [identity, chain].map(|identity| identity.servable_chains().next().unwrap());
    served.key().cert == own.key().cert
}

// A script that reloads again and again must not prolong the use of the old chain.
#[tokio::test]
async fn a10_a_further_reload_does_not_prolong_the_wait_of_a_renewed_chain() {
    let mut scene = Scene::new(OcspSigner::Ca, false).await;
    let (refresher, old) = scene.start();
    fetch(&refresher).await;
    let responder = scene.responder(LIFE);
    scene.goes_silent();
    scene.renew();
    let minute = Duration::from_secs(60);
    let renewed = scene.reload(&refresher, minute);
    assert!(serves(&renewed, &old) && !refresher.staples()[0].served);
    scene.clock.advance(Duration::from_secs(59));
    let renewed = scene.reload(&refresher, minute);
    wake(&refresher).await;
    assert!(serves(&renewed, &old));
    scene.clock.advance(Duration::from_secs(1));
    wake(&refresher).await;
    assert!(!serves(&renewed, &old) && refresher.staples()[0].served);
    assert_eq!(lengths(&renewed), [false, true], "served without its staple");
    scene.answers(move |request| responder.answer(request));
    hours(&scene.clock, 1);
    wake(&refresher).await;
    assert_eq!(lengths(&renewed), [true, true]);
}
