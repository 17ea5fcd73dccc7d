//! The service manager: what it is informed of (sd_notify(3)), the sockets that it passes (sd_listen_fds(3)),
//! and the units of `deploy/systemd`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};

use crate::harness::{Cli, Device, FaultyDisk, Platform, SOON, Site, binary, eventually, message, tool};

const NAME: &str = "00A037FFFE000001";
/// The time of the watchdog in these tests; reports come three times as often.
const WATCHDOG: Duration = Duration::from_secs(3);

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    received: Vec<String>,
}

impl Manager {
    /// With a watchdog.
    fn of(site: Site) -> (Self, Site) {
        let path = site.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let watchdog = PathBuf::from(WATCHDOG.as_micros().to_string());
        let site = site.with_environment("NOTIFY_SOCKET", path).with_environment("WATCHDOG_USEC", watchdog);
        (Self { socket, received: Vec::new() }, site)
    }

    /// All messages so far.
    fn received(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.received.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        &self.received
    }

    /// Waits for a message with these variables that came behind the first `known` ones; how many there are
    /// then.
    fn wait_for(&mut self, known: usize, variables: &[&str]) -> usize {
        let mut found = None;
        eventually(&format!("the service manager receives {variables:?}"), || {
            let has = |message: &String| variables.iter().all(|text| message.contains(text));
            found = self.received()[known..].iter().position(has);
            found.is_some()
        });
        known + found.unwrap() + 1
    }

    fn count(&mut self, variable: &str) -> usize {
        self.received().iter().filter(|message| message.contains(variable)).count()
    }
}

fn microseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap() / 1000
}

#[test]
fn the_service_manager_learns_of_start_health_reload_and_shutdown() {
    let (mut manager, site) = Manager::of(Site::new());
    let platform = site.start();
    let mut at = manager.wait_for(0, &["READY=1", "STATUS=serving"]);
    assert!(TcpStream::connect(platform.address).is_ok());
    at = manager.wait_for(at, &["WATCHDOG=1", "STATUS=serving: 0 of 0 devices connected"]);
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    at = manager.wait_for(at, &["WATCHDOG=1", "1 of 1 devices connected"]);

    // A good configuration, and one that is refused: both reloads end.
    let file = site.write_configuration();
    let good = std::fs::read_to_string(&file).unwrap();
    for text in [good.clone(), format!("{good}\n[nothing]\n")] {
        std::fs::write(&file, text).unwrap();
        let before = microseconds();
        platform.signal(Signal::HUP);
        at = manager.wait_for(at, &["RELOADING=1", "MONOTONIC_USEC="]);
        let (reloading, after) = (manager.received()[at - 1].clone(), microseconds());
        let stated = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let stated: u64 = stated.parse().unwrap();
        assert!((before..=after).contains(&stated), "{before} {stated} {after}");
        at = manager.wait_for(at, &["READY=1"]);
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(platform.stop().status.code(), Some(0));
    manager.wait_for(at, &["STOPPING=1"]);
}

#[test]
fn the_watchdog_hears_nothing_while_the_store_hangs() {
    let site = Site::new();
    let disk = FaultyDisk::new(site.path());
    let [(library, of), (control, file)] = disk.environment();
    let (mut manager, site) = Manager::of(site.with_environment(library, of).with_environment(control, file));
    let platform = site.start();
    manager.wait_for(0, &["WATCHDOG=1"]);
    // Each flush takes as long as a disk does that does not answer.
    disk.slow_down(HANG);
    // The report of a probe that was answered before may come yet.
    let known = manager.received().len();
    let known = manager.wait_for(known, &["STATUS=the store does not answer"]);
    let began = Instant::now();
    manager.wait_for(known, &["STATUS=the store does not answer"]);
    manager.wait_for(known + 1, &["STATUS=the store does not answer"]);
    let silent = manager.received()[known..].iter().all(|message| !message.contains("WATCHDOG=1"));
    assert!(silent || began.elapsed() > HANG, "{:?}", manager.received());
    disk.recover();
    let known = manager.received().len();
    manager.wait_for(known, &["WATCHDOG=1", "STATUS=serving"]);
    assert_eq!(platform.stop().status.code(), Some(0));
}

/// Another start would not help, and devices are answered.
#[test]
fn the_watchdog_goes_on_while_the_store_fails() {
    let site = Site::new();
    let disk = FaultyDisk::new(site.path());
    let [(library, of), (control, file)] = disk.environment();
    let (mut manager, site) = Manager::of(site.with_environment(library, of).with_environment(control, file));
    let platform = site.start();
    disk.fill("platform.db");
    eventually("the platform is not ready", || platform.get("/readyz").0 == 503);
    let known = manager.count("WATCHDOG=1");
    eventually("the reports go on", || manager.count("WATCHDOG=1") >= known + 3);
    assert_eq!(platform.get("/readyz").0, 503);
}

/// A site that listens at this address.
fn listening_at(address: SocketAddr) -> Site {
    Site::new().with("interface-a", &format!("listen = [\"{address}\"]"))
}

/// A listening socket with the queue that the unit has.
fn passed() -> (TcpListener, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(4096).unwrap();
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn speak(site: &Site, to: SocketAddr, id: &str) {
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect_within(site, to, &own, None, 2 * SOON).unwrap();
    assert_eq!(device.code(message(NAME, id)), "CA");
}

#[test]
fn over_a_restart_with_a_passed_socket_no_connection_is_refused() {
    let (socket, address) = passed();
    let site = listening_at(address).with_passed_socket(socket, "interface-a");
    let platform = site.start();
    assert_eq!(platform.address, address);
    platform.admit(NAME, &[]);
    speak(&site, address, "before");
    let (is_over, site) = (AtomicBool::new(false), &site);
    std::thread::scope(|scope| {
        let attempts = scope.spawn(|| {
            let mut attempts = 0;
            while !is_over.load(Ordering::Relaxed) {
                TcpStream::connect(address).expect("the port is open");
                attempts += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            attempts
        });
        assert_eq!(platform.stop().status.code(), Some(0));
        // No platform runs, and a device connects.
        let waiting = scope.spawn(|| speak(site, address, "between"));
        let queued = TcpStream::connect(address).unwrap();
        let platform = site.start();
        assert_eq!(platform.address, address);
        waiting.join().unwrap();
        drop(queued);
        speak(site, address, "after");
        is_over.store(true, Ordering::Relaxed);
        assert!(attempts.join().unwrap() > 0);
    });
}

#[test]
fn a_passed_socket_that_is_not_the_configured_one_is_named() {
    let stopped = |site: Site| {
        let config = site.write_configuration();
        let mut words = site.launcher().iter();
        let output = Command::new(words.next().unwrap())
            .args(words)
            .arg(crate::harness::program())
            .args(["serve", "--config"])
            .arg(config)
            .stdin(site.stdin())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let ((socket, address), (_other, configured)) = (passed(), passed());
    let (code, stderr) = stopped(listening_at(configured).with_passed_socket(socket, "interface-a"));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains(&address.to_string()) && stderr.contains(&configured.to_string()), "{stderr}");
    let (socket, address) = passed();
    let (code, stderr) = stopped(listening_at(address).with_passed_socket(socket, "pcd-platform.socket"));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("FileDescriptorName=interface-a"), "{stderr}");
}

/// Another account of the machine can take a port while the platform restarts.
#[test]
fn devices_are_served_while_the_ports_of_people_and_probes_are_taken() {
    let ports: Vec<_> = (0..2).map(|_| passed()).collect();
    let [people, probes] = [0, 1].map(|at: usize| ports[at].1);
    let (mut manager, site) = Manager::of(Site::new());
    let site = site
        .with("admin", &format!("listen = \"{people}\""))
        .with("admin", &format!("health-listen = \"{probes}\""));
    Cli::of(&site).run(&["device", "add", NAME]);
    let platform = site.start();
    manager.wait_for(0, &["READY=1"]);
    speak(&site, platform.address, "1");
    let log = platform.log();
    for address in [people, probes] {
        assert!(log.contains(&format!("cannot listen on {address}")), "{log}");
    }
    drop(ports);
    eventually("they are listened on when they are free", || {
        [people, probes].iter().all(|address| TcpStream::connect(address).is_ok())
    });
    // A person at a terminal waits: the start says what is wrong.
    let (socket, people) = passed();
    let (status, _, stderr) =
        Cli::without_store(&Site::new().with("admin", &format!("listen = \"{people}\""))).try_run(&["serve"]);
    assert_eq!(status.code(), Some(69), "{stderr}");
    drop(socket);
}

#[test]
fn systemd_activates_the_platform_by_its_socket() {
    let (socket, address) = passed();
    drop(socket);
    drop(tool("systemd-socket-activate", "systemd"));
    let site = listening_at(address)
        .launched_by(&format!("exec systemd-socket-activate --listen={address} --fdname=interface-a \"$@\""));
    Cli::of(&site).run(&["device", "add", NAME]);
    std::thread::scope(|scope| {
        // It starts the platform for the first connection.
        let device = scope.spawn(|| {
            eventually("systemd listens", || TcpStream::connect(address).is_ok());
            speak(&site, address, "1");
        });
        let platform = site.start();
        assert_eq!(platform.address, address);
        device.join().unwrap();
        assert_eq!(platform.stop().status.code(), Some(0));
    });
}

/// Only the service has its credentials.
#[test]
fn commands_outside_of_the_service_do_not_need_its_credentials() {
    let credentials = tempfile::tempdir().unwrap();
    let site = Site::new();
    let config = std::fs::read_to_string(site.write_configuration()).unwrap();
    let line = config.lines().find(|line| line.starts_with("ecc = ")).unwrap();
    let key = line.split("key = \"").nth(1).unwrap().split('"').next().unwrap();
    let copy = credentials.path().join("platform.ecc.key");
    std::fs::copy(key, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o400)).unwrap();
    let site = site.with("tls", &line.replace(key, "credential:platform.ecc.key"));
    // The platform itself does.
    let (status, _, stderr) = Cli::without_store(&site).try_run(&["serve"]);
    assert!(status.code() == Some(78) && stderr.contains("passed no credentials"), "{stderr}");
    let script = format!("export CREDENTIALS_DIRECTORY={}; exec \"$@\"", credentials.path().display());
    let site = site.launched_by(&script);
    let platform = site.start();
    platform.admit(NAME, &[]);
    let listed = platform.cli().json(&["device", "list"]);
    assert_eq!(listed.len(), 1);
}

/// The units, with a program that exists in the place of the installed one.
fn units() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    let mut units = Vec::new();
    for entry in std::fs::read_dir(shipped).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let text = std::fs::read_to_string(&entry).unwrap();
            let unit = folder.path().join(entry.file_name().unwrap());
            std::fs::write(&unit, text.replace("/usr/bin/pcd-platform", crate::harness::program())).unwrap();
            units.push(unit);
        }
    }
    (folder, units)
}

#[test]
fn the_units_are_verified_by_systemd_without_a_word() {
    let (folder, units) = units();
    assert_eq!(units.len(), 6, "{units:?}");
    let with_drop_in = folder.path().join("pcd-platform.service.d");
    std::fs::create_dir(&with_drop_in).unwrap();
    let verify = || {
        let mut analyze = tool("systemd-analyze", "systemd");
        let output = analyze.args(["verify", "--man=no"]).args(&units).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    assert_eq!(verify(), (true, String::new()));
    // Since version 253.
    let version = tool("systemd-analyze", "systemd").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let number: u32 = version.split_whitespace().nth(1).unwrap().parse().unwrap();
    if number < 253 {
        println!("NOT CHECKED: the drop-in for `systemctl reload`, which systemd {number} does not know");
    } else {
        let drop_in = "deploy/systemd/pcd-platform.service.d/notify-reload.conf";
        let drop_in = Path::new(env!("CARGO_MANIFEST_DIR")).join(drop_in);
        std::fs::copy(drop_in, with_drop_in.join("notify-reload.conf")).unwrap();
        assert_eq!(verify(), (true, String::new()));
    }
}

#[test]
fn the_units_are_hardened() {
    let (_folder, units) = units();
    let services = units.iter().filter(|unit| unit.extension().is_some_and(|end| end == "service"));
    let mut count = 0;
    for unit in services {
        let mut analyze = tool("systemd-analyze", "systemd");
        // An exposure of 1.4.
        analyze.args(["security", "--offline=true", "--threshold=14", "--no-pager"]).arg(unit);
        let output = analyze.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        count += 1;
    }
    assert_eq!(count, 3);
}

/// What the units run exists.
#[test]
fn the_commands_of_the_units_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    for (unit, command) in [
        ("pcd-platform.service", &["serve"][..]),
        ("pcd-platform-backup.service", &["store", "backup"]),
        ("pcd-platform-verify.service", &["store", "check"]),
    ] {
        let text = std::fs::read_to_string(folder.join(unit)).unwrap();
        assert!(text.contains(&format!("/usr/bin/pcd-platform {}", command.join(" "))), "{unit}");
        assert!(binary().args(command).arg("--help").stdout(Stdio::null()).status().unwrap().success());
    }
    // The backup, as its unit runs it.
    let site = Site::new();
    let platform: Platform = site.start();
    let copies = site.path().join("backup");
    std::fs::create_dir(&copies).unwrap();
    let text = std::fs::read_to_string(folder.join("pcd-platform-backup.service")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '")).unwrap();
    let script = line.strip_suffix('\'').unwrap().replace("%%", "%").replace("$$", "$");
    let script = script.replace("/usr/bin/pcd-platform", crate::harness::program());
    let script = script.replace("/var/lib/pcd-platform/backup", copies.to_str().unwrap());
    let config = site.write_configuration();
    let output = Command::new("/bin/sh").args(["-c", &script]).env("PCD_CONFIG", config).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copy = std::fs::read_dir(&copies).unwrap().next().unwrap().unwrap().path();
    assert_eq!(copy.extension().unwrap(), "db");
    drop(platform);
}

/// Longer than a few reports.
const HANG: Duration = Duration::from_secs(15);
