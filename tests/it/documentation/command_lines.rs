//! Every command line of the pages, also of those that no test can follow: engines of containers, clusters,
//! packages.

use super::pages::project;
use crate::harness::{command_at, finish};

#[test]
fn every_command_line_of_the_pages_names_what_exists() {
    let python = project().join("target/peers/python/bin/python");
    assert!(python.is_file(), "the peers are not installed: tests/run does it");
    let mut reader = command_at(&python);
    reader.arg(project().join("tests/peers/command_lines.py")).arg(project());
    let finished = finish(reader, b"", None);
    assert!(finished.success, "{}", finished.text());
    let text = String::from_utf8(finished.stdout).unwrap();
    let count: usize = text.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= MIN_COMMANDS, "commands have vanished: {text}");
}

/// The commands that the pages have now.
const MIN_COMMANDS: usize = 375;
