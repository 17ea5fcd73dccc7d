//! The requirements of the specification that are met, one test for each id, at the boundary: the real
//! platform, OpenSSL as the device, the reference client of Interface B. A requirement without a test here is
//! not met yet.
//!
//! What surrounds each of them (every alert, every order of events, other peers) is in the other modules.

/// The suites of the specification by IANA's names.
pub fn suites() -> impl Iterator<Item = &'static str> {
    interface_a::SUITES.iter().map(|(_, iana)| *iana)
}

mod interface_a {
    use std::fs::{Permissions, set_permissions};
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use pcd_platform::config::{Config, Overrides};
    use pcd_platform::model::Clock;
    use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, RevocationReason, Role, TestPki};
    use pcd_platform::x509::pem;
    use serde_json::Value;

    use crate::harness::{
        Cli, Credential, Finished, Platform, Site, Stage, alert, establish, finish, framed, message,
        s_client, wait_for,
    };

    const NAME: &str = "00A037FFFE000001";

    /// In the order of the specification, by OpenSSL's names and by those of IANA.
    pub(super) const SUITES: [(&str, &str); 7] = [
        ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ("DHE-RSA-AES256-GCM-SHA384", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        ("DHE-RSA-AES128-SHA256", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
        ("ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        ("DHE-RSA-AES256-SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    ];

    fn started(site: &Site) -> (Platform, Credential) {
        let platform = site.start();
        platform.admit(NAME, &[]);
        (platform, site.certificate(NAME, KeyType::Ecc))
    }

    /// Sends one message with OpenSSL and waits for its answer.
    fn speak(site: &Site, platform: &Platform, own: &Credential, more: &[&str]) -> Finished {
        let peer = s_client(site, platform.address, Some(own), &[&["-brief"], more].concat());
        finish(peer, &framed(&message(NAME, "1")), Some(b"\x1C\r"))
    }

    fn is_acknowledged(output: &Finished) -> bool {
        String::from_utf8_lossy(&output.stdout).contains("\rMSA|CA|1\r")
    }

    fn suite(output: &Finished) -> Option<&str> {
        output.stderr.lines().find_map(|line| line.strip_prefix("Ciphersuite: "))
    }

    #[test]
    fn a0_rsa_and_the_nist_curves_are_taken_from_devices() {
        let site = Site::new();
        let (platform, _) = started(&site);
        for key in [KeyType::Ecc, KeyType::EccP384, KeyType::EccP521, KeyType::Rsa, KeyType::Rsa4096] {
            let own = site.certificate(NAME, key);
            let output = speak(&site, &platform, &own, &["-tls1_2"]);
            assert!(is_acknowledged(&output), "{key:?}: {}", output.text());
        }
    }

    #[test]
    fn a0_every_curve_and_the_dhe_groups_exchange_keys() {
        let site = Site::new();
        let (platform, own) = started(&site);
        for group in ["P-256", "P-384", "P-521"] {
            let output = speak(&site, &platform, &own, &["-tls1_2", "-groups", group]);
            assert!(is_acknowledged(&output), "{group}: {}", output.text());
        }
        for group in ["ffdhe2048", "ffdhe3072", "ffdhe4096"] {
            let output =
                speak(&site, &platform, &own, &["-tls1_2", "-cipher", SUITES[1].0, "-groups", group]);
            assert!(is_acknowledged(&output), "{group}: {}", output.text());
        }
    }

    #[test]
    fn a1_the_port_is_2575_and_speaks_tls_only() {
        let text = "[tls]\nclient-trust-anchors = [\"r\"]\necc = { chain = \"c\", key = \"k\" }\n";
        let config = Config::parse(text, Path::new("platform.toml"), &Overrides::default()).unwrap();
        assert_eq!(config.interface_a.listen, ["[::]:2575".parse().unwrap()]);

        let site = Site::new();
        let (platform, _) = started(&site);
        let mut plain = TcpStream::connect(platform.address).unwrap();
        plain.write_all(&framed(&message(NAME, "1"))).unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.contains(&0x0B), "no frame comes back");
        assert!(platform.cli().json(&["message", "list"]).is_empty());
    }

    #[test]
    fn a2_tls_1_2_always_1_3_if_configured_and_nothing_below() {
        for (versions, takes_1_3) in [("[\"1.2\", \"1.3\"]", true), ("[\"1.2\"]", false)] {
            let site = Site::new().with("tls", &format!("versions = {versions}"));
            let (platform, own) = started(&site);
            assert!(is_acknowledged(&speak(&site, &platform, &own, &["-tls1_2"])));
            assert_eq!(
                is_acknowledged(&speak(&site, &platform, &own, &["-tls1_3"])),
                takes_1_3,
                "{versions}"
            );
            for old in ["-tls1_1", "-tls1"] {
                let output = speak(&site, &platform, &own, &[old, "-cipher", "DEFAULT@SECLEVEL=0"]);
                assert!(!is_acknowledged(&output) && alert(&output).is_some(), "{old}: {}", output.text());
            }
        }
        for version in ["1.1", "1.0"] {
            let site = Site::new().with("tls", &format!("versions = [\"{version}\", \"1.2\"]"));
            assert_eq!(
                Cli::of(&site).try_run(&["check"]).0.code(),
                Some(78),
                "{version} cannot be configured"
            );
        }
    }

    /// A client that offers everything, last first; each suite that was chosen is taken off the list.
    fn order_of_choice(site: &Site) -> Vec<String> {
        let (platform, own) = started(site);
        let mut offered: Vec<_> = SUITES.iter().rev().map(|(name, _)| *name).collect();
        let mut chosen = Vec::new();
        while !offered.is_empty() {
            let output = speak(site, &platform, &own, &["-tls1_2", "-cipher", &offered.join(":")]);
            let Some(suite) = suite(&output) else {
                assert_eq!(alert(&output), Some(40), "{offered:?}: {}", output.text());
                break;
            };
            assert!(is_acknowledged(&output), "{suite}: {}", output.text());
            offered.retain(|name| *name != suite);
            chosen.push(suite.to_owned());
        }
        chosen
    }

    #[test]
    fn a3_the_suites_are_chosen_in_exactly_the_order_of_the_platform() {
        assert_eq!(order_of_choice(&Site::new()), SUITES.map(|(name, _)| name));
        let without = Site::new().with("tls", "ecdhe-rsa = false");
        let expected: Vec<_> =
            SUITES.iter().map(|(name, _)| *name).filter(|name| *name != SUITES[2].0).collect();
        assert_eq!(order_of_choice(&without), expected, "ECDHE_RSA is optional");
    }

    #[test]
    fn a4_a7_the_certificate_message_carries_the_issuing_ca() {
        let site = Site::new();
        let (platform, own) = started(&site);
        for (key, signature) in [("ecc", "ECDSA+SHA256"), ("rsa", "RSA-PSS+SHA256")] {
            for version in ["-tls1_2", "-tls1_3"] {
                let mut peer = crate::harness::command("openssl", "openssl");
                peer.args(["s_client", "-connect", &platform.address.to_string(), "-showcerts", version]);
                peer.args(["-sigalgs", signature, "-CAfile"]).arg(site.trust_bundle());
                peer.arg("-cert")
                    .arg(&own.chain)
                    .arg("-cert_chain")
                    .arg(&own.chain)
                    .arg("-key")
                    .arg(&own.key);
                let output = finish(peer, b"", Some(b"END CERTIFICATE-----\n---\nServer certificate"));
                let shown = pem::certificates(&output.stdout).unwrap();
                let installed = crate::harness::pki().trust_anchors()[0].with_file_name("platform");
                let chain = std::fs::read(installed.join(format!("platform.{key}.chain.pem"))).unwrap();
                let chain = pem::certificates(&chain).unwrap();
                assert_eq!(chain.len(), 2);
                assert_eq!(shown[..2], chain[..], "{key} {version}: {}", output.text());
            }
        }
    }

    #[test]
    fn a5_an_ecc_and_an_rsa_certificate_serve_at_once() {
        let site = Site::new();
        let (platform, own) = started(&site);
        for (suites, expected) in
            [("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDSA"), ("DHE-RSA-AES256-GCM-SHA384", "RSA")]
        {
            let output = speak(&site, &platform, &own, &["-tls1_2", "-cipher", suites]);
            assert!(is_acknowledged(&output), "{}", output.text());
            let line = output.stderr.lines().find_map(|line| line.strip_prefix("Signature type: "));
            assert!(line.is_some_and(|kind| kind.contains(expected)), "{}", output.text());
        }
    }

    #[test]
    fn a6_only_the_two_installed_roots_are_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let others = establish(&folder.path().join("pki"), &Clock::system());
        let site = Site::new().with_environment("SSL_CERT_FILE", others.trust_anchors()[0].clone());
        let (platform, _) = started(&site);
        for key in [KeyType::Ecc, KeyType::Rsa] {
            assert!(is_acknowledged(&speak(&site, &platform, &site.certificate(NAME, key), &["-tls1_2"])));
            let Issued { chain, key } =
                others.issue(&CertificateOrder::new(NAME, Role::Device, key)).unwrap();
            let output = speak(&site, &platform, &Credential { chain, key }, &["-tls1_2"]);
            assert!(!is_acknowledged(&output) && alert(&output).is_some(), "{}", output.text());
        }
    }

    fn newest_refusal(platform: &Platform, rows: usize) -> Value {
        let list = || platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
        wait_for("the refusal is on record", list, |list| list.len() == rows)[0]["details"].clone()
    }

    #[test]
    fn a8_a_common_name_that_is_not_authorized_is_rejected_logged_and_closed() {
        let site = Site::new();
        let (platform, own) = started(&site);
        assert!(is_acknowledged(&speak(&site, &platform, &own, &["-tls1_2"])));
        let stranger = site.certificate("STRANGER", KeyType::Ecc);
        let output = speak(&site, &platform, &stranger, &["-tls1_2"]);
        assert_eq!(alert(&output), Some(49), "access_denied: {}", output.text());
        let row = newest_refusal(&platform, 1);
        assert_eq!(
            (&row["refusal"], &row["certificate"]["common-name"]),
            (&"unknown-device".into(), &"STRANGER".into())
        );
        let expired = CertificateOrder {
            not_before: Some("2020-01-01T00:00:00Z".parse().unwrap()),
            days: 10,
            ..CertificateOrder::new(NAME, Role::Device, KeyType::Ecc)
        };
        let output = speak(&site, &platform, &site.issue(&expired), &["-tls1_2"]);
        assert_eq!(alert(&output), Some(45), "certificate_expired: {}", output.text());
        assert_eq!(newest_refusal(&platform, 2)["refusal"], "expired");
    }

    fn own_pki(folder: &Path) -> (Site, TestPki, Credential) {
        let folder = folder.join("pki");
        let pki = establish(&folder, &Clock::system());
        let Issued { chain, key } =
            pki.issue(&CertificateOrder::new(NAME, Role::Device, KeyType::Ecc)).unwrap();
        (Site::of(&folder), pki, Credential { chain, key })
    }

    fn revoke(pki: &TestPki, certificate: &Path) {
        pki.revoke(&std::fs::read(certificate).unwrap(), RevocationReason::KeyCompromise).unwrap();
        pki.publish_crls(TestPki::CRL_DAYS).unwrap();
    }

    #[test]
    fn a9_by_crl_the_issuing_ca_is_checked_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let (site, pki, own) = own_pki(folder.path());
        revoke(&pki, &pki.certificate(Authority::issuing(Role::Device, KeyType::Ecc.family())));
        let platform = site.start();
        platform.admit(NAME, &[]);
        let output = speak(&site, &platform, &own, &["-tls1_2"]);
        assert_eq!(alert(&output), Some(44), "certificate_revoked: {}", output.text());
    }

    #[test]
    fn a9_4_a_revoked_certificate_is_rejected_logged_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (site, pki, own) = own_pki(folder.path());
        {
            let platform = site.start();
            platform.admit(NAME, &[]);
            assert!(is_acknowledged(&speak(&site, &platform, &own, &["-tls1_2"])));
            assert!(platform.stop().status.success());
        }
        revoke(&pki, &own.chain);
        let platform = site.start();
        for (count, version) in [(1, "-tls1_2"), (2, "-tls1_3")] {
            let output = speak(&site, &platform, &own, &[version]);
            assert_eq!(alert(&output), Some(44), "certificate_revoked: {}", output.text());
            assert_eq!(newest_refusal(&platform, count)["refusal"], "revoked");
        }
    }

    #[test]
    fn a10_a_client_that_takes_every_status_from_the_handshake_finds_it_there() {
        let mut stage = Stage::new("STRICT");
        let wanted = [
            "TLSv1.2:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLSv1.2:TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLSv1.3:TLS_AES_256_GCM_SHA384",
        ]
        .map(str::to_owned);
        let platform = stage.start();
        let output = stage.jsse_strict(&platform, 0, &wanted);
        assert_eq!(output, wanted.each_ref().map(|wanted| format!("{wanted} 2 of 2")), "{}", platform.log());
        // The platform has what it needs: no responder answers any more, and it is started again.
        stage.silence();
        assert!(platform.stop().status.success());
        let platform = stage.start();
        let output = stage.jsse_strict(&platform, 0, &wanted);
        assert_eq!(output, wanted.each_ref().map(|wanted| format!("{wanted} 2 of 2")), "{}", platform.log());
    }

    #[test]
    fn a11_a_private_key_that_others_may_read_is_not_used() {
        let site = Site::new();
        let own = site.issue(&CertificateOrder::new("a11", Role::Platform, KeyType::Ecc));
        let line =
            format!("ecc = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), own.key.display());
        for (mode, exit) in [(0o644, 78), (0o640, 78), (0o660, 78)] {
            set_permissions(&own.key, Permissions::from_mode(mode)).unwrap();
            let site = Site::new().with("tls", &line);
            let (status, _, stderr) = Cli::of(&site).try_run(&["serve"]);
            assert_eq!(status.code(), Some(exit), "{mode:o}: {stderr}");
            assert!(stderr.contains("chmod 600"), "{stderr}");
        }
    }
}

mod interface_b {
    use std::fs::{Permissions, set_permissions};
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::ops::ControlFlow;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Stdio};
    use std::time::Duration;

    use pcd_platform::interface_b::{Backoff, Target, keep_connected};
    use pcd_platform::pki::KeyType;

    use super::interface_a::SUITES;
    use crate::harness::{
        Cli, Credential, Device, Platform, SOON, Site, Stage, connector, eventually, message, tool,
    };

    const NAME: &str = "00A037FFFE000001";

    /// A device with a file to send.
    struct Sender {
        site: Site,
        own: Credential,
        file: PathBuf,
    }

    impl Sender {
        fn new(key: KeyType) -> Self {
            let site = Site::new();
            let own = site.certificate(NAME, key);
            let file = site.path().join("message.hl7");
            std::fs::write(&file, message(NAME, "1")).unwrap();
            Self { site, own, file }
        }

        fn started(&self) -> Platform {
            let platform = self.site.start();
            platform.admit(NAME, &[]);
            platform
        }

        /// Exit code, stdout and stderr of `send`.
        fn send(&self, to: &str, trust: &[PathBuf]) -> (Option<i32>, String, String) {
            let path = |path: &Path| path.display().to_string();
            let mut words = vec!["client".to_owned(), "send".to_owned(), "--to".to_owned(), to.to_owned()];
            words.extend([
                "--chain".to_owned(),
                path(&self.own.chain),
                "--key".to_owned(),
                path(&self.own.key),
            ]);
            // The platforms of these tests staple nothing; `reference_client` has those that do.
            words.extend(["--staples".to_owned(), "accept".to_owned()]);
            words.extend(trust.iter().flat_map(|root| ["--trust".to_owned(), path(root)]));
            words.push(path(&self.file));
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let (status, stdout, stderr) = Cli::of(&self.site).try_run(&words);
            (status.code(), stdout, stderr)
        }
    }

    /// A platform that is none of ours.
    struct OpenSslServer {
        child: Child,
        address: String,
    }

    impl OpenSslServer {
        fn start(more: &[&str]) -> Self {
            let platform = crate::harness::pki().trust_anchors()[0].with_file_name("platform");
            // Without `timeout` in front: it is ended by its id.
            let mut server = tool("openssl", "openssl");
            server.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"]).args(more);
            for (option, file) in [("-cert", "chain.pem"), ("-cert_chain", "chain.pem"), ("-key", "key")] {
                server.arg(option).arg(platform.join(format!("platform.rsa.{file}")));
            }
            let mut child =
                server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let address =
                lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.to_owned())).unwrap();
            std::thread::spawn(move || lines.for_each(drop));
            Self { child, address }
        }
    }

    impl Drop for OpenSslServer {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn b12_the_client_opens_the_connection_to_port_2575() {
        let sender = Sender::new(KeyType::Ecc);
        let mut listener = None;
        // The tests of another worktree may have it for a moment.
        eventually("port 2575 of 127.0.0.75 is free", || {
            listener = TcpListener::bind("127.0.0.75:2575").ok();
            listener.is_some()
        });
        let listener = listener.unwrap();
        let first = std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let mut record = [0; 6];
            tcp.read_exact(&mut record).unwrap();
            (record[0], record[5])
        });
        let (exit, stdout, _) = sender.send("127.0.0.75", &sender.site.trust_anchors());
        assert_eq!((exit, stdout.as_str()), (Some(1), ""), "the listener speaks no TLS");
        assert_eq!(first.join().unwrap(), (22, 1), "a handshake record with a ClientHello");
    }

    #[test]
    fn b13_tls_1_2_or_1_3_and_never_lower() {
        let sender = Sender::new(KeyType::Rsa);
        let trust = sender.site.trust_anchors();
        for version in ["-tls1_1", "-tls1"] {
            let server = OpenSslServer::start(&[version, "-cipher", "DEFAULT@SECLEVEL=0"]);
            let (exit, stdout, stderr) = sender.send(&server.address, &trust);
            assert_eq!((exit, stdout.as_str()), (Some(1), ""), "{version}: {stderr}");
        }
        for version in ["1.2", "1.3"] {
            let site = Site::new().with("tls", &format!("versions = [\"{version}\"]"));
            let platform = site.start();
            platform.admit(NAME, &[]);
            let mut device = Device::connect(&site, platform.address, &sender.own).unwrap();
            assert_eq!(device.code(message(NAME, "1")), "CA", "{version}");
        }
    }

    #[test]
    fn b14_the_reference_client_has_every_suite() {
        let sender = Sender::new(KeyType::Ecc);
        let platform = sender.started();
        for (_, suite) in SUITES {
            let device = Device::connect_with(&sender.site, platform.address, &sender.own, Some(suite));
            let mut device = device.unwrap();
            assert_eq!(device.code(message(NAME, suite)), "CA", "{suite}");
            let series = format!("pcd_tls_negotiated_total{{suite=\"{suite}\",version=\"TLSv1_2\"}}");
            assert_eq!(platform.metric(&series), 1.0);
        }
    }

    #[test]
    fn b15_one_root_is_enough_ecc_or_rsa() {
        let sender = Sender::new(KeyType::Ecc);
        let platform = sender.started();
        let to = platform.address.to_string();
        let [ecc, rsa] = <[PathBuf; 2]>::try_from(sender.site.trust_anchors()).unwrap();
        assert_eq!(sender.send(&to, std::slice::from_ref(&ecc)).0, Some(0), "the platform prefers ECC");
        let (exit, _, stderr) = sender.send(&to, std::slice::from_ref(&rsa));
        assert_eq!(exit, Some(0), "in TLS 1.3 the client names its root: {stderr}");

        let rsa_only = Site::new().with("tls", "versions = [\"1.2\"]");
        let platform = rsa_only.start();
        platform.admit(NAME, &[]);
        // TLS 1.2 has no place for it: the platform prefers ECC, which does not lead to the RSA root.
        let (exit, _, stderr) = sender.send(&platform.address.to_string(), std::slice::from_ref(&rsa));
        assert!(exit == Some(1) && stderr.contains("untrusted-issuer"), "{stderr}");
        let suite = Some("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384");
        let mut device = Device::connect_with(&rsa_only, platform.address, &sender.own, suite).unwrap();
        assert_eq!(device.code(message(NAME, "2")), "CA");
    }

    #[test]
    fn b16_the_client_shows_its_certificate_with_its_issuing_ca() {
        for key in [KeyType::Ecc, KeyType::Rsa] {
            let sender = Sender::new(key);
            let platform = sender.started();
            // The platform has the roots alone: without the issuing CA there would be no path.
            let (exit, stdout, stderr) =
                sender.send(&platform.address.to_string(), &sender.site.trust_anchors());
            assert_eq!(exit, Some(0), "{stderr}");
            assert!(stdout.ends_with(": CA 1\n"), "{stdout}");
            let accepted = platform.cli().json(&["audit", "list", "--event", "connection-accepted"]);
            assert_eq!(accepted[0]["details"]["certificate"]["common-name"], NAME);
        }
    }

    #[test]
    fn b17_a_platform_of_another_name_is_rejected() {
        let sender = Sender::new(KeyType::Ecc);
        let platform = sender.started();
        let connector = connector(&sender.site, &sender.own, None).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let connect = |host: &str| {
            runtime.block_on(async {
                let tcp = tokio::net::TcpStream::connect(platform.address).await.unwrap();
                connector.connect(host, tcp).await.map(drop).map_err(|error| error.to_string())
            })
        };
        for host in ["127.0.0.1", "localhost", "platform"] {
            assert_eq!(connect(host), Ok(()), "{host} is its Common Name or an alternative name");
        }
        for host in ["platform.example", "127.0.0.2", "platfor"] {
            let refusal = connect(host).expect_err(host);
            assert!(refusal.contains(&format!("not valid for the name {host}")), "{refusal}");
        }
    }

    // B17: first connections that end at once, then the platform.
    #[test]
    fn b17_the_client_connects_again_until_the_platform_is_there() {
        let sender = Sender::new(KeyType::Ecc);
        let platform = sender.started();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = platform.address;
        std::thread::spawn(move || {
            for _ in 0..3 {
                drop(listener.accept().unwrap());
            }
            let (device, _) = listener.accept().unwrap();
            let platform = TcpStream::connect(to).unwrap();
            let pass = |mut from: TcpStream, mut to: TcpStream| {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                })
            };
            pass(device.try_clone().unwrap(), platform.try_clone().unwrap());
            pass(platform, device);
        });
        let connector = connector(&sender.site, &sender.own, None).unwrap();
        let target = Target { connector, host: "127.0.0.1".to_owned(), port, timeout: SOON };
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(1), ms(50), ms(60_000));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let codes = runtime.block_on(keep_connected(&target, &mut backoff, async |mut client| match client
            .send(message(NAME, "1"))
            .await
        {
            Ok(answers) => {
                ControlFlow::Break(answers.iter().map(|answer| answer.code.as_str()).collect::<Vec<_>>())
            }
            Err(error) => ControlFlow::Continue(error),
        }));
        assert_eq!(codes, ["CA"]);
    }

    // The whole proof, with other peers and each fault, is in `reference_client`.
    #[test]
    fn b18_a_platform_without_the_status_of_each_certificate_is_rejected() {
        let stage = Stage::new(NAME);
        let platform = stage.start();
        let device = stage.device();
        let send = |to: &Platform, more: &[&str]| {
            let path = |path: &Path| path.display().to_string();
            let file = stage.site.path().join("message.hl7");
            std::fs::write(&file, message(NAME, "1")).unwrap();
            let mut words = ["client", "send", "--to"].map(str::to_owned).to_vec();
            words.extend([to.address.to_string(), "--chain".to_owned(), path(&device.chain)]);
            words.extend(["--key".to_owned(), path(&device.key)]);
            let trust = stage.site.trust_anchors();
            words.extend(trust.iter().flat_map(|root| ["--trust".to_owned(), path(root)]));
            words.extend(more.iter().map(|word| (*word).to_owned()));
            words.push(path(&file));
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let (status, stdout, stderr) = Cli::of(&stage.site).try_run(&words);
            (status.code(), stdout, stderr)
        };
        let (exit, stdout, stderr) = send(&platform, &[]);
        assert_eq!(exit, Some(0), "{stdout}{stderr}");
        let quiet = Site::new();
        let silent = quiet.start();
        silent.admit(NAME, &[]);
        let (exit, stdout, stderr) = send(&silent, &[]);
        assert_eq!((exit, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains("no status for CN="), "{stderr}");
        let (exit, stdout, stderr) = send(&silent, &["--staples", "accept"]);
        assert_eq!(exit, Some(0), "{stdout}{stderr}");
        assert!(stderr.contains("stapled no OCSP response"), "it is not silent about that: {stderr}");
    }

    #[test]
    fn b19_an_encrypted_key_and_a_credential_of_systemd_are_used() {
        let sender = Sender::new(KeyType::Ecc);
        let platform = sender.started();
        let file = |name: &str| sender.site.path().join(name);
        let private = |path: &Path| set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(file("passphrase"), "not-a-secret").unwrap();
        let mut openssl = tool("openssl", "openssl");
        openssl.args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:not-a-secret", "-in"]);
        assert!(openssl.arg(&sender.own.key).arg("-out").arg(file("key")).status().unwrap().success());
        private(&file("passphrase"));
        private(&file("key"));
        let to = platform.address.to_string();
        let path = |path: &Path| path.display().to_string();
        let mut words = ["client", "send", "--staples", "accept", "--to", &to].map(str::to_owned).to_vec();
        words.extend(["--chain".to_owned(), path(&sender.own.chain)]);
        let trust = sender.site.trust_anchors();
        words.extend(trust.iter().flat_map(|root| ["--trust".to_owned(), path(root)]));
        words.push(path(&sender.file));
        for (key, passphrase, environment) in [
            (path(&file("key")), path(&file("passphrase")), None),
            ("credential:key".to_owned(), "credential:passphrase".to_owned(), Some(sender.site.path())),
        ] {
            let site = Site::new();
            let site = match environment {
                Some(folder) => site.with_environment("CREDENTIALS_DIRECTORY", folder.to_owned()),
                None => site,
            };
            let keys = ["--key", &key, "--passphrase", &passphrase];
            let words: Vec<_> = words.iter().map(String::as_str).chain(keys).collect();
            let (status, stdout, stderr) = Cli::of(&site).try_run(&words);
            assert_eq!(status.code(), Some(0), "{key}: {stdout}{stderr}");
        }
    }

    #[test]
    fn b19_a_private_key_that_others_may_read_is_not_used() {
        let sender = Sender::new(KeyType::Ecc);
        set_permissions(&sender.own.key, Permissions::from_mode(0o644)).unwrap();
        let (exit, _, stderr) = sender.send("127.0.0.1:1", &sender.site.trust_anchors());
        assert_eq!(exit, Some(1));
        assert!(stderr.contains("chmod 600"), "{stderr}");
    }
}
