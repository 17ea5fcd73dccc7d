//! The shipped files and the README's commands work.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use pcd_platform::audit::Event;
use pcd_platform::finding::{Code, SetupCode, help_pages};
use pcd_platform::hl7::{Rejection, Warning};
use pcd_platform::http::Problem;
use pcd_platform::mllp::Deviation;
use pcd_platform::model::{Refusal, StoreRisk};

use crate::harness::program;

fn pcd(folder: &Path, words: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pcd-platform"))
        .args(words.split(' '))
        .current_dir(folder)
        .env_remove("PCD_CONFIG")
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert!(output.status.success(), "{words}: {printed}");
    printed
}

#[test]
fn the_commands_of_the_readme_lead_to_a_platform_that_checks_out() {
    let folder = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let commands: Vec<_> = readme.lines().filter(|line| line.starts_with("    pcd-platform ")).collect();
    assert_eq!(commands.len(), 1, "{commands:?}");
    let path = Path::new(program()).parent().unwrap().display();
    let line = format!("PATH={path}:$PATH; cd '{}' && {}", folder.path().display(), commands[0].trim());
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let site = folder.path().join("site");
    let found = pcd(&site, "check --config platform.toml");
    assert!(found.lines().all(|line| line.starts_with("ok ")), "{found}");
    let devices = pcd(&site, "device list --config platform.toml");
    assert!(devices.contains("00A037EB2175780F"), "{devices}");
}

#[test]
fn the_documentation_lists_every_audit_event_every_refusal_and_every_risk() {
    let page = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
    };
    let (audit, interface_a, store) =
        (page("explanation/audit.md"), page("reference/interface-a.md"), page("reference/store.md"));
    for risk in StoreRisk::ALL {
        assert!(store.contains(&format!("| `{}` |", risk.code())), "docs/reference/store.md lacks {risk:?}");
    }
    for event in Event::NAMES {
        // A row lists related events as `device-added`, `-changed`.
        let listed = event.match_indices('-').any(|(at, _)| audit.contains(&format!("`{}`", &event[at..])));
        assert!(listed || audit.contains(&format!("`{event}`")), "docs/explanation/audit.md lacks {event}");
    }
    for refusal in Refusal::ALL {
        assert!(
            interface_a.contains(&format!("`{}`", refusal.code())),
            "docs/reference/interface-a.md lacks {refusal:?}"
        );
    }
}

#[test]
fn every_code_that_an_operator_meets_has_a_help_page_that_the_program_prints() {
    let codes = Code::ALL.iter().map(|code| code.code());
    let codes = codes.chain(SetupCode::ALL.iter().map(|code| code.code()));
    let codes = codes.chain(Refusal::ALL.iter().map(|refusal| refusal.code()));
    let codes = codes.chain(StoreRisk::ALL.iter().map(|risk| risk.code()));
    let codes = codes.chain(Warning::ALL.iter().map(|warning| warning.code()));
    let codes = codes.chain(Problem::CODES);
    let codes = codes.chain(Deviation::ALL.iter().map(|deviation| deviation.code()));
    let codes = codes.chain(Rejection::codes()).map(str::to_owned);
    let codes: BTreeSet<_> = codes.chain(message_codes()).collect();
    let pages: BTreeSet<_> = help_pages().iter().map(|page| page.code.to_owned()).collect();
    assert_eq!(pages, codes);

    let folder = tempfile::tempdir().unwrap();
    let printed = pcd(folder.path(), "help unknown-device");
    assert!(printed.starts_with("# unknown-device\n"), "{printed}");
    assert!(printed.contains("pcd-platform device add CN"), "{printed}");
    assert!(pcd(folder.path(), "help device add").contains("--speaks-for"));
    assert_eq!(pcd(folder.path(), "help").lines().count(), pages.len());
    // What hospital systems and partners are answered is explained by the tables of the how-tos.
    let other = pcd(folder.path(), "help other-network");
    assert!(other.starts_with("other-network, in an answer with status 403"), "{other}");
    assert!(
        other.contains("organisation change") && other.contains("docs/howto/hospital-systems.md"),
        "{other}"
    );
    let both = pcd(folder.path(), "help revocation-undetermined");
    assert!(both.starts_with("# revocation-undetermined\n") && both.contains("status 401"), "{both}");
}

/// The warnings about the content of a message: the rules of the profiles, and what the checks of a message
/// add.
fn message_codes() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let texts = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        code.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let is_code = |text: &String| {
        text.contains('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && text != "-"
    };
    let areas = [
        "alert-", "msh-", "obr-", "obx-", "orc-", "order-", "patient-", "pid-", "rxg-", "rxr-", "segment-",
        "time-",
    ];
    let profile = std::fs::read_dir(source.join("pcd/profile")).unwrap().map(|entry| entry.unwrap().path());
    let rules = profile.filter(|file| !file.ends_with("tests.rs")).flat_map(|file| texts(&file));
    let rules = rules.filter(|text| areas.iter().any(|area| text.starts_with(area)));
    let checks = ["checks.rs", "mod.rs", "reading.rs"].into_iter();
    let checks = checks.flat_map(|file| texts(&source.join("interface_a/inbound").join(file)));
    let stored = ["control-id-reused", "cut", "reconsidered"].map(str::to_owned);
    let found: BTreeSet<_> =
        rules.chain(checks).filter(is_code).chain(stored).filter(|code| code != "pcd-platform").collect();
    assert!(found.len() > 70, "{found:?}");
    found
}

/// A step that an operator is sent to has to exist.
#[test]
fn every_command_that_a_help_page_names_exists() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts: Vec<_> = help_pages().iter().map(|page| page.text.replace('\n', " ")).collect();
    texts.extend(Code::ALL.iter().map(|code| code.what_to_do().to_owned()));
    let (mut usages, mut named) = (std::collections::BTreeMap::new(), 0);
    for text in texts {
        for command in text.split("`pcd-platform ").skip(1).filter_map(|rest| rest.split('`').next()) {
            let words: Vec<_> = command.split_whitespace().collect();
            let is_word =
                |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
            let path = words.iter().take_while(|word| !word.starts_with('-')).take_while(is_word);
            let path = path.copied().collect::<Vec<_>>().join(" ");
            if path == "help" {
                continue;
            }
            let topic = if path.starts_with("help ") { path.clone() } else { format!("help {path}") };
            let usage = usages.entry(topic.clone()).or_insert_with(|| pcd(folder.path(), &topic));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(usage.contains(option), "{command:?}: {path:?} has no {option}");
            }
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

/// A gauge that stays at zero because nothing looks says that all is well.
#[test]
fn every_code_of_a_finding_is_found_by_the_examination() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app");
    let sources = std::fs::read_dir(app.join("findings")).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = sources
        .chain([app.join("last_reload.rs")])
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for code in Code::ALL {
        let made = [format!("{code:?} {{"), format!("{code:?}::default()")];
        assert!(made.iter().any(|made| sources.contains(made)), "nothing finds {code}");
    }
}
