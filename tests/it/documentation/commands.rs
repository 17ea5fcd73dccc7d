//! The commands of the how-tos, run as they are written.
//!
//! A page that has blocks of the language `console` is followed from its first block to its last, in the
//! folder of a new site. A line after `$ ` is a command, which has to succeed; the lines below it are parts
//! of what it prints. Blocks of the language `console platform` run while a platform serves the site; it
//! has a port of its own in the place of 2575.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::pages::{Page, pages};
use crate::harness::{binary, program};

/// A command with what it has to print.
struct Step<'a> {
    command: &'a str,
    needs_platform: bool,
    printed: Vec<&'a str>,
}

#[test]
fn the_commands_of_the_how_tos_do_what_the_pages_say() {
    let (mut followed, mut steps) = (0, 0);
    for page in pages() {
        let of_page = read(&page);
        if !of_page.is_empty() {
            follow(&page, &of_page);
            followed += 1;
            steps += of_page.len();
        }
    }
    assert!(followed >= 4 && steps >= 40, "{followed} pages, {steps} commands");
}

fn read(page: &Page) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for block in page.text.split("```console").skip(1) {
        let (language, block) = block.split_once('\n').unwrap();
        let needs_platform = match language {
            "" => false,
            " platform" => true,
            other => panic!("{}: no block is console{other}", page.path.display()),
        };
        let (block, _) = block.split_once("```").unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command, needs_platform, printed: Vec::new() }),
                None => steps.last_mut().expect("a block begins with a command").printed.push(line),
            }
        }
    }
    steps
}

fn follow(page: &Page, steps: &[Step<'_>]) {
    let page = page.path.display();
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    let made = binary()
        .args(["init", "--site", "General Hospital", "--host", "platform.example"])
        .arg(&site)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let programs = std::path::Path::new(program()).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut serving = None;
    for Step { command, needs_platform, printed } in steps {
        let mut command = (*command).to_owned();
        if *needs_platform {
            let Serving { port, .. } = serving.get_or_insert_with(|| Serving::start(&site));
            command = command.replace("localhost:2575", &format!("localhost:{port}"));
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(&site).env("PATH", &path).env("PCD_CONFIG", "platform.toml");
        let run = shell.env_remove("PCD_SOCKET").output().unwrap();
        let output = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        assert!(run.status.success(), "{page}: {command}: {}: {output}", run.status);
        for part in printed {
            assert!(output.contains(part), "{page}: {command} does not print {part:?}: {output}");
        }
    }
}

/// A platform that serves the site of a page until it is dropped.
struct Serving {
    platform: Child,
    port: u16,
}

impl Serving {
    fn start(site: &Path) -> Self {
        let configuration = site.join("platform.toml");
        let text = std::fs::read_to_string(&configuration).unwrap();
        let text = text.replace("[::]:2575", "127.0.0.1:0").replace("127.0.0.1:9575", "127.0.0.1:0");
        std::fs::write(&configuration, text).unwrap();
        let mut platform = binary();
        platform
            .args(["--json", "serve", "--config"])
            .arg(&configuration)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut platform = platform.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(platform.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line).unwrap();
        let address: SocketAddr = listening["interface-a"][0].as_str().unwrap().parse().unwrap();
        Self { platform, port: address.port() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.platform.kill();
        let _ = self.platform.wait();
    }
}
