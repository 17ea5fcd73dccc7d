//! RFC 9919: certificates are identified by SHA-256 first. Responders that know SHA-1 only keep working.

use base64::Engine as _;

use super::*;

/// A responder that knows certificates by SHA-1 only, and has this for the others.
async fn by_sha_1_only(good: Vec<u8>, otherwise: Reply) -> Site {
    let sha_1 = |line: &str| {
        let path = line.rsplit_once('/').unwrap().1;
        let text = path.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        let request = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
        let request = ocsp::Request::read(&request).ok();
        request.is_some_and(|request| request.certificates[0].hash == CertIdHash::Sha1.oid())
    };
    Site::new(move |line| if sha_1(line) { Reply::Bytes(good.clone()) } else { otherwise.clone() }).await
}

#[tokio::test]
async fn a_responder_that_knows_sha_1_only_is_asked_by_that_and_remembered() {
    let unauthorized = crate::x509::der::sequence(&[&element(10, &[6])]);
    let malformed = crate::x509::der::sequence(&[&element(10, &[1])]);
    let refusals = [Reply::Status(404), Reply::Bytes(unauthorized), Reply::Bytes(malformed)];
    for refusal in refusals {
        let scene = Scene::new();
        let good = responded(&scene.ca, &scene.device(Vec::new())[0], CertStatus::Good, 1);
        let site = by_sha_1_only(good, refusal).await;
        let path = scene.device(vec![responder_at(&site.url)]);
        assert_eq!(scene.engine.query_responders(&path[0]).await, Ok(()));
        let asked = site.asked().len();
        assert!(asked == 2 || asked == 3, "GET, POST if that may help, GET by SHA-1: {:?}", site.asked());
        assert_eq!(scene.engine.query_responders(&path[0]).await, Ok(()));
        assert_eq!(site.asked().len(), asked + 1, "{:?}", site.asked());
    }
}

#[tokio::test]
async fn a_responder_that_understands_sha_256_is_asked_once() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Good, 1));
    scene.engine.query_responders(&path[0]).await.unwrap();
    put(&slot, responded(&scene.ca, &path[0], CertStatus::Unknown, 0));
    scene.engine.query_responders(&path[0]).await.unwrap();
    assert_eq!(site.asked().len(), 2, "its unknown is believed");
}

#[tokio::test]
async fn a_responder_that_is_down_is_not_asked_by_another_hash() {
    let site = Site::new(|_| Reply::Status(503)).await;
    let scene = Scene::new();
    let path = scene.device(vec![responder_at(&site.url)]);
    scene.engine.query_responders(&path[0]).await.unwrap_err();
    assert_eq!(site.asked().len(), 2, "GET, then POST");
}
