//! The form of the log: its level, the line of a start, colours.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Cli, Site, eventually};

const ESCAPE: char = '\u{1b}';

#[test]
fn a_word_that_is_no_level_is_a_configuration_error() {
    let written = Site::new().with("log", "level = \"loud\"");
    let overridden = Site::new().with_environment("PCD_LOG", PathBuf::from("info,loud"));
    for site in [written, overridden] {
        let (status, stdout, stderr) = Cli::of(&site).try_run(&["serve"]);
        assert_eq!(status.code(), Some(78), "{stderr}");
        for expected in ["log.level", "\"loud\" is not a level", "error, warn, info, debug, trace", "=debug"]
        {
            assert!(stderr.contains(expected), "{expected:?} is not in {stderr}");
        }
        assert_eq!(stdout, "");
    }
}

#[test]
fn one_line_says_what_was_started() {
    let site = Site::new().with("log", "level = \"info,pcd_platform::tls=debug\"");
    let platform = site.start();
    platform.admit("00A037FFFE000001", &[]);
    assert!(platform.stop().status.success());
    let platform = site.start();
    let (address, admin) = (platform.address, platform.admin);
    let log = platform.stop().log;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("platform started")).collect();
    assert_eq!(lines.len(), 2, "one for each start: {log}");
    assert!(lines[0].contains("devices=0") && lines[1].contains("devices=1"), "{lines:?}");
    for expected in [
        " INFO platform started".to_owned(),
        format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
        "commit=".to_owned(),
        "node=".to_owned(),
        "store=sqlite:".to_owned(),
        format!("interface_a=[{address}]"),
        format!("admin={admin}"),
    ] {
        assert!(lines[1].contains(&expected), "{expected:?} is not in {}", lines[1]);
    }
}

#[test]
fn an_error_in_json_names_its_causes() {
    let site = Site::new().with("log", "format = \"json\"");
    let platform = site.start();
    let site = site.with("log", "level = \"loud\"");
    site.write_configuration();
    platform.signal(Signal::HUP);
    eventually("the reload is refused", || platform.log().contains("configuration not reloaded"));
    let log = platform.stop().log;
    let line = log.lines().find(|line| line.contains("configuration not reloaded")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(line["error"].as_str().unwrap().contains("\"loud\" is not a level"), "{line}");
}

#[test]
fn colours_are_for_terminals_only() {
    let site = Site::new();
    site.start().stop();
    let (binary, configuration) = (crate::harness::program(), site.write_configuration());
    let pid = site.path().join("pid");
    // What hangs is ended.
    let serve = format!("timeout 180 {binary} serve --config {}", configuration.display());
    let serve = format!("echo $$ > {}; exec {serve}", pid.display());
    // script(1) runs a command on a terminal of its own.
    let on_terminal = |no_color: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", &serve, "/dev/null"]).env("NO_COLOR", no_color).stdout(Stdio::piped());
        let mut script = script.stdin(Stdio::null()).spawn().unwrap();
        let output = until_started(script.stdout.take().unwrap(), &pid);
        script.wait().unwrap();
        output
    };
    let (coloured, plain) = (on_terminal(""), on_terminal("1"));
    assert!(coloured.contains(STARTED) && coloured.contains(ESCAPE), "{coloured:?}");
    assert!(plain.contains(STARTED) && !plain.contains(ESCAPE), "{plain:?}");
    let mut redirected = Command::new("sh");
    redirected.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = redirected.spawn().unwrap();
    let redirected = until_started(child.stderr.take().unwrap(), &pid);
    child.wait().unwrap();
    assert!(redirected.contains(STARTED) && !redirected.contains(ESCAPE), "{redirected:?}");
}

#[test]
fn the_journal_learns_the_priority_of_each_line() {
    let site = Site::new();
    site.start().stop();
    let (binary, configuration) = (crate::harness::program(), site.write_configuration());
    let pid = site.path().join("pid");
    let log_of = |stream: &str| {
        let serve = format!("timeout 180 {binary} serve --config {}", configuration.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo $$ > {}; JOURNAL_STREAM={stream} exec {serve}", pid.display())]);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let log = until_started(child.stderr.take().unwrap(), &pid);
        child.wait().unwrap();
        log
    };
    let journal = log_of("$(stat -Lc %d:%i /proc/self/fd/2)");
    let started = journal.lines().find(|line| line.contains(STARTED)).unwrap();
    assert!(started.starts_with("<6>"), "{started}");
    // The stream of another process, such as a shell that the service manager has started.
    let other = log_of("1:1");
    let started = other.lines().find(|line| line.contains(STARTED)).unwrap();
    assert!(!started.starts_with('<'), "{started}");
}

const STARTED: &str = "platform started";

/// Ends the process in the file once its output says that it has started; all its output.
fn until_started(mut from: impl Read, pid: &Path) -> String {
    let (mut output, mut chunk, mut is_ended) = (Vec::new(), [0; 4096], false);
    // A terminal whose other side is closed cannot be read.
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        output.extend_from_slice(&chunk[..read]);
        if !is_ended && String::from_utf8_lossy(&output).contains(STARTED) {
            let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
            is_ended = true;
        }
    }
    String::from_utf8_lossy(&output).into_owned()
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let site = Site::new();
    site.start().stop();
    let serve = |stderr: std::process::Stdio| {
        let mut platform = Command::new(crate::harness::program())
            .args(["--json", "serve", "--config"])
            .arg(site.write_configuration())
            .current_dir(site.path())
            .stdout(std::process::Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(platform.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address: std::net::SocketAddr = listening["interface-a"][0].as_str().unwrap().parse().unwrap();
        // A refused peer is a warning in the log.
        drop(std::io::Write::write(&mut std::net::TcpStream::connect(address).unwrap(), b"no TLS"));
        let pid = rustix::process::Pid::from_child(&platform);
        assert_eq!(platform.try_wait().unwrap(), None, "it serves");
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        assert!(platform.wait().unwrap().success());
    };
    serve(std::fs::File::create("/dev/full").unwrap().into());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    serve(writer.into());
}
