//! `demo`: the first command of a new user. With `--once` it is a smoke test of the whole platform.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{binary, eventually, tool};

#[test]
fn the_demonstration_succeeds_and_prints_its_summary_last() {
    let folder = tempfile::tempdir().unwrap();
    for (round, more) in [
        ("a new folder", None),
        ("a folder that is there already", None),
        // Device, gateway and platform: the gateway refuses, and the platform stores.
        ("a gateway between them", Some("--gateway")),
    ] {
        let demo = ["demo", "--once", "--port", "0", "--admin-port", "0", "--dir"];
        let output = binary().args(demo).arg(folder.path().join("demo")).args(more).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{round}: {text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let expected = json!({
            "sent": 15,
            "acknowledged": 12,
            "stored": 12,
            "refused": { "revoked": 1, "unknown-device": 1, "identity-mismatch": 3 },
        });
        assert_eq!(last, expected, "{round}");
    }
}

/// A running demonstration, and a browser that has opened its link.
struct Demo {
    child: Child,
    jar: PathBuf,
    address: String,
    /// Ends when the demonstration does.
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = binary()
            .args(["demo", "--port", "0", "--admin-port", "0", "--dir"])
            .arg(folder.path().join("demo"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its lines are read until it ends: a full pipe would stop it.
        let (lines, stdout) = (mpsc::channel(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines.0.send(line);
            }
        });
        let link = lines.1.iter().find_map(|line| line.strip_prefix("The pages: ").map(str::to_owned));
        let link = link.expect("the demonstration prints a link");
        let (address, _) = link.split_once("/enter?").unwrap();
        let demo =
            Self { child, jar: folder.path().join("cookies"), address: address.to_owned(), _folder: folder };
        assert_eq!(demo.curl(&[&link]).1, 303);
        demo
    }

    /// The body and the status.
    fn curl(&self, words: &[&str]) -> (String, u16) {
        let mut curl = tool("curl", "curl");
        curl.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
            "--header",
            "Accept: text/html",
        ]);
        let output =
            curl.arg("--cookie").arg(&self.jar).arg("--cookie-jar").arg(&self.jar).args(words).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (body.to_owned(), status.parse().unwrap())
    }

    fn page(&self, path: &str) -> String {
        let (body, status) = self.curl(&[&format!("{}{path}", self.address)]);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The row of the overview with these words in it.
fn has_row(page: &str, words: &[&str]) -> bool {
    page.split("<tr").any(|row| words.iter().all(|word| row.contains(word)))
}

#[test]
fn the_pages_of_the_demonstration_show_within_a_minute_what_happens_to_devices() {
    let demo = Demo::start();
    let started = Instant::now();
    let (pump, monitor) = ("00A037FFFE000002", "00A037FFFE000001");
    let overview = || demo.page("/");
    for (what, words) in [
        ("devices connect", &[monitor, " connected<"][..]),
        ("one is refused, and why", &["00A037FFFE000004", " refused<", "/help/unknown-device"]),
        ("an alarm arrives", &[monitor, " alarm<", "/messages/"]),
        ("a device falls silent", &[pump, " silent<", "/help/device-silent"]),
        ("and comes back", &[pump, " sends again<"]),
    ] {
        eventually(what, || has_row(&overview(), words));
        eprintln!("{what}: {:.1} s after the link was opened", started.elapsed().as_secs_f64());
    }
    // Why the stranger is refused, on its page.
    let stranger = demo.page("/devices/00A037FFFE000004");
    assert!(stranger.contains("device add 00A037FFFE000004"), "{stranger}");
    // The alarm in words, on the page of its message.
    let list = demo.page("/messages?type=PCD-04");
    // The oldest one of the list: its beginning.
    let alarm = list.rsplit("href=\"/messages/").next().unwrap().split('"').next().unwrap();
    let alarm = demo.page(&format!("/messages/{alarm}"));
    assert!(alarm.contains("high") && alarm.contains("165"), "{alarm}");
    // Its values as a plot: a person asks for them, and says why.
    let device = demo.page(&format!("/devices/{monitor}"));
    let token = device.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let origin = format!("Origin: {}", demo.address);
    let (csrf, numbers) = (format!("csrf={token}"), format!("{}/devices/{monitor}/numbers", demo.address));
    let form = ["--header", &origin, "--data", &csrf, "--data", "reason=demonstration", &numbers];
    let (numbers, status) = demo.curl(&form);
    assert!(status == 200 && has_row(&numbers, &["PR (SpO2)", "<svg class=\"plot\""]), "{status}: {numbers}");
}
