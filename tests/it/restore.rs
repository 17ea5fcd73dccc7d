//! A restore drill on each store: devices send, the operator makes a backup, the store is destroyed, and the
//! steps of `docs/howto/backup-and-restore.md` bring it back, word by word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::cluster::programs;
use crate::harness::{Cli, Platform, Site, Wire, eventually, field};
use crate::outages::devices::{self, Fleet};
use crate::outages::servers::Servers;
use crate::outages::trial::stored;
use crate::southbound::{answer, order};

/// A device that takes orders.
const ORDERED: &str = "00A037FFFE000001";
/// A device that is suspended after the backup.
const SUSPENDED: &str = "SUSPENDED-LATER";
const DEVICES: usize = 4;

/// The steps of the page, one block each, in their order.
struct Steps(Vec<String>);

impl Steps {
    fn read() -> Self {
        let page = include_str!("../../docs/howto/backup-and-restore.md");
        let blocks = page.split("```sh\n").skip(1);
        Self(blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect())
    }

    /// The block that contains `text`.
    fn block(&self, text: &str) -> &str {
        let mut found = self.0.iter().filter(|block| block.contains(text));
        let block = found.next().expect(text);
        assert!(found.next().is_none(), "two blocks contain {text}");
        block
    }
}

/// A store that is backed up, destroyed and restored.
struct Drill {
    site: Site,
    fleet: Fleet,
    backup: tempfile::TempDir,
    steps: Steps,
    /// URLs of the server, for the steps.
    environment: Vec<(&'static str, String)>,
}

impl Drill {
    fn new(site: Site, environment: Vec<(&'static str, String)>) -> Self {
        let fleet = Fleet::new(&site, DEVICES);
        Self { site, fleet, backup: tempfile::tempdir().unwrap(), steps: Steps::read(), environment }
    }

    /// Does the steps of a block of the page, in the folder of the store; what they print.
    fn follow(&self, text: &str) -> String {
        let folder = |program: &Path| program.parent().unwrap().display().to_string();
        let path = [
            folder(Path::new(crate::harness::program())),
            programs().display().to_string(),
            std::env::var("PATH").unwrap(),
        ];
        let script =
            self.steps.block(text).replace("/backup/", &format!("{}/", self.backup.path().display()));
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(self.site.path())
            .env("PATH", path.join(":"))
            .env("PCD_CONFIG", self.configuration())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{script}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn configuration(&self) -> PathBuf {
        self.site.path().join("platform.toml")
    }

    fn cli(&self) -> Cli {
        Cli::without_store(&self.site)
    }

    fn acknowledged(&self) -> BTreeSet<(String, String)> {
        self.fleet.deliveries().into_iter().map(|delivery| delivery.message).collect()
    }

    /// Lets the devices send for a moment.
    fn send(&self) {
        self.fleet.run();
        let before = self.fleet.deliveries().len();
        eventually("messages arrive", || self.fleet.deliveries().len() > before + 20);
    }

    /// Starts the platform; `DEVICES` send to it, and one takes orders.
    fn start(&self) -> Platform {
        let platform = self.site.start();
        self.fleet.nodes(&[platform.address]);
        platform
    }

    fn connect(&self, platform: &Platform) -> Wire {
        Wire::connect(&self.site, platform.address, &self.site.certificate(ORDERED, KeyType::Ecc))
    }

    /// The whole drill. `destroy` damages the store of a platform that is stopped.
    fn run(self, back_up: &str, restore: &str, destroy: impl FnOnce(&Site)) {
        let platform = self.start();
        let names: Vec<_> = (0..DEVICES).map(devices::name).collect();
        for name in names.iter().map(String::as_str).chain([ORDERED, SUSPENDED]) {
            platform.cli().run(&["device", "add", name]);
        }
        let file = self.site.path().join("order.hl7");
        std::fs::write(&file, order("ORDER-1", "AL", "")).unwrap();
        platform.cli().run(&[
            "order",
            "send",
            ORDERED,
            file.to_str().unwrap(),
            "--no-wait",
            "--within",
            "7d",
        ]);
        self.send();
        let before = self.acknowledged();
        self.follow(back_up);
        self.send();
        self.fleet.rest();
        // What the backup does not have: an order that the device carried out, and a device that may no
        // longer connect.
        let mut wire = self.connect(&platform);
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER-1");
        wire.write(&answer("ACK^O15^ACK", "ORDER-1", "CA", "A-1"));
        eventually("the order is settled", || waiting(&self.cli()).is_empty());
        platform.cli().run(&["device", "suspend", SUSPENDED]);
        assert_eq!(platform.stop().status.code(), Some(0));
        let (all, contents) = (self.acknowledged(), self.contents());

        destroy(&self.site);
        let (status, _, _) = self.cli().try_run(&["store", "check"]);
        assert!(!status.success(), "the store is destroyed");
        self.follow(restore);
        let (exit, _, stderr) = self.cli().try_run(&["serve"]);
        assert_eq!(exit.code(), Some(78), "{stderr}");
        assert!(stderr.contains("the store went back") && stderr.contains("audit accept-end"), "{stderr}");
        self.stays_as_it_was_found();
        self.follow("audit accept-end");

        let restored: BTreeSet<_> = stored(&self.site).into_iter().collect();
        let lost: Vec<_> = before.difference(&restored).collect();
        assert!(lost.is_empty(), "acknowledged before the backup, and lost: {lost:?}");
        assert!(restored.is_subset(&all));
        let differing: Vec<_> = self.contents().difference(&contents).cloned().collect();
        assert!(differing.is_empty(), "{differing:?}");
        self.goes_on(restored.len());
    }

    /// However often an operator looks, and whatever is tried: the finding stays.
    fn stays_as_it_was_found(&self) {
        let rows = |cli: &Cli| cli.json(&["audit", "list", "--limit", "100000"]).len();
        let before = rows(&self.cli());
        for _ in 0..2 {
            for (words, exit) in [
                (&["audit", "verify"][..], 1),
                (&["store", "check"], 1),
                (&["check"], 1),
                (&["device", "resume", SUSPENDED], 78),
                (&["message", "export"], 78),
                (&["audit", "export"], 78),
            ] {
                let (status, stdout, stderr) = self.cli().try_run(words);
                assert_eq!(status.code(), Some(exit), "{words:?}: {stdout}{stderr}");
                assert!(!words.contains(&"export") || stdout.is_empty(), "{words:?} shows nothing");
            }
        }
        assert_eq!(rows(&self.cli()), before, "no row was written");
        let (_, _, stderr) = self.cli().try_run(&["serve"]);
        assert!(stderr.contains("the store went back"), "{stderr}");
    }

    /// After the restore: what the page says about orders and devices, and everything works.
    fn goes_on(self, restored: usize) {
        let listed = self.follow("order list --waiting");
        let [order] = &waiting(&self.cli())[..] else { panic!("the order waits again: {listed}") };
        let id = order["id"].as_str().unwrap();
        assert!(listed.contains(id), "{listed}");
        self.cli().run(&["order", "withdraw", id]);
        let devices = self.cli().json(&["device", "list"]);
        let device = devices.iter().find(|device| device["cn"] == SUSPENDED);
        assert!(device.is_some_and(|device| device["status"] == "active"), "{devices:?}");
        self.cli().run(&["device", "suspend", SUSPENDED]);

        let platform = self.start();
        self.send();
        let mut wire = self.connect(&platform);
        assert!(wire.is_quiet(Duration::from_millis(300)), "a withdrawn order is not sent again");
        self.fleet.rest();
        let now = stored(&self.site);
        assert_eq!(now.iter().collect::<BTreeSet<_>>().len(), now.len(), "nothing is stored twice");
        assert!(now.len() >= restored + 20);
        assert_eq!(platform.stop().status.code(), Some(0));
        let (status, output, _) = self.cli().try_run(&["audit", "verify"]);
        assert!(status.success(), "{output}");
        self.fleet.end();
    }

    /// Every message as it is exported: its bytes, its acknowledgement, everything.
    fn contents(&self) -> BTreeSet<String> {
        let exported = self.cli().run(&["message", "export"]);
        exported.lines().map(str::to_owned).collect()
    }
}

fn waiting(cli: &Cli) -> Vec<Value> {
    cli.json(&["order", "list", "--waiting"])
}

#[test]
fn a_store_in_a_file_is_restored_from_store_backup() {
    let drill = Drill::new(Site::new(), Vec::new());
    drill.run("store backup", "mkdir damaged", |site| {
        std::fs::write(site.path().join("platform.db"), b"what a broken disk returns").unwrap();
    });
}

#[test]
fn a_store_on_postgresql_is_restored_from_pg_dump() {
    let servers = Servers::start();
    // As docs/howto/postgresql.md has it: one role owns the tables, another one serves.
    servers.sql("CREATE ROLE pcd_owner LOGIN");
    servers.sql("ALTER DATABASE pcd OWNER TO pcd_owner");
    let owner = Site::of_database(&servers.url_of("pcd_owner", "pcd"));
    Cli::without_store(&owner).run(&["store", "migrate"]);
    servers.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pcd");
    let environment = vec![
        ("OWNER_URL", servers.url_of("pcd_owner", "pcd")),
        ("ADMIN_URL", servers.url_of("postgres", "postgres")),
    ];
    let site = Site::of_database(&servers.url()).with("store", "node = \"ward-a\"");
    Drill::new(site, environment).run("pg_dump", "pg_restore", |_| {
        servers.sql("DROP TABLE message, audit CASCADE");
    });
}
