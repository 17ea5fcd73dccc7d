//! A name service that takes questions and never answers.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::{admitted, ask};
use crate::harness::{Device, Site, Wire, message, on_a_network_of_its_own, tool};
use crate::revocation::certificate;

/// By default a question is given up after ten seconds.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:25 attempts:1\n";
/// How long a device waits for its connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(180);

/// Names are asked of a server on this machine.
fn ask_this_machine(folder: &std::path::Path) {
    for (name, text) in [("resolv.conf", RESOLVER), ("nsswitch.conf", "hosts: files dns\n")] {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        let output =
            tool("mount", "mount").arg("--bind").arg(&file).arg(format!("/etc/{name}")).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_name_service_that_hangs_delays_only_who_needs_it() {
    on_a_network_of_its_own(
        "machine::name_service::a_name_service_that_hangs_delays_only_who_needs_it",
        || {
            let site = Site::new()
                // Long, so that a busy machine does in it what is done meanwhile.
                .with("interface-a", "handshake-timeout = \"60s\"")
                .with("revocation", "deadline = \"21s\"")
                .with("revocation", "fetch-timeout = \"20s\"")
                .with("revocation", "allowed-hosts = [\"responder.example\"]");
            ask_this_machine(site.path());
            let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
            let platform = site.start();
            let steady = admitted(&site, &platform, "STEADY");
            let mut open = Wire::connect(&site, platform.address, &steady);
            assert_eq!(ask(&mut open, &message("STEADY", "first")), "CA");
            platform.admit("PROMPT", &[]);
            let prompt = certificate(&site, "PROMPT", &[], &[]);
            let names: Vec<_> = (0..24).map(|number| format!("ASKING-{number}")).collect();
            let devices: Vec<_> = names
                .iter()
                .map(|name| {
                    platform.admit(name, &[]);
                    certificate(&site, name, &["http://responder.example/".to_owned()], &[])
                })
                .collect();
            std::thread::scope(|scope| {
                let attempts: Vec<_> = devices
                    .iter()
                    .zip(&names)
                    .map(|(own, name)| {
                        let (site, platform) = (&site, &platform);
                        scope.spawn(move || {
                            let connected =
                                Device::connect_within(site, platform.address, own, None, CONNECT_TIMEOUT);
                            connected.unwrap().code(message(name, "1"))
                        })
                    })
                    .collect();
                // Another device that needs no name connects while they all wait.
                std::thread::sleep(Duration::from_secs(1));
                let began = Instant::now();
                for number in 0..5 {
                    let mut prompt = Device::connect(&site, platform.address, &prompt).unwrap();
                    assert_eq!(prompt.code(message("PROMPT", &number.to_string())), "CA");
                }
                println!("five connections of a device that needs no name took {:?}", began.elapsed());
                assert!(attempts.iter().all(|attempt| !attempt.is_finished()), "they wait");
                let mut slowest = Duration::ZERO;
                while attempts.iter().any(|attempt| !attempt.is_finished()) {
                    let began = Instant::now();
                    assert_eq!(ask(&mut open, &message("STEADY", &format!("{began:?}"))), "CA");
                    slowest = slowest.max(began.elapsed());
                    std::thread::sleep(Duration::from_millis(50));
                }
                println!("the slowest message of a session beside them took {slowest:?}");
                for attempt in attempts {
                    assert_eq!(attempt.join().unwrap(), "CA", "the installed CRL decides");
                }
            });
            silent.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert!(silent.recv(&mut [0; 512]).is_ok(), "the name was asked for");
            // The threads that still wait for a name do not hold up the end.
            drop(open);
            let began = Instant::now();
            assert!(platform.stop().status.success());
            println!("stopped in {:?}", began.elapsed());
        },
    );
}
