//! `completions` and `man`: what a package installs beside the program.

use std::io::Write as _;

use crate::harness::{binary, command};

#[test]
fn each_shell_gets_completions_that_it_can_read() {
    for (shell, reader) in [("bash", "bash"), ("zsh", ""), ("fish", "")] {
        let output = binary().args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("pcd-platform") && script.contains("reconsider"), "{shell}: {script}");
        if !reader.is_empty() {
            // Longer than an argument may be.
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(script.as_bytes()).unwrap();
            let read = command(reader, "bash").arg("-n").arg(file.path()).output().unwrap();
            assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary().arg("man").arg(folder.path().join("man")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for page in ["pcd-platform.1", "pcd-platform-serve.1", "pcd-platform-device-add.1"] {
        let text = std::fs::read_to_string(folder.path().join("man").join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
}
