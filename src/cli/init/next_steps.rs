//! The configuration that `init` writes, and the page about what to do next.

use std::path::{Path, PathBuf};

use super::arguments::{Arguments, SiteName};
use super::first_device::FIRST_DEVICE;
use super::made::write;
use super::places::Places;
use crate::config::Overrides;
use crate::model::shell_word;
use crate::pki::Issued;

/// The configuration, with the lines about revocation.
pub(super) fn configuration(places: &Places, arguments: &Arguments, revocation: &str) -> String {
    let facility = arguments.site.as_ref().map(SiteName::facility).unwrap_or_default();
    let admins: Vec<_> = arguments.admins.iter().map(|account| format!("\"user:{account}\"")).collect();
    let socket = if places.is_system() { SYSTEM_SOCKET } else { "" };
    include_str!("platform.toml")
        .replace("{facility}", &facility)
        .replace("{admins}", &admins.join(", "))
        .replace("{socket}", socket)
        .replace("{revocation}", revocation)
        .replace("{data}", &places.data_in_configuration())
}

/// `PCD_NODE`, under which `serve` goes on with the audit chain that `init` begins. The other variables name
/// another store, or keys that are not there yet.
pub(super) fn node_of_environment() -> Overrides {
    Overrides { node: Overrides::from_environment().node, ..Overrides::default() }
}

/// What the page about a site with its own PKI names.
pub(super) struct TestSite<'a> {
    pub(super) places: &'a Places,
    pub(super) config: &'a Path,
    pub(super) device: &'a Issued,
    pub(super) trust_anchors: [PathBuf; 2],
    pub(super) message: PathBuf,
}

impl TestSite<'_> {
    /// Writes the page; returns it and the next three commands.
    pub(super) fn write(&self) -> anyhow::Result<(PathBuf, Vec<String>)> {
        let path = |path: &Path| shell_word(&path.display().to_string());
        let words = Words::of(self.places, self.config);
        let trust = self.trust_anchors.each_ref().map(|root| format!("--trust {}", path(root))).join(" ");
        let (chain, key) = (path(&self.device.chain), path(&self.device.key));
        let send = format!(
            "{}pcd-platform client send --to localhost --chain {chain} --key {key} {trust} {}",
            words.sudo,
            path(&self.message)
        );
        let page = words.page();
        let commands = vec![
            words.serve.clone(),
            format!("{send}   # in a second terminal: as the device"),
            format!("{page}   # a link for the browser"),
        ];
        let pki = path(&self.places.dir.join("pki"));
        let text = words.fill(include_str!("next_test.md"));
        let text = text.replace("{data}", &self.places.data_in_configuration());
        let text = text.replace("{send}", &send).replace("{pki}", &pki).replace("{device}", FIRST_DEVICE);
        let next = self.places.dir.join("NEXT.md");
        write(&next, text.as_bytes())?;
        Ok((next, commands))
    }
}

/// Writes the page about a site that waits for certificates; returns it and the next three commands.
pub(super) fn requested(places: &Places, config: &Path) -> anyhow::Result<(PathBuf, Vec<String>)> {
    let words = Words::of(places, config);
    let check = words.as_service("check");
    let commands = vec![
        format!("{check}   # when the certificates are there: says what is missing"),
        words.as_service("device add NAME"),
        words.serve.clone(),
    ];
    let next = places.dir.join("NEXT.md");
    write(&next, words.fill(include_str!("next_request.md")).as_bytes())?;
    Ok((next, commands))
}

/// How commands about the site are written: a package has one site, which they find by themselves, and a
/// service of its own account.
struct Words {
    serve: String,
    sudo: &'static str,
    as_service: &'static str,
    option: String,
    /// How a site with certificates of another CA is made.
    own_ca: &'static str,
    /// What a package leaves to the operator.
    backups: &'static str,
}

impl Words {
    fn of(places: &Places, config: &Path) -> Self {
        if places.is_system() {
            let (sudo, as_service) = ("sudo ", "sudo -u pcd-platform ");
            let serve = "sudo systemctl enable --now pcd-platform".to_owned();
            let own_ca = "pcd-platform init --system --pki request` in its place, with /etc/pcd-platform and \
                          /var/lib/pcd-platform empty again";
            return Self { serve, sudo, as_service, option: String::new(), own_ca, backups: SYSTEM_BACKUPS };
        }
        let option = format!(" --config {}", shell_word(&config.display().to_string()));
        let (serve, own_ca) = (format!("pcd-platform serve{option}"), "pcd-platform init DIR --pki request`");
        Self { serve, sudo: "", as_service: "", option, own_ca, backups: "" }
    }

    /// Without `sudo`: the link counts for a browser of the account that runs the command.
    fn page(&self) -> String {
        format!("pcd-platform page{}", self.option)
    }

    /// A command that opens files of the service while it does not run.
    fn as_service(&self, words: &str) -> String {
        format!("{}pcd-platform {words}{}", self.as_service, self.option)
    }

    fn fill(&self, page: &str) -> String {
        page.replace("{serve}", &self.serve)
            .replace("{page}", &self.page())
            .replace("{check}", &self.as_service("check"))
            .replace("{add}", &self.as_service("device add NAME"))
            .replace("{remove}", &self.as_service(&format!("device remove {FIRST_DEVICE}")))
            .replace("{sudo}", self.sudo)
            .replace("{own-ca}", self.own_ca)
            .replace("{backups}", self.backups)
    }
}

/// No timer is enabled by the installation of a package.
const SYSTEM_BACKUPS: &str = "\
- Switch the nightly copy of the store and its weekly verification on:

      sudo systemctl enable --now pcd-platform-backup.timer pcd-platform-verify.timer

- Members of the group `pcd-operators` may connect to the platform: `sudo adduser ACCOUNT pcd-operators`. What
  each may do is in `[admin.roles]` of `platform.toml`; without a role it is nothing.
- Commands that read the configuration, a key or the store themselves (`check`, `doctor`, `audit verify`, `store
  check`, `store migrate`) run as the account of the service: `sudo -u pcd-platform pcd-platform check`.
";

/// Where people and commands come in to the service of a package.
const SYSTEM_SOCKET: &str = r#"socket = "/run/pcd-platform/admin.sock"
socket-group = "pcd-operators"    # its members may connect; what they may do is below
"#;
