//! An attacker answers the plain-HTTP fetches, without the key of a CA: what they send is never verified, and
//! nothing that is verified may suffer from it.

use bytes::Bytes;

use super::*;
use crate::config::Undetermined;

/// A CRL that no CA signed, of an issuer that does not exist.
fn of_stranger(number: u8) -> Bytes {
    let list = List { this_update: hours(0), next_update: Some(hours(999)), ..List::new(number) };
    list.by(&Ca::new("Stranger")).into()
}

/// A device of this CA, and the CA below a root with this serial number.
fn below(ca: &Ca, root: &Ca, serial: u8) -> Arc<[IssuedCertificate]> {
    let mut link = ca.subordinate_of(root);
    Arc::make_mut(&mut link.certificate).serial = crate::x509::Serial::from_octets(&[serial]);
    Arc::from([ca.device(&Extras::default()), link])
}

// The CRL of a stranger at the genuine URL evicted the verified one, in memory and on disk.
#[tokio::test]
async fn an_unsigned_crl_replaces_no_verified_one() {
    let (site, slot) = slot().await;
    let mut scene = Scene::with(|config| config.when_undetermined = Undetermined::Accept);
    let url = site.url("ca.crl");
    let path = scene.device(vec![distribution_points(&[point_name(&url)])]);
    put(&slot, scene.list(2).revoking(SERIAL, Some(1)).by(&scene.ca));
    assert!(is_revoked(scene.verdict(&path).await));
    for number in [1, 3, 100] {
        put(&slot, of_stranger(number).to_vec());
        let endpoint = super::super::settings::Endpoint { url: url.clone(), is_configured: false };
        scene.engine.fetch_crl(&endpoint).await.unwrap();
        assert!(is_revoked(scene.verdict(&path).await), "in memory, after number {number}");
        assert!(is_revoked(scene.engine.peek(&path)[0].verdict));
        scene = scene.restarted();
        assert!(is_revoked(scene.verdict(&path).await), "on disk, after number {number}");
    }
}

#[tokio::test]
async fn an_unsigned_crl_locks_out_no_device() {
    let (site, slot) = slot().await;
    let scene = Scene::new();
    let url = site.url("ca.crl");
    let path = scene.device(vec![distribution_points(&[point_name(&url)])]);
    put(&slot, scene.list(2).by(&scene.ca));
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    for number in 0..40 {
        scene.engine.accept_crl(&url, &of_stranger(number)).unwrap();
    }
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    // What came from this URL is not verified: it does not stop the next fetch either.
    let asked = site.asked().len();
    scene.clock.advance(Duration::from_hours(24));
    put(&slot, List { this_update: hours(23), next_update: Some(hours(48)), ..scene.list(3) }.by(&scene.ca));
    scene.engine.accept_crl(&url, &of_stranger(50)).unwrap();
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    assert_eq!(site.asked().len(), asked + 1);
}

// Two CAs may publish at one URL, and one CA at two.
#[tokio::test]
async fn crls_are_stored_by_issuer_and_not_by_url() {
    let scene = Scene::new();
    let other = Ca::new("Other CA");
    let path = scene.device(Vec::new());
    let path: Arc<[IssuedCertificate]> = Arc::from([path[0].clone(), other.device(&Extras::default())]);
    let _ = scene.engine.peek(&path);
    let accept = |url, list: &List, ca| scene.engine.accept_crl(url, &list.by(ca).into());
    accept("http://a/crl", &scene.list(1).revoking(SERIAL, Some(1)), &scene.ca).unwrap();
    accept("http://a/crl", &scene.list(1), &other).unwrap();
    let statuses = scene.engine.peek(&path);
    assert!(is_revoked(statuses[0].verdict) && statuses[1].verdict == Verdict::Good);
    accept("http://b/crl", &scene.list(2), &scene.ca).unwrap();
    assert_eq!(scene.engine.peek(&path)[0].verdict, Verdict::Good, "a newer verified CRL");
    assert_eq!(scene.engine.inventory().crls.len(), 2);
    scene.engine.0.disk.flush();
    let files = std::fs::read_dir(scene.folder.path().join("data/crl")).unwrap().count();
    assert_eq!(files, 2);
}

// One answer of the network moved the source of a CRL to a URL that never has it.
#[tokio::test]
async fn the_source_of_a_crl_is_what_certificates_name_and_not_where_it_came_from() {
    let scene = Scene::new();
    let other = Ca::new("Other CA");
    let names =
        |url| Extras { extensions: vec![distribution_points(&[point_name(url)])], ..Extras::default() };
    let path: Arc<[IssuedCertificate]> =
        Arc::from([scene.ca.device(&names("http://a/crl")), other.device(&names("http://b/crl"))]);
    let _ = scene.engine.peek(&path);
    let accept = |url, list: &List, ca| scene.engine.accept_crl(url, &list.by(ca).into());
    accept("http://a/crl", &scene.list(1), &scene.ca).unwrap();
    accept("http://b/crl", &scene.list(1), &other).unwrap();
    let sources = || {
        let crls = scene.engine.inventory().crls.into_iter();
        let mut all: Vec<_> = crls.map(|crl| (crl.issuer, crl.refresh_url.unwrap_or_default())).collect();
        all.sort();
        all
    };
    let before = sources();
    assert_eq!(before[0].1, "http://a/crl");
    accept("http://a/crl", &scene.list(2), &other).unwrap();
    assert_eq!(sources(), before);
    // What came counts as no answer of that URL: its own CRL is due as before.
    scene.clock.advance(Duration::from_hours(1));
    accept("http://a/crl", &scene.list(2), &other).unwrap();
    let due = scene.engine.due_crls(scene.clock.now() + SignedDuration::from_mins(1));
    assert!(due.iter().any(|due| due.endpoints[0].url == "http://a/crl"), "{due:?}");
    // Without a certificate that names one, and without one of its own, a CRL has no source.
    let stranger = Ca::new("Third CA");
    let path: Arc<[IssuedCertificate]> = Arc::from([stranger.device(&Extras::default())]);
    let _ = scene.engine.peek(&path);
    accept("http://a/crl", &scene.list(1), &stranger).unwrap();
    assert_eq!(sources().last().unwrap().1, "");
}

// Before the release that stored CRLs by issuer, the name of a file was a digest of the URL.
#[tokio::test]
async fn a_successor_replaces_the_file_of_an_earlier_release() {
    let scene = Scene::new();
    scene.engine.0.disk.write_crl("00", Bytes::from(scene.list(1).by(&scene.ca)));
    let scene = scene.restarted();
    let path = scene.device(Vec::new());
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
    scene.engine.accept_crl("http://a/crl", &scene.list(2).by(&scene.ca).into()).unwrap();
    let scene = scene.restarted();
    let files = std::fs::read_dir(scene.folder.path().join("data/crl")).unwrap();
    assert_eq!(files.count(), 1);
    assert_eq!(scene.verdict(&path).await, Verdict::Good);
}

// Anyone may write the entries: they are parsed after the signature is verified.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn an_unsigned_crl_of_six_megabytes_is_refused_at_once() {
    let scene = Scene::new();
    let path = scene.device(Vec::new());
    let _ = scene.engine.peek(&path);
    let critical: Vec<u8> = (0..600_000_u32)
        .flat_map(|number| {
            let seven_bits = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap();
            let oid = [0x2b, seven_bits(14), seven_bits(7), seven_bits(0)];
            crate::x509::der::sequence(&[&element(6, &oid), &element(4, &[])])
        })
        .collect();
    let entry = [element(INTEGER, &[7]), crate::x509::der::generalized_time(hours(-1))].concat();
    let entry = crate::x509::der::sequence(&[&entry, &element(0x30, &critical)]);
    let twin = Ca::new("Issuing CA");
    let hostile = List { raw_entries: Some(entry), ..scene.list(1) }.by(&twin);
    assert!(hostile.len() > 6_000_000, "{}", hostile.len());
    let began = std::time::Instant::now();
    assert_eq!(scene.engine.accept_crl("http://a/crl", &hostile.into()), Err(AttemptError::Unsigned));
    println!("refused in {:?}", began.elapsed());
    // It took a minute; on a busy machine it takes seconds.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // The CA itself: linear, too.
    let entry = [element(INTEGER, &[7]), crate::x509::der::generalized_time(hours(-1))].concat();
    let entry = crate::x509::der::sequence(&[&entry, &element(0x30, &critical)]);
    let own = List { raw_entries: Some(entry), ..scene.list(1) }.by(&scene.ca);
    let refused = scene.engine.accept_crl("http://a/crl", &own.into());
    assert_eq!(refused, Err(AttemptError::Crl(crl::CrlParseError::Malformed)));
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

// RFC 5280 6.3.3 f: a CA with a new key under the same name signs its CRLs with that, also for certificates
// of the old key.
#[tokio::test]
async fn a_crl_of_a_re_keyed_ca_counts_when_the_new_key_is_verified() {
    let (root, old, new) = (Ca::new("Root"), Ca::new("Issuing CA"), Ca::new("Issuing CA"));
    let scene = Scene { ca: old, ..Scene::new() };
    let path = |ca: &Ca, serial: u8| below(ca, &root, serial);
    let (own, successor) = (path(&scene.ca, 9), path(&new, 10));
    let _ = scene.engine.peek(&own);
    let accept = |list: &List| scene.engine.accept_crl("http://a/crl", &list.by(&new).into());
    assert_eq!(accept(&scene.list(1)), Err(AttemptError::Unsigned), "the new key is not known");
    // A device of the new key has connected: its CA is verified to the same root.
    let _ = scene.engine.peek(&successor);
    accept(&scene.list(2)).unwrap();
    assert_eq!(scene.engine.peek(&own)[0].verdict, Verdict::Good);
    accept(&scene.list(3).revoking(SERIAL, Some(1))).unwrap();
    assert!(is_revoked(scene.engine.peek(&own)[0].verdict));
    // A CA of the same name below another root says nothing.
    let (stranger, twin) = (Ca::new("Other root"), Ca::new("Issuing CA"));
    let foreign = below(&twin, &stranger, 9);
    let _ = scene.engine.peek(&foreign);
    scene.engine.accept_crl("http://b/crl", &scene.list(9).by(&twin).into()).unwrap();
    let third = Scene { ca: Ca::new("Issuing CA"), ..scene };
    let third_path = path(&third.ca, 11);
    assert!(is_revoked(third.engine.peek(&third_path)[0].verdict), "of the successor, not of the twin");
}

// A revoked CA of the same name does not clear the certificates of its namesake.
#[tokio::test]
async fn a_revoked_successor_signs_no_crls() {
    let (root, new) = (Ca::new("Root"), Ca::new("Issuing CA"));
    let scene = Scene::new();
    let path = |ca: &Ca, serial: u8| below(ca, &root, serial);
    let (own, successor) = (path(&scene.ca, 9), path(&new, 10));
    let _ = (scene.engine.peek(&own), scene.engine.peek(&successor));
    scene.engine.accept_crl("http://a/crl", &scene.list(2).by(&new).into()).unwrap();
    assert_eq!(scene.engine.peek(&own)[0].verdict, Verdict::Good);
    let revoked = scene.list(1).revoking(&[10], Some(2)).by(&root);
    scene.engine.accept_crl("http://root/crl", &revoked.into()).unwrap();
    assert_eq!(scene.engine.peek(&own)[0].verdict, NOTHING);
}

// RFC 5280 4.1.2.5.
#[tokio::test]
async fn a_crl_without_end_is_shown_as_no_expiry() {
    let scene = Scene::new();
    let path = scene.device(Vec::new());
    let _ = scene.engine.peek(&path);
    let endless = List { next_update: Some(crate::x509::NO_EXPIRY), ..scene.list(1) };
    scene.engine.accept_crl("http://a/crl", &endless.by(&scene.ca).into()).unwrap();
    assert_eq!(scene.engine.peek(&path)[0].verdict, Verdict::Good);
    assert_eq!(scene.engine.inventory().crls[0].next_update, "no expiry");
    let _ = scene.engine.due_crls(hours(0));
}
