//! Resumed TLS sessions: cheaper, and no way around any decision.

use std::fs;
use std::path::PathBuf;

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, RevocationReason, Role};
use rustix::process::Signal;

use crate::harness::{
    Credential, Device, Finished, Platform, Site, alert, eventually, finish, framed, message, pki, s_client,
};

const RESUMED: &str = "pcd_handshakes_total{reason=\"\",result=\"resumed\"}";
const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

/// A device that keeps its TLS session in a file between connections.
struct Saving<'a> {
    site: &'a Site,
    platform: &'a Platform,
    name: &'a str,
    own: Credential,
    version: &'a str,
}

impl Saving<'_> {
    fn file(&self) -> PathBuf {
        self.site.path().join(format!("{}{}.session", self.name, self.version))
    }

    /// Connects, sends a message, and waits for its acknowledgement or the end.
    fn connect(&self, resume: bool) -> Finished {
        let mut client = s_client(self.site, self.platform.address, Some(&self.own), &[self.version]);
        // Not quiet: stdout shows whether the session was new.
        client.arg("-msg").arg("-sess_out").arg(self.file());
        if resume {
            client.arg("-sess_in").arg(self.file());
        }
        finish(client, &framed(&message(self.name, &format!("{resume}{}", self.version))), Some(b"\x1C\r"))
    }

    fn is_answered(output: &Finished) -> bool {
        String::from_utf8_lossy(&output.stdout).contains("MSA|CA|")
    }

    /// The client's own word for an abbreviated handshake: in one, the server sends no Certificate.
    fn is_resumed(output: &Finished) -> bool {
        let text = output.text();
        let sent = text.lines().any(|line| line.starts_with("<<< TLS") && line.ends_with("], Certificate"));
        assert!(text.contains("ServerHello"), "{text}");
        !sent
    }
}

#[test]
fn a_session_is_resumed_in_both_versions_and_its_messages_are_those_of_its_device() {
    let site = Site::new();
    let platform = site.start();
    for (resumed, version) in VERSIONS.into_iter().enumerate() {
        for (name, key) in [("ECC", KeyType::Ecc), ("RSA", KeyType::Rsa)] {
            let name = format!("{name}{version}");
            platform.admit(&name, &[]);
            let own = site.certificate(&name, key);
            let device = Saving { site: &site, platform: &platform, name: &name, own, version };
            let first = device.connect(false);
            assert!(Saving::is_answered(&first) && !Saving::is_resumed(&first), "{name}: {}", first.text());
            let second = device.connect(true);
            assert!(Saving::is_answered(&second) && Saving::is_resumed(&second), "{name}: {}", second.text());
        }
        assert_eq!(platform.metric(RESUMED), 2.0 * (resumed as f64 + 1.0));
    }
    // The trail of a resumed connection names the same certificate.
    let rows = platform.cli().json(&["audit", "list", "--event", "connection-accepted"]);
    let of = |name: &str| rows.iter().filter(|row| row.to_string().contains(name)).count();
    assert_eq!((of("ECC-tls1_2"), of("RSA-tls1_3")), (2, 2), "{rows:?}");
}

#[test]
fn a8_a_suspended_device_does_not_come_back_by_an_old_session() {
    for version in VERSIONS {
        let site = Site::new();
        let platform = site.start();
        platform.admit("PUMP-1", &[]);
        let own = site.certificate("PUMP-1", KeyType::Ecc);
        let live = Device::connect(&site, platform.address, &own).unwrap();
        let device = Saving { site: &site, platform: &platform, name: "PUMP-1", own, version };
        assert!(Saving::is_answered(&device.connect(false)));
        platform.cli().run(&["device", "suspend", "PUMP-1"]);
        eventually("the suspension is known", || platform.metric("pcd_connections_active") == 0.0);
        drop(live);

        let output = device.connect(true);
        // rustls resumes nothing, so the refusal has its alert.
        assert!(!Saving::is_resumed(&output) && !Saving::is_answered(&output), "{}", output.text());
        assert_eq!(alert(&output), Some(49), "access_denied: {}", output.text());
        let refused = "pcd_handshakes_total{reason=\"suspended-device\",result=\"refused\"}";
        eventually("it is refused", || platform.metric(refused) == 1.0);
        assert_eq!(platform.metric(RESUMED), 0.0);
        eventually("the audit trail names it", || {
            let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
            rows.iter().any(|row| {
                let row = row.to_string();
                row.contains("suspended-device") && row.contains("PUMP-1")
            })
        });
        let stored = platform.cli().json(&["message", "list"]);
        assert_eq!(stored.len(), 1, "what came with the old session was not read");
    }
}

#[test]
fn a8_a_device_with_a_renewed_certificate_connects_although_its_old_session_has_expired() {
    let site = Site::new().with("revocation", "clock-skew = \"1s\"\nexpired-sessions = \"finish\"");
    let platform = site.start();
    for version in VERSIONS {
        let name = format!("RENEWED{version}");
        platform.admit(&name, &[]);
        // Long enough for a first connection on a busy machine.
        let lifetime = SignedDuration::from_secs(24 * 3600 - 15);
        let order = CertificateOrder {
            not_before: Some(Clock::system().now().checked_sub(lifetime).unwrap()),
            days: 1,
            ..CertificateOrder::new(&name, Role::Device, KeyType::Ecc)
        };
        let own = site.issue(&order);
        let mut device = Saving { site: &site, platform: &platform, name: &name, own, version };
        assert!(Saving::is_answered(&device.connect(false)));
        let session = fs::read(device.file()).unwrap();
        let expired = "pcd_handshakes_total{reason=\"expired\",result=\"refused\"}";
        let before = platform.metric(expired);
        let mut output = None;
        eventually("the certificate has expired", || {
            let attempt = device.connect(true);
            let is_refused = !Saving::is_answered(&attempt);
            output = Some(attempt);
            is_refused
        });
        let output = output.unwrap();
        assert!(!Saving::is_resumed(&output), "{}", output.text());
        assert_eq!(alert(&output), Some(45), "certificate_expired: {}", output.text());
        eventually("it is counted", || platform.metric(expired) == before + 1.0);

        device.own = site.certificate(&name, KeyType::Ecc);
        fs::write(device.file(), &session).unwrap();
        let output = device.connect(true);
        assert!(Saving::is_answered(&output) && !Saving::is_resumed(&output), "{}", output.text());
        let output = device.connect(true);
        assert!(Saving::is_answered(&output) && Saving::is_resumed(&output), "{}", output.text());
    }
}

#[test]
fn a9_4_a_revoked_device_does_not_come_back_by_an_old_session() {
    let site = Site::new();
    let lists = site.path().join("crl");
    fs::create_dir(&lists).unwrap();
    let fetch = || {
        // By their names: a file that is being written beside them has another one.
        for list in Authority::ALL.map(|authority| pki().crl(authority)) {
            fs::copy(&list, lists.join(list.file_name().unwrap())).unwrap();
        }
    };
    fetch();
    let site = site.with("revocation", "installed-crls = [\"crl\"]");
    let platform = site.start();
    let mut refusals = 0.0;
    for version in VERSIONS {
        let name = format!("REVOKED{version}");
        platform.admit(&name, &[]);
        let own = site.certificate(&name, KeyType::Ecc);
        let device = Saving { site: &site, platform: &platform, name: &name, own: own.clone(), version };
        assert!(Saving::is_answered(&device.connect(false)));

        pki().revoke(&fs::read(&own.chain).unwrap(), RevocationReason::KeyCompromise).unwrap();
        pki().publish_crls(30).unwrap();
        fetch();
        let changed = "pcd_audit_events_total{event=\"configuration-changed\"}";
        let before = platform.metric(changed);
        platform.signal(Signal::HUP);
        eventually("the new list is applied", || platform.metric(changed) == before + 1.0);

        let output = device.connect(true);
        assert!(!Saving::is_answered(&output), "{}", output.text());
        assert!(!Saving::is_resumed(&output), "no session of the old configuration lives on");
        refusals += 1.0;
        let refused = "pcd_handshakes_total{reason=\"revoked\",result=\"refused\"}";
        eventually("it is refused", || platform.metric(refused) == refusals);
    }
    assert_eq!(platform.metric(RESUMED), 0.0);
}

#[test]
fn a_device_that_connects_again_and_again_leaves_the_sessions_of_others_alone() {
    let site = Site::new().with("tls", "session-cache = 64");
    let platform = site.start();
    for version in VERSIONS {
        let (quiet, busy) = (format!("QUIET{version}"), format!("BUSY{version}"));
        [&quiet, &busy].into_iter().for_each(|name| platform.admit(name, &[]));
        let own = site.certificate(&quiet, KeyType::Ecc);
        let device = Saving { site: &site, platform: &platform, name: &quiet, own, version };
        assert!(Saving::is_answered(&device.connect(false)));
        let own = site.certificate(&busy, KeyType::Ecc);
        for number in 0..80 {
            let mut busy_device = Device::connect(&site, platform.address, &own).unwrap();
            assert_eq!(busy_device.code(message(&busy, &number.to_string())), "CA");
        }
        let output = device.connect(true);
        assert!(Saving::is_answered(&output) && Saving::is_resumed(&output), "{}", output.text());
    }
}

#[test]
fn nothing_is_accepted_before_the_handshake_is_over() {
    // 0-RTT could be replayed, and would come before the decision.
    let site = Site::new();
    let platform = site.start();
    platform.admit("EARLY", &[]);
    let own = site.certificate("EARLY", KeyType::Ecc);
    let device = Saving { site: &site, platform: &platform, name: "EARLY", own, version: "-tls1_3" };
    assert!(Saving::is_answered(&device.connect(false)));
    let text = crate::openssl::openssl("sess_id -in {} -noout -text", &[&device.file()]);
    assert!(text.text.contains("Max Early Data: 0"), "{}", text.text);
}

#[test]
fn where_no_sessions_are_kept_none_is_offered() {
    let site = Site::new().with("tls", "session-cache = 0");
    let platform = site.start();
    platform.admit("FORGOTTEN", &[]);
    let own = site.certificate("FORGOTTEN", KeyType::Ecc);
    for version in VERSIONS {
        let own = own.clone();
        let device = Saving { site: &site, platform: &platform, name: "FORGOTTEN", own, version };
        let output = device.connect(false);
        assert!(Saving::is_answered(&output), "{}", output.text());
        assert!(!device.file().exists(), "there is no session to come back with");
    }
}
