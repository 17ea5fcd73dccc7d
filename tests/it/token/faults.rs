//! A token that is slow, fails for a while, or has few sessions: `tests/peers/faulty_token.c`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use super::peer::{acknowledged, exchange};
use super::site::{PIN, module, private, site_with};
use crate::harness::{Credential, Platform, Site, eventually, s_client, tool};

/// The compiled library; compiled once.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faulty_token.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/faulty_token.c");
    let compiled = tool("cc", "build-essential")
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
});

/// Options of a client that needs the RSA key.
const RSA_ONLY: [&str; 3] = ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"];

/// A platform whose keys are in a faulty token.
struct Scene {
    site: Site,
    platform: Platform,
    own: Credential,
}

impl Scene {
    fn new(settings: impl FnOnce(Site) -> Site) -> Self {
        let site = site_with(KeyType::Ecc, "pin", LIBRARY.to_str().unwrap());
        let faults = site.path().join("faults");
        fs::create_dir(&faults).unwrap();
        let site = settings(
            // The handshakes of one address take turns.
            site.with("interface-a", "shared-addresses = [\"127.0.0.1/32\"]")
                // Clients are slow on a busy machine.
                .with("interface-a", "hello-timeout = \"1m\"")
                .with("interface-a", "handshake-timeout = \"2m\"")
                .with_environment("FAULTY_TOKEN", faults)
                .with_environment("FAULTY_TOKEN_LIBRARY", module().into()),
        );
        let platform = site.start();
        platform.admit("DEVICE-1", &[]);
        let own = site.certificate("DEVICE-1", KeyType::Ecc);
        Self { site, platform, own }
    }

    fn fault(&self, name: &str, content: &str) {
        fs::write(self.site.path().join("faults").join(name), content).unwrap();
    }

    fn repair(&self, name: &str) {
        fs::remove_file(self.site.path().join("faults").join(name)).unwrap();
    }

    /// A client; made before any other runs, because each writes the same file of roots.
    fn client(&self, more: &[&str]) -> Command {
        s_client(&self.site, self.platform.address, Some(&self.own), more)
    }

    /// How many slow signatures the token has begun.
    fn signatures(&self) -> u64 {
        let begun = self.site.path().join("faults/begun");
        fs::metadata(begun).map_or(0, |begun| begun.len())
    }

    fn is_acknowledged(&self, id: &str) -> bool {
        exchange(self.client(&["-tls1_3"]), id).is_ok()
    }

    fn reported(&self, text: &str) -> usize {
        self.platform.log().matches(text).count()
    }
}

#[test]
fn a11_slow_signatures_delay_no_handshake_that_needs_none() {
    let scene = Scene::new(|site| {
        // The RSA key is in a file.
        let rsa = site.issue(&CertificateOrder::new("in-a-file", Role::Platform, KeyType::Rsa));
        let line =
            format!("rsa = {{ chain = \"{}\", key = \"{}\" }}", rsa.chain.display(), rsa.key.display());
        site.with("tls", &line)
    });
    acknowledged(&scene.site, &scene.platform, &scene.own, &RSA_ONLY);
    scene.fault("slow", "8000");
    // As many as the key has sessions. Of new handshakes, two for each processor compute at once.
    let slow: Vec<_> = (0..8).map(|_| scene.client(&["-tls1_3"])).collect();
    let fast = scene.client(&RSA_ONLY);
    std::thread::scope(|scope| {
        let start = |(number, client)| scope.spawn(move || exchange(client, &format!("S{number}")));
        let slow: Vec<_> = slow.into_iter().enumerate().map(start).collect();
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        assert_eq!(exchange(fast, "FAST"), Ok(()));
        let took = began.elapsed();
        // Behind a signature it would wait for the rest of the eight seconds. The platform awaits ten.
        assert!(took < Duration::from_secs(6), "it waited for {took:?}");
        // They are made, in the end.
        slow.into_iter().for_each(|slow| assert_eq!(slow.join().unwrap(), Ok(())));
    });
}

/// Passes bytes between one client and the platform.
struct Relay {
    address: SocketAddr,
    /// The client has sent something, each time.
    sent: Receiver<()>,
    /// What the client sends second waits for this.
    release: Sender<()>,
    /// When the platform's flight came.
    answered: Receiver<Instant>,
}

impl Relay {
    fn to(platform: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ((sending, sent), (release, released), (answering, answered)) = (channel(), channel(), channel());
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(platform).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                pass(back, |_, bytes| {
                    // A HelloRetryRequest is shorter.
                    if bytes > 500 {
                        let _ = answering.send(Instant::now());
                    }
                });
            });
            pass((client, server), |number, _| {
                let _ = sending.send(());
                if number == 1 {
                    let _ = released.recv();
                }
            });
        });
        Self { address, sent, release, answered }
    }
}

/// Passes bytes on; `before` each write its number and length.
fn pass((mut from, mut to): (TcpStream, TcpStream), mut before: impl FnMut(usize, usize)) {
    let mut bytes = [0; 16_384];
    for number in 0.. {
        match from.read(&mut bytes) {
            Ok(length @ 1..) => {
                before(number, length);
                if to.write_all(&bytes[..length]).is_err() {
                    return;
                }
            }
            _ => return drop(to.shutdown(std::net::Shutdown::Write)),
        }
    }
}

// RFC 8446 4.1.4: the signature follows the second ClientHello. Otherwise an address could have its turns
// without waiting for them.
#[test]
fn a_handshake_that_asks_for_another_hello_waits_for_its_address_once_more() {
    let scene = Scene::new(|site| site.without("interface-a", "shared-addresses"));
    scene.fault("slow", "2000");
    let [first, second] = [(); 2].map(|()| Relay::to(scene.platform.address));
    let through = |relay: &Relay, groups| {
        scene.client(&["-tls1_3", "-groups", groups, "-connect", &relay.address.to_string()])
    };
    // The platform does not know X448, for which this client sends its key first.
    let (asked, plain) = (through(&second, "X448:P-256"), through(&first, "P-256"));
    first.release.send(()).unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| exchange(asked, "ASKED"));
        for _ in 0..2 {
            second.sent.recv().unwrap();
        }
        let began = Instant::now();
        let plain = scope.spawn(|| exchange(plain, "PLAIN"));
        eventually("the token signs for the other one", || scene.signatures() > 0);
        second.release.send(()).unwrap();
        let took = second.answered.recv().unwrap() - began;
        // The signature of the other one of its address, and then its own.
        assert!(took > Duration::from_millis(3900), "{took:?}");
        assert_eq!([asked.join().unwrap(), plain.join().unwrap()], [Ok(()), Ok(())]);
    });
}

#[test]
fn a11_more_handshakes_than_the_token_has_sessions_all_complete() {
    let scene = Scene::new(|site| site);
    scene.fault("slow", "100");
    let clients: Vec<_> = (0..30).map(|_| scene.client(&["-tls1_3"])).collect();
    std::thread::scope(|scope| {
        let start = |(number, client)| scope.spawn(move || exchange(client, &format!("M{number}")));
        let all: Vec<_> = clients.into_iter().enumerate().map(start).collect();
        all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Ok(())));
    });
}

#[test]
fn a11_a_token_that_fails_for_a_while_is_used_again_without_a_reload() {
    let scene = Scene::new(|site| site);
    assert!(scene.is_acknowledged("1"));
    scene.fault("lost", "");
    scene.fault("no-login", "");
    assert!(!scene.is_acknowledged("F0"));
    let failures = || scene.reported("PKCS#11 token failed to sign");
    assert!(failures() >= 1, "{}", scene.platform.log());
    // Not one line, and not one attempt at the token, for each handshake. The pauses begin with a second,
    // which is less than a handshake may take on a busy machine, and double.
    let (mut attempt, before) = (0, failures());
    eventually("a handshake fails without an attempt at the token", || {
        attempt += 1;
        assert!(!scene.is_acknowledged(&format!("F{attempt}")));
        failures() - before < attempt
    });
    scene.repair("lost");
    scene.repair("no-login");
    let mut attempt = 0;
    eventually("the token signs again", || {
        attempt += 1;
        scene.is_acknowledged(&format!("R{attempt}"))
    });
}

/// A rejected PIN is not tried again, because tokens lock; a corrected file is noticed.
#[test]
fn a11_a_corrected_pin_is_used_without_a_reload() {
    let scene = Scene::new(|site| site);
    // The login of the process ends with its last session, so both keys lose theirs.
    private(&scene.site.path().join("pin"), "314159");
    scene.fault("lost", "");
    scene.fault("no-login", "");
    for more in [&["-tls1_3"][..], &RSA_ONLY] {
        exchange(scene.client(more), "1").unwrap_err();
    }
    scene.repair("lost");
    scene.repair("no-login");
    eventually("the PIN is rejected", || {
        assert!(!scene.is_acknowledged("2"));
        scene.reported("rejects the PIN") > 0
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(!scene.is_acknowledged("3"));
    assert_eq!(scene.reported("rejects the PIN"), 1, "the PIN is tried once: {}", scene.platform.log());
    private(&scene.site.path().join("pin"), PIN);
    let mut attempt = 0;
    eventually("the token signs again", || {
        attempt += 1;
        scene.is_acknowledged(&format!("R{attempt}"))
    });
}
