//! The commands of the how-tos and tutorials, run as they are written.
//!
//! A page that has blocks of the language `console` is followed from its first block to its last, in one
//! shell, in the folder of a new site and on a network of its own, where the ports and the names of the pages
//! are those of the site. A line after `$ ` is a command, which has to succeed; lines after `> `, and those
//! after a backslash, go on with it. The lines below it are parts of what it prints. A word in [`NAMES`]
//! stands for what the command prints at this place of a line, here and in later commands.
//!
//! Blocks of the language `console platform` run while a platform serves the site. Those of `toml FILE` are
//! entered into this file of the site; a platform that runs is started again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::pages::{Page, pages, read};
use crate::harness::{binary, ip, on_a_network_of_its_own, program, tool};

/// Each test follows these pages, one after the other, on one site.
macro_rules! followed {
    ($($test:ident: $($page:literal),+;)+) => {
        $(
            #[test]
            fn $test() {
                let test = concat!("documentation::commands::", stringify!($test));
                on_a_network_of_its_own(test, || follow(&[$($page),+]));
            }
        )+

        const FOLLOWED: &[&[&str]] = &[$(&[$($page),+]),+];
    };
}

followed! {
    a_backup_is_made_and_restored: "docs/howto/backup-and-restore.md";
    certificates_of_another_ca_are_installed: "docs/howto/certificates.md";
    certificates_are_rotated: "docs/howto/rotate-certificates.md";
    devices_are_imported: "docs/howto/devices.md";
    a_device_is_made_with_openssl: "docs/tutorial/first-device-with-openssl.md";
    a_gateway_connects: "docs/tutorial/first-gateway.md";
    a_gateway_is_configured: "docs/howto/gateway.md";
    a_key_is_kept_in_a_token: "docs/howto/hsm.md";
    partners_and_devices_enrol: "docs/howto/enrolment.md";
    hospital_systems_read_with_tokens: "docs/howto/hospital-systems.md", "docs/howto/access-tokens.md";
    partners_are_notified: "docs/howto/hospital-systems.md", "docs/howto/partners.md";
    the_platform_is_watched: "docs/howto/monitoring.md", "docs/howto/incidents.md";
    devices_are_simulated: "docs/howto/simulate.md";
}

#[test]
fn no_page_with_commands_is_left_out() {
    let with_commands = pages().into_iter().filter(|page| !steps(&page.text).is_empty());
    let counts: BTreeMap<String, usize> =
        with_commands.map(|page| (page.path.display().to_string(), steps(&page.text).len())).collect();
    let followed: BTreeSet<String> =
        FOLLOWED.iter().copied().flatten().map(|page| (*page).to_owned()).collect();
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), followed);
    let all: usize = counts.values().sum();
    assert!(all >= MIN_STEPS, "commands have vanished: {all} {counts:?}");
}

/// Where a command stands.
#[derive(Clone, Copy)]
struct Place {
    begins_block: bool,
    needs_platform: bool,
}

/// What a page wants next.
enum Step {
    /// A command, and what it prints.
    Command { text: String, place: Place, printed: Vec<String> },
    /// Lines of the configuration in this file.
    Settings { file: String, lines: String },
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some((indent, language)) = line.split_once("```") else { continue };
        let block: Vec<_> = lines
            .by_ref()
            .map(|line| line.strip_prefix(indent).unwrap_or(line))
            .take_while(|line| *line != "```")
            .collect();
        match language.split_once(' ').unwrap_or((language, "")) {
            ("toml", file) if !file.is_empty() => {
                steps.push(Step::Settings { file: file.to_owned(), lines: block.join("\n") });
            }
            ("console", of @ ("" | "platform")) => {
                commands(&block, Place { begins_block: true, needs_platform: !of.is_empty() }, &mut steps);
            }
            ("console", of) => panic!("no block is console {of}"),
            _ => {}
        }
    }
    steps
}

fn commands(block: &[&str], mut place: Place, steps: &mut Vec<Step>) {
    let mut goes_on = false;
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step::Command { text: command.to_owned(), place, printed: Vec::new() });
            place.begins_block = false;
        } else {
            let Some(Step::Command { text, printed, .. }) = steps.last_mut() else {
                panic!("a block begins with a command: {line}")
            };
            match line.strip_prefix("> ").or(goes_on.then_some(*line)) {
                Some(more) => text.extend(["\n", more]),
                None => printed.push(words(line)),
            }
        }
        goes_on = line.ends_with('\\');
    }
}

/// The words of a line, with one blank between them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn follow(paths: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    name_the_hosts(folder.path());
    let site = folder.path().join("site");
    let mut init = binary();
    init.args(["init", "--site", "General Hospital", "--host", HOST, "--host", "localhost"]).arg(&site);
    let made = init.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut reader = Reader::new(site, folder.path());
    for path in paths {
        let page = Page { path: path.into(), text: read(path) };
        for step in steps(&page.text) {
            match step {
                Step::Settings { file, lines } => reader.enter(&file, &lines),
                Step::Command { text, place, printed } => {
                    if place.needs_platform {
                        reader.serve(place);
                    }
                    reader.run(path, &text, &printed);
                }
            }
        }
    }
}

/// The hosts of the pages are this machine, which has an address in the network of the pages.
fn name_the_hosts(folder: &Path) {
    ip("addr add 10.1.0.20/16 dev lo");
    let hosts = folder.join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n::1 localhost\n10.1.0.20 {HOST}\n")).unwrap();
    let bound = tool("mount", "mount").arg("--bind").arg(&hosts).arg("/etc/hosts").output().unwrap();
    assert!(bound.status.success(), "{}", String::from_utf8_lossy(&bound.stderr));
}

/// A person in front of a shell.
struct Reader {
    site: PathBuf,
    tokens: PathBuf,
    shell: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// The platform in another terminal.
    platform: Option<Child>,
    /// What the words in [`NAMES`] stand for.
    names: BTreeMap<&'static str, String>,
}

impl Reader {
    fn new(site: PathBuf, folder: &Path) -> Self {
        let tokens = folder.join("softhsm2.conf");
        std::fs::create_dir(folder.join("tokens")).unwrap();
        std::fs::write(&tokens, format!("directories.tokendir = {}/tokens\n", folder.display())).unwrap();
        let mut bash = Command::new("timeout");
        bash.arg(MAX_SECONDS.to_string()).args(["bash", "-c", "exec bash 2>&1"]).stdin(Stdio::piped());
        let mut shell = environment(&mut bash, &site, &tokens).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        Self { site, tokens, shell, input, output, platform: None, names: BTreeMap::new() }
    }

    /// Types a command, waits for its end, and looks at what it prints.
    fn run(&mut self, page: &str, command: &str, printed: &[String]) {
        let command = self.on_this_site(command);
        // Its own input is not that of the shell.
        let typed = format!("{{ :\n{command}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?\n");
        self.input.write_all(typed.as_bytes()).unwrap();
        let mut output = Vec::new();
        let (output, status) = loop {
            let mut more = [0; 4096];
            let count = self.output.read(&mut more).unwrap();
            output.extend_from_slice(&more[..count]);
            let text = String::from_utf8_lossy(&output);
            assert!(
                count > 0,
                "{page}: the shell ended, or {MAX_SECONDS} seconds were over: {command}: {text}"
            );
            if let Some((printed, status)) = text.rsplit_once(&format!("\n{END}"))
                && let Some(status) = status.strip_suffix('\n')
            {
                break (printed.to_owned(), status.to_owned());
            }
        };
        assert_eq!(status, "0", "{page}: {command}: {output}");
        for part in printed {
            assert!(self.is_printed(part, &output), "{page}: {command} does not print {part:?}: {output}");
        }
    }

    /// Whether the part is in the output. A part with a name is a whole line, and the name gets its value.
    fn is_printed(&mut self, part: &str, output: &str) -> bool {
        let Some((name, before, after)) = NAMES.iter().find_map(|name| {
            let (before, after) = split_at_word(part, name)?;
            Some((*name, before, after))
        }) else {
            return words(output).contains(part);
        };
        let value = output.lines().map(words).find_map(|line| {
            let value = line.strip_prefix(before)?.strip_suffix(after)?;
            (!value.is_empty() && !value.contains(' ')).then(|| value.to_owned())
        });
        let is_there = value.is_some();
        self.names.extend(value.map(|value| (name, value)));
        is_there
    }

    /// The text with the names, folders and accounts of this site.
    fn on_this_site(&self, text: &str) -> String {
        let site = self.site.display().to_string();
        let mut text = text
            .replace("/etc/pcd-platform", &site)
            .replace("/var/lib/pcd-platform", &format!("{site}/data"))
            .replace("sudo -u pcd-platform ", "")
            // A reader has more time.
            .replace("--for 5m", "--for 5s");
        for (name, value) in &self.names {
            while let Some((before, after)) = split_at_word(&text, name) {
                text = format!("{before}{value}{after}");
            }
        }
        text
    }

    /// Enters settings into a file of the site.
    fn enter(&mut self, file: &str, lines: &str) {
        let file = self.site.join(file);
        let mut settings: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        merge(&mut settings, self.on_this_site(lines).parse().unwrap());
        std::fs::write(&file, toml::to_string(&settings).unwrap()).unwrap();
        self.stop();
    }

    /// The platform runs. From block to block a reader needs the second within which it takes a change over.
    fn serve(&mut self, place: Place) {
        if self.platform.is_some() {
            return if place.begins_block {
                std::thread::sleep(READING_TIME)
            };
        }
        let mut platform = environment(&mut binary(), &self.site, &self.tokens)
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(platform.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening for devices"), "the platform did not start: {line}");
        self.platform = Some(platform);
    }

    fn stop(&mut self) {
        if let Some(mut platform) = self.platform.take() {
            let _ = platform.kill();
            let _ = platform.wait();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A process in the folder of the site, which finds the program, the configuration and the token.
fn environment<'a>(command: &'a mut Command, site: &Path, tokens: &Path) -> &'a mut Command {
    let programs = Path::new(program()).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    command.current_dir(site).env("PATH", path).env("PCD_CONFIG", "platform.toml").env_remove("PCD_SOCKET");
    command.env("SOFTHSM2_CONF", tokens)
}

/// What is before and behind the word in the text.
fn split_at_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(word).find_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let is_word = !before.ends_with(is_of_word) && !after.starts_with(is_of_word);
        is_word.then_some((before, after))
    })
}

fn merge(settings: &mut toml::Table, more: toml::Table) {
    for (key, value) in more {
        match (settings.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(value)) => merge(table, value),
            (_, value) => drop(settings.insert(key, value)),
        }
    }
}

/// The platform of the pages.
const HOST: &str = "platform.hospital.example";

/// Words of the pages that stand for what a command prints.
const NAMES: [&str; 6] = ["OID", "SECRET", "ID", "CODE", "HANDLE", "TOKEN"];

/// The mark behind what a command prints.
const END: &str = "<<end of the command>> ";

/// A change that a command makes in the store counts within a second.
const READING_TIME: Duration = Duration::from_millis(1_100);

/// For all commands of a test.
const MAX_SECONDS: u32 = 240;

/// The commands and settings that the pages have now.
const MIN_STEPS: usize = 166;
