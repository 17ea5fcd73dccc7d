//! What operators ask of commands: what an import changes, where the platform is, what the demonstration
//! shows.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Cli, Site, binary, eventually, tool, where_one_may_mount};

#[test]
fn an_import_says_what_changes_and_the_trail_has_the_entry() {
    let site = Site::new();
    let cli = Cli::of(&site);
    let file = site.path().join("inventory.csv");
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        cli.run(&[&["device", "import", file.to_str().unwrap()], more].concat())
    };
    import("cn,name,ward,serial,speaks-for\nGW-1,Gateway,ICU,4711,\"A1,A2\"\n", &[]);
    let rows = |event: &str| cli.json(&["audit", "list", "--event", event]);
    let added = rows("device-added").remove(0)["details"].clone();
    assert_eq!(
        (&added["name"], &added["ward"], &added["serial"]),
        (&"Gateway".into(), &"ICU".into(), &"4711".into())
    );
    assert_eq!(added["speaks-for"], serde_json::json!(["A1", "A2"]), "two identities, not one with a comma");
    let changed = "cn,name,ward\nGW-1,Gateway,3 West\n";
    let shown = import(changed, &["--update", "--dry-run"]);
    assert_eq!(shown, "GW-1: would be changed: ward: ICU -> 3 West\n");
    assert!(rows("device-changed").is_empty());
    assert_eq!(import(changed, &["--update"]), "GW-1: changed: ward: ICU -> 3 West\n");
    let row = rows("device-changed").remove(0)["details"].clone();
    assert_eq!((&row["ward"], &row["name"]), (&"3 West".into(), &"Gateway".into()), "{row}");
    assert_eq!(import(changed, &["--update", "--dry-run"]), "GW-1: unchanged\n");
    cli.run(&["device", "add", "GW-2", "--speaks-for", "B1,B2"]);
    let listed = cli.json(&["device", "list"]);
    assert_eq!(listed[1]["speaks-for"], serde_json::json!(["B1", "B2"]));
    // What a spreadsheet must not take for a formula comes back as it was.
    cli.run(&["device", "change", "GW-2", "--name", "=1+1"]);
    let csv = cli.run(&["device", "list", "--csv"]);
    assert!(csv.contains("'=1+1"), "{csv}");
    assert!(import(&csv, &["--update", "--dry-run"]).contains("GW-2: unchanged"), "{csv}");
}

#[test]
fn commands_find_the_running_platform_after_its_socket_was_changed_in_the_file() {
    let site = Site::new();
    let [before, after] =
        ["before.sock", "after.sock"].map(|name| site.path().join(name).display().to_string());
    let site = site.with("admin", &format!("socket = \"{before}\""));
    let platform = site.start();
    let file = site.write_configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&before, &after)).unwrap();
    platform.signal(Signal::HUP);
    eventually("the reload is known", || platform.metric("pcd_config_restart_pending") > 0.0);
    for words in [vec!["status"], vec!["device", "list"]] {
        let (status, stdout, stderr) = platform.cli().try_run(&words);
        assert_ne!(status.code(), Some(69), "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains(&before) && stderr.contains("at its next start"), "{words:?}: {stderr}");
    }
    assert_eq!(platform.stop().status.code(), Some(0));
    let (status, _, stderr) = Cli::without_store(&site).try_run(&["status"]);
    assert_eq!((status.code(), stderr.contains("serves the socket")), (Some(69), true), "{stderr}");
}

/// Operators of a packaged site need not read its configuration: without it they learn that no platform runs.
#[test]
fn who_may_not_read_the_configuration_learns_that_no_platform_runs() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    where_one_may_mount("operators::who_may_not_read_the_configuration_learns_that_no_platform_runs", || {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        let [from, to] = ["/etc/.", etc.to_str().unwrap()];
        for words in
            [["cp", "-a", from, to].as_slice(), &["mkdir", "-m", "0750", &format!("{to}/pcd-platform")]]
        {
            assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
        }
        std::fs::write(etc.join("pcd-platform/platform.toml"), "").unwrap();
        std::fs::write(etc.join("program"), "").unwrap();
        let program = etc.join("program").display().to_string();
        for [from, to] in [[crate::harness::program(), program.as_str()], [to, "/etc"]] {
            let mounted = tool("mount", "mount").args(["--rbind", from, to]).status().unwrap();
            assert!(mounted.success(), "{from} at {to}");
        }
        let as_operator = |words: &[&str]| {
            let mut setpriv = tool("setpriv", "util-linux");
            setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "/etc/program"]).args(words);
            let output = setpriv.env_remove("PCD_CONFIG").current_dir("/").output().unwrap();
            let [stdout, stderr] =
                [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            (output.status.code(), stdout, stderr)
        };
        for words in [["status"].as_slice(), &["status", "--ready"], &["device", "list"], &["page"]] {
            let (status, _, stderr) = as_operator(words);
            assert_eq!(status, Some(69), "{words:?}: {stderr}");
            assert!(stderr.contains("is it running? `systemctl status pcd-platform`"), "{words:?}: {stderr}");
        }
        let (status, stdout, stderr) = as_operator(&["status", "--format", "nagios"]);
        assert_eq!(status, Some(3), "{stderr}");
        assert!(stdout.starts_with("UNKNOWN - no platform serves the socket"), "{stdout}");
    });
}

/// What the demonstration proposes to try is seen to heal.
#[test]
fn a_simulated_device_connects_again_after_it_was_suspended_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("demo");
    let mut demo = binary()
        .args(["demo", "--port", "0", "--admin-port", "0", "--dir"])
        .arg(&place)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, printed) = mpsc::channel();
    let (stdout, mut stderr) = (demo.stdout.take().unwrap(), demo.stderr.take().unwrap());
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(lines.send(line)));
    });
    let log = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap());
    let until = |what: &str, text: &str| {
        let started = Instant::now();
        while started.elapsed() < Duration::from_mins(3) {
            match printed.recv_timeout(Duration::from_mins(1)) {
                Ok(line) if line.contains(text) => return,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        panic!("not seen: {what}");
    };
    until("the monitor sends", "PCD-01 about 00A037FFFE000001: CA");
    let config = place.join("platform.toml");
    let run = |words: &[&str]| {
        let output = binary().args(words).arg("--config").arg(&config).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(&["device", "suspend", "00A037FFFE000001"]);
    until("it is refused", &format!("{:34} refused", "monitor, ECC certificate"));
    run(&["device", "resume", "00A037FFFE000001"]);
    until("it sends again", "PCD-01 about 00A037FFFE000001: CA");
    run(&["device", "add", "00A037FFFE000004"]);
    until("the unknown device is admitted", "PCD-01 about 00A037FFFE000004: CA");
    let listed: Vec<u8> = run(&["--json", "device", "list"]);
    assert!(serde_json::Deserializer::from_slice(&listed).into_iter::<Value>().all(|row| row.is_ok()));
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    let log = log.join().unwrap();
    assert!(!log.contains("staple-missing"), "{log}");
}
