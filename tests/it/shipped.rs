//! What the project ships has to work as the README says.

use std::path::Path;
use std::process::Command;

fn pcd(folder: &Path, words: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pcd-platform"))
        .args(words.split(' '))
        .current_dir(folder)
        .env_remove("PCD_CONFIG")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{words}: {said}");
    said
}

#[test]
fn the_commands_of_the_readme_lead_to_a_platform_that_checks_out() {
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::copy(project.join("config/platform.toml"), folder.path().join("config/platform.toml")).unwrap();

    let readme = std::fs::read_to_string(project.join("README.md")).unwrap();
    let commands: Vec<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    pcd-platform "))
        .map(|line| line.split('#').next().unwrap().trim())
        .filter(|command| *command != "serve")
        .collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    for command in commands {
        let said = pcd(folder.path(), command);
        // Nobody answers by OCSP for a PKI that was just made.
        let mut warnings = said.lines().filter(|line| line.starts_with("warning"));
        assert!(warnings.all(|line| line.starts_with("warning  staple: there is none")), "{command}: {said}");
    }
    let devices = pcd(folder.path(), "device list");
    assert!(devices.contains("00A037EB2175780F"), "{devices}");
}
