//! The live feed to an Audit Record Repository (IHE ATNA, ITI-20): a real rsyslog over mutual TLS.

use std::net::TcpListener;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use crate::atna::validated;
use crate::harness::{Cli, Device, Platform, Rsyslog, Site, cluster, establish, eventually, message};

const NAME: &str = "00A037FFFE000001";

/// A site whose trail goes to `address`, which has to show a certificate under one of `anchors`.
fn sends_to(site: Site, address: std::net::SocketAddr, anchor: &std::path::Path) -> Site {
    site.with("audit.repository", &format!("address = \"{address}\""))
        .with("audit.repository", &format!("trust-anchors = [\"{}\"]", anchor.display()))
        .with("audit.repository", "site = \"St. Elsewhere\"")
}

fn site_and_repository() -> (Site, Rsyslog) {
    let site = Site::new();
    let repository = Rsyslog::new(&site);
    let anchor = site.trust_anchors()[0].clone();
    (sends_to(site, repository.address, &anchor), repository)
}

fn pending(platform: &Platform) -> f64 {
    platform.metric("pcd_audit_repository_pending")
}

/// Messages that are accepted, as many as asked for.
fn talk(site: &Site, platform: &Platform, control_ids: std::ops::Range<u32>) {
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    for id in control_ids {
        assert_eq!(device.code(message(NAME, &id.to_string())), "CA");
    }
    device.close().unwrap();
}

/// Waits until the repository has every audit message of the trail, and looks at their order.
fn arrives(cli: &Cli, repository: &Rsyslog) -> Vec<String> {
    let export = cli.run(&["audit", "export", "--format", "atna"]);
    let expected: Vec<&str> = export.lines().collect();
    eventually("everything arrives", || repository.documents().len() >= expected.len());
    let documents = repository.documents();
    assert_eq!(documents.get(..expected.len()).unwrap(), expected, "{}", repository.log());
    documents
}

#[test]
fn the_trail_arrives_as_it_is_written_whole_and_in_its_order() {
    let (site, mut repository) = site_and_repository();
    repository.start();
    let platform = site.start();
    let cli = platform.cli().clone();
    platform.admit(NAME, &[]);
    talk(&site, &platform, 0..3);
    let documents = arrives(&cli, &repository);
    let output = validated(site.path(), &documents.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.success, "{}", output.text());
    eventually("nothing waits", || pending(&platform) == 0.0);
    assert_eq!(platform.metric("pcd_audit_repository_connected"), 1.0);
    assert!(platform.metric("pcd_audit_repository_sent_total") >= documents.len() as f64);

    // RFC 5424 6.2: facility 10; severity 5, or 4 for what failed.
    let node = cli.json(&["audit", "list", "--limit", "1"])[0]["node"].as_str().unwrap().to_owned();
    for received in repository.received() {
        let severity = if received.xml.contains("EventOutcomeIndicator=\"0\"") { 5 } else { 4 };
        let fields: Vec<&str> = received.header.split(' ').collect();
        let [priority, at, host, application, process, id, data, ""] = fields[..] else {
            panic!("{fields:?}")
        };
        assert_eq!(priority, format!("<{}>1", 80 + severity));
        assert!(received.xml.contains(&format!("EventDateTime=\"{at}\"")));
        assert_eq!((host, application, id, data), (&*node, "pcd-platform", "IHE+RFC-3881", "-"));
        assert_eq!(process, platform.pid().to_string());
    }

    // The last rows arrive before the platform exits, and none arrives twice after a graceful shutdown
    // order.
    assert!(platform.stop().status.success());
    let stopped = |text: &String| text.contains("csd-code=\"110121\"");
    eventually("Application Stop arrives", || repository.documents().iter().any(stopped));
    let _platform = site.start();
    arrives(&cli, &repository);
    assert_eq!(repository.received().len(), repository.documents().len());
}

#[test]
fn what_happens_while_the_repository_is_away_arrives_when_it_is_back() {
    let (site, mut repository) = site_and_repository();
    repository.start();
    let platform = site.start();
    let cli = platform.cli().clone();
    platform.admit(NAME, &[]);
    talk(&site, &platform, 0..5);
    arrives(&cli, &repository);

    // What its kernel has taken and it never read is not received, although every byte of it was confirmed.
    repository.freeze();
    let sent = || platform.metric("pcd_audit_repository_sent_total");
    let before = sent();
    talk(&site, &platform, 5..10);
    eventually("everything is sent", || sent() >= before + 5.0);
    repository.kill();
    talk(&site, &platform, 10..30);
    eventually("the trail waits", || {
        platform.metric("pcd_audit_repository_connected") == 0.0 && pending(&platform) > 20.0
    });
    repository.start();
    arrives(&cli, &repository);
    eventually("nothing waits", || pending(&platform) == 0.0);

    // Away again while the platform is restarted: once gracefully, once killed.
    repository.stop();
    talk(&site, &platform, 30..40);
    assert!(platform.stop().status.success());
    let platform = site.start();
    talk(&site, &platform, 40..50);
    platform.signal(Signal::KILL);
    platform.wait();
    let platform = site.start();
    talk(&site, &platform, 50..60);
    repository.start();
    let documents = arrives(&cli, &repository);
    let imports = documents.iter().filter(|text| text.contains("csd-code=\"110107\"")).count();
    assert_eq!(imports, 60);
}

#[test]
fn an_unauthenticated_repository_gets_nothing_and_delays_no_device() {
    let site = Site::new();
    let mut repository = Rsyslog::new(&site);
    repository.start();
    let folder = tempfile::tempdir().unwrap();
    let others = establish(&folder.path().join("pki"), &pcd_platform::model::Clock::system());
    let site = sends_to(site, repository.address, &others.trust_anchors()[0]);
    let platform = site.start();
    platform.admit(NAME, &[]);
    talk(&site, &platform, 0..5);
    eventually("the log says why", || platform.log().contains("audit record repository"));
    eventually("the trail waits", || pending(&platform) > 5.0);
    assert_eq!(repository.received(), []);

    // One that takes connections and never speaks: reload, and stop while it is being waited for.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let anchor = site.trust_anchors()[0].clone();
    let site = sends_to(site, silent.local_addr().unwrap(), &anchor);
    site.write_configuration();
    platform.signal(Signal::HUP);
    silent.accept().unwrap();
    talk(&site, &platform, 5..10);
    assert!(platform.stop().status.success());

    // The right one after all: from the beginning.
    let site = sends_to(site, repository.address, &anchor);
    let platform = site.start();
    arrives(platform.cli(), &repository);
    let site = site.with("audit.repository", "trust-anchors = [\"nowhere.pem\"]");
    let (status, stdout, _) = Cli::of(&site).try_run(&["check"]);
    assert_eq!(status.code(), Some(1));
    assert!(stdout.contains("audit record repository") && stdout.contains("nowhere.pem"), "{stdout}");
}

#[test]
fn rows_about_messages_can_be_left_out() {
    let (site, mut repository) = site_and_repository();
    repository.start();
    let site = site.with("audit.repository", "messages = false");
    let platform = site.start();
    platform.admit(NAME, &[]);
    talk(&site, &platform, 0..3);
    platform.cli().run(&["device", "suspend", NAME]);
    eventually("what came after them arrives", || {
        repository.documents().iter().any(|text| text.contains("110137") && !text.contains("110107"))
            && pending(&platform) == 0.0
    });
    assert!(repository.documents().iter().all(|text| !text.contains("csd-code=\"110107\"")));
}

/// The audit messages of the rows of `node`, of those that this repository got.
fn of_node(repository: &Rsyslog, node: &str) -> Vec<String> {
    let received = repository.received().into_iter();
    let own = received.filter(|received| received.header.split(' ').nth(2) == Some(node));
    let mut documents: Vec<String> = Vec::new();
    for received in own {
        if !documents.contains(&received.xml) {
            documents.push(received.xml);
        }
    }
    documents
}

#[test]
fn nodes_that_share_a_server_each_forward_their_own_trail_even_when_one_dies() {
    let database = cluster::shared().database();
    let node = |name: &str| Site::of_database(&database).with("store", &format!("node = \"{name}\""));
    let (here, there) = (node("here"), node("there"));
    let mut repository = Rsyslog::new(&here);
    let anchor = here.trust_anchors()[0].clone();
    let (here, there) =
        (sends_to(here, repository.address, &anchor), sends_to(there, repository.address, &anchor));
    repository.start();
    let (dying, other) = (here.start(), there.start());
    let cli = other.cli().clone();
    dying.admit(NAME, &[]);
    eventually("the other node knows the device", || other.metric("pcd_directory_devices") == 1.0);
    talk(&here, &dying, 0..5);
    talk(&there, &other, 5..10);
    eventually("nothing waits", || pending(&dying) == 0.0 && pending(&other) == 0.0);
    // What the one writes last stays in the store when it dies, and is forwarded when it is back; the other
    // goes on meanwhile.
    repository.stop();
    talk(&here, &dying, 10..15);
    dying.signal(Signal::KILL);
    dying.wait();
    repository.start();
    talk(&there, &other, 15..20);
    eventually("the other goes on", || pending(&other) == 0.0);
    let again = here.start();
    let all = |node: &str| -> Vec<String> {
        let rows = cli.json(&["audit", "list", "--limit", "100000"]);
        let rows = rows.iter().filter(|row| row["node"] == node);
        let mut ids: Vec<_> =
            rows.filter_map(|row| row["details"]["message"].as_str().map(str::to_owned)).collect();
        ids.sort();
        ids
    };
    for (name, platform) in [("here", &again), ("there", &other)] {
        let messages = all(name);
        assert_eq!(messages.len(), 10, "{name}");
        eventually("everything arrives", || {
            let forwarded = of_node(&repository, name);
            pending(platform) == 0.0
                && messages.iter().all(|id| forwarded.iter().any(|xml| xml.contains(id.as_str())))
        });
        let forwarded = of_node(&repository, name);
        let imports = forwarded.iter().filter(|xml| xml.contains("csd-code=\"110107\"")).count();
        assert_eq!(imports, 10, "{name}: its own and no more");
    }
    // Each node sent every row with the same bytes, if it sent it again at all.
    assert!(other.stop().status.success() && again.stop().status.success());
}
