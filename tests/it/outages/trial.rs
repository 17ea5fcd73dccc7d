//! Nodes of one store, devices that send to them, and what has to hold after each outage.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};

use super::Plan;
use super::devices::{self, Fleet};
use super::report::{Row, head};
use crate::harness::{Cli, Platform, Site, complaints, eventually};

pub struct Trial {
    pub plan: Plan,
    pub fleet: Fleet,
    sites: Vec<Site>,
    /// None while a node is not there.
    nodes: Vec<Option<Platform>>,
    rows: Vec<Row>,
    store: &'static str,
}

impl Trial {
    /// Starts a node of each site, and admits the devices.
    pub fn start(store: &'static str, sites: Vec<Site>) -> Self {
        let plan = Plan::from_environment();
        let count = if plan.is_full() { 32 } else { 8 };
        let fleet = Fleet::new(&sites[0], count);
        let nodes: Vec<_> = sites.iter().map(|site| Some(site.start())).collect();
        let list = sites[0].path().join("devices.csv");
        let names: Vec<_> = (0..count).map(devices::name).collect();
        std::fs::write(&list, format!("cn\n{}\n", names.join("\n"))).unwrap();
        Cli::without_store(&sites[0]).run(&["device", "import", list.to_str().unwrap()]);
        let trial = Self { plan, fleet, sites, nodes, rows: Vec::new(), store };
        eventually("every node knows the devices", || {
            trial.present().all(|node| node.metric("pcd_directory_devices") == count as f64)
        });
        trial.announce();
        trial
    }

    /// Runs an outage while the devices send, then checks the store.
    pub fn outage(&mut self, name: &'static str, outage: impl FnOnce(&mut Self)) {
        if !self.plan.includes(name) {
            return;
        }
        let (delivered, complained) = (self.fleet.deliveries().len(), self.complaints());
        self.fleet.run();
        std::thread::sleep(BEFORE);
        let began = Instant::now();
        outage(self);
        let ended = Instant::now();
        std::thread::sleep(AFTER);
        self.fleet.rest();
        self.holds(name);
        let deliveries = &self.fleet.deliveries()[delivered..];
        let complaints = self.complaints() - complained;
        let row = Row::new(name, deliveries, [began, ended], complaints);
        if self.rows.is_empty() {
            println!("{}", head(self.store));
        }
        println!("{row}");
        let most = MAX_COMPLAINTS + began.elapsed().as_secs() as usize;
        assert!(complaints <= most, "{name}: the log is flooded with {complaints} lines: {}", self.logs());
        self.rows.push(row);
    }

    /// Every acknowledged message is stored exactly once, the trail verifies, every node is ready.
    fn holds(&self, outage: &str) {
        let acknowledged: Vec<_> = self.fleet.deliveries().into_iter().map(|one| one.message).collect();
        let stored = stored(&self.sites[0]);
        let distinct: BTreeSet<_> = stored.iter().collect();
        assert_eq!(distinct.len(), stored.len(), "{outage}: messages are stored twice");
        let lost: Vec<_> = acknowledged.iter().filter(|message| !distinct.contains(message)).collect();
        assert!(lost.is_empty(), "{outage}: acknowledged and lost: {lost:?}: {}", self.logs());
        assert_eq!(stored.len(), acknowledged.len(), "{outage}: stored and never acknowledged");
        let (status, output, errors) = Cli::without_store(&self.sites[0]).try_run(&["audit", "verify"]);
        assert!(status.success(), "{outage}: {output}{errors}");
        eventually("every node is ready", || self.present().all(|node| node.get("/readyz").0 == 200));
    }

    /// Ends a node with a signal, and waits for its end.
    pub fn end_node(&mut self, number: usize, signal: Signal) {
        let node = self.nodes[number].take().unwrap();
        node.signal(signal);
        let stopped = node.wait();
        if signal == Signal::TERM {
            assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
        }
    }

    /// Starts a node again.
    pub fn start_node(&mut self, number: usize) {
        self.nodes[number] = Some(self.sites[number].start());
        self.announce();
    }

    pub fn node(&self, number: usize) -> &Platform {
        self.nodes[number].as_ref().unwrap()
    }

    pub fn site(&self, number: usize) -> &Site {
        &self.sites[number]
    }

    /// Waits as long as an outage takes; `short` in the suite.
    pub fn wait(&self, short: Duration) {
        std::thread::sleep(self.plan.length(short));
    }

    /// As [`Trial::wait`], and until the platform asks a device to send its message later.
    pub fn wait_for_refusals(&self, short: Duration) {
        let before = self.fleet.refusals();
        self.wait(short);
        eventually("a device is asked to wait", || self.fleet.refusals() > before);
    }

    /// Stops everything gracefully.
    pub fn end(mut self) {
        for number in 0..self.nodes.len() {
            if self.nodes[number].is_some() {
                self.end_node(number, Signal::TERM);
            }
        }
        self.fleet.end();
    }

    fn announce(&self) {
        // A device may try a node that is not there, as in a hospital.
        let addresses: Vec<_> = self.present().map(|node| node.address).collect();
        self.fleet.nodes(&addresses);
    }

    fn present(&self) -> impl Iterator<Item = &Platform> {
        self.nodes.iter().flatten()
    }

    fn logs(&self) -> String {
        let read = |site: &Site| std::fs::read_to_string(site.path().join("log")).unwrap_or_default();
        let text: Vec<_> = self.sites.iter().map(read).collect();
        complaints(&text.concat()).join("\n")
    }

    fn complaints(&self) -> usize {
        self.logs().lines().count()
    }
}

/// Devices and control ids of the stored messages.
pub fn stored(site: &Site) -> Vec<(String, String)> {
    const ALL: &str = "SELECT device, control_id FROM message WHERE rejection IS NULL";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(url) = site.database() {
            let mut store = PgConnection::connect(&url).await.unwrap();
            let rows = sqlx::query(ALL).fetch_all(&mut store).await.unwrap();
            return rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        }
        let url = format!("sqlite://{}?mode=ro", site.path().join("platform.db").display());
        let mut store = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query(ALL).fetch_all(&mut store).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    })
}

/// How long devices send before and after an outage.
const BEFORE: Duration = Duration::from_millis(100);
const AFTER: Duration = Duration::from_millis(150);
/// Warnings and errors of one outage, and one more for each second.
const MAX_COMPLAINTS: usize = 40;
