//! The commands of the how-tos, run as they are written.
//!
//! A page that has blocks of the language `console` is followed from its first block to its last, in the
//! folder of a new site. A line after `$ ` is a command, which has to succeed; the lines below it are parts
//! of what it prints.

use std::process::Command;

use super::pages::{Page, pages};
use crate::harness::{binary, program};

/// A command with what it has to print.
struct Step<'a> {
    command: &'a str,
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
    for block in page.text.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command, printed: Vec::new() }),
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
    for Step { command, printed } in steps {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&site).env("PATH", &path).env("PCD_CONFIG", "platform.toml");
        let run = shell.env_remove("PCD_SOCKET").output().unwrap();
        let output = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        assert!(run.status.success(), "{page}: {command}: {}: {output}", run.status);
        for part in printed {
            assert!(output.contains(part), "{page}: {command} does not print {part:?}: {output}");
        }
    }
}
