//! `completions` and `man`: what a package installs beside the program.

use std::io::Write as _;

use crate::harness::{binary, command};

#[test]
fn each_shell_gets_completions_that_it_can_read() {
    for shell in ["bash", "zsh", "fish"] {
        let output = binary().args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("pcd-platform") && script.contains("reconsider"), "{shell}: {script}");
        // Longer than an argument may be.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(script.as_bytes()).unwrap();
        let read = command(shell, shell).arg("-n").arg(file.path()).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary().arg("man").arg(folder.path().join("man")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reference = include_str!("../../docs/reference/commands.md");
    let commands = reference.lines().filter_map(|line| line.strip_prefix("## pcd-platform "));
    let pages: Vec<_> =
        commands.map(|command| format!("pcd-platform-{}.1", command.replace(' ', "-"))).collect();
    assert!(pages.len() > 50, "{pages:?}");
    for page in pages.iter().map(String::as_str).chain(["pcd-platform.1"]) {
        let text = std::fs::read_to_string(folder.path().join("man").join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
}
