//! The course of events.

use super::database::{Database, ratio};
use super::device::Device;
use super::node::Node;
use super::options::Options;
use super::queue::{Calendar, Random};
use super::summary::Summary;

/// What happens after a third of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incident {
    Nothing,
    /// Each device loses its session at once, as when a switch restarts.
    AllDevices,
    /// These nodes are lost. Their devices notice it at once (RST), or after their timeout (`silent`).
    Nodes {
        lost: u64,
        silent: bool,
    },
    DatabaseAway,
}

/// A device that waits for an acknowledgement as long as this takes its connection for dead.
const TIMEOUT: u64 = 30_000_000;

impl Incident {
    pub(crate) fn all(options: &Options) -> Vec<Self> {
        let mut all = vec![Self::Nothing, Self::AllDevices];
        if options.nodes > 1 {
            all.push(Self::Nodes { lost: 1, silent: false });
            all.push(Self::Nodes { lost: 1, silent: true });
        }
        if options.nodes > 3 {
            all.push(Self::Nodes { lost: options.nodes / 2, silent: false });
        }
        all.push(Self::DatabaseAway);
        all
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::AllDevices => "all devices lose their session",
            Self::Nodes { lost: 1, silent: false } => "a node ends",
            Self::Nodes { silent: true, .. } => "a node falls silent",
            Self::Nodes { .. } => "half of the nodes end",
            Self::DatabaseAway => "the database fails over",
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Connect { device: usize, epoch: u64 },
    Connected { device: usize, node: usize, epoch: u64 },
    Send { device: usize, epoch: u64 },
    Read { device: usize, node: usize, epoch: u64 },
    Durable { node: usize, batch: Vec<(usize, u64)> },
    Failed { node: usize, batch: Vec<(usize, u64)> },
    Timeout { device: usize, epoch: u64 },
    Incident,
}

pub(crate) struct Simulation<'a> {
    options: &'a Options,
    incident: Incident,
    calendar: Calendar<Event>,
    random: Random,
    database: Database,
    nodes: Vec<Node>,
    devices: Vec<Device>,
    summary: Summary,
    happened: Option<u64>,
    away: u64,
}

impl<'a> Simulation<'a> {
    pub(crate) fn new(options: &'a Options, incident: Incident) -> Self {
        let mut random = Random::new(options.seed);
        let mut calendar = Calendar::new();
        // They come one after the other at first: what is looked at begins later.
        let spread = (options.length / 6).max(options.interval);
        let devices = (0..options.devices)
            .map(|number| {
                let first = random.below(spread);
                let device = usize::try_from(number).expect("a number of devices");
                calendar.enter(first, Event::Connect { device, epoch: 0 });
                Device::new(number, first)
            })
            .collect();
        calendar.enter(options.length / 3, Event::Incident);
        Self {
            options,
            incident,
            calendar,
            random,
            database: Database::new(options),
            nodes: (0..options.nodes).map(|_| Node::new(options.node_cores)).collect(),
            devices,
            summary: Summary::default(),
            happened: None,
            away: 0,
        }
    }

    pub(crate) fn run(mut self) -> Summary {
        while let Some((now, event)) = self.calendar.next() {
            if now > self.options.length {
                break;
            }
            self.happen(now, event);
        }
        self.summary.batches = self.database.batches;
        self.summary.database_load = self.database.load(self.options.database_cores, self.options.length);
        let busiest = self.nodes.iter().map(|node| node.cores.used).max().unwrap_or(0);
        self.summary.node_load = ratio(busiest, self.options.node_cores * self.options.length);
        self.summary
    }

    fn happen(&mut self, now: u64, event: Event) {
        match event {
            Event::Connect { device, epoch } => {
                if self.devices[device].epoch == epoch {
                    self.connect(now, device, epoch);
                }
            }
            Event::Connected { device, node, epoch } => self.connected(now, device, node, epoch),
            Event::Send { device, epoch } => self.send(now, device, epoch),
            Event::Read { device, node, epoch } => {
                if self.nodes[node].is_up && self.devices[device].epoch == epoch {
                    self.nodes[node].wait(device, epoch);
                    self.write(now, node);
                }
            }
            Event::Durable { node, batch } => self.durable(now, node, batch),
            Event::Failed { node, batch } => self.failed(now, node, batch),
            Event::Timeout { device, epoch } => {
                if self.devices[device].epoch == epoch {
                    self.lose(now, device);
                }
            }
            Event::Incident => self.strike(now),
        }
    }

    /// The balancer knows which nodes are up; a node that fell silent, it does not for a moment.
    fn connect(&mut self, now: u64, device: usize, epoch: u64) {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up).collect();
        let any = self.random.below(u64::try_from(up.len()).unwrap_or(u64::MAX));
        let node = usize::try_from(any).ok().and_then(|any| up.get(any).copied());
        let Some(node) = node else {
            return self.lose(now, device);
        };
        let done = self.nodes[node].cores.work(now, self.options.node_session);
        self.database.register(now);
        self.calendar.enter(done + self.options.round_trip, Event::Connected { device, node, epoch });
    }

    fn connected(&mut self, now: u64, device: usize, node: usize, epoch: u64) {
        let state = &mut self.devices[device];
        if state.epoch != epoch {
            return;
        }
        if !self.nodes[node].is_up {
            return self.lose(now, device);
        }
        state.node = Some(node);
        state.connected = now;
        if let Some(happened) = self.happened
            && self.away > 0
        {
            self.away -= 1;
            if self.away == 0 {
                self.summary.back = Some(now - happened);
            }
        }
        let at = now.max(state.due);
        self.calendar.enter(at, Event::Send { device, epoch });
    }

    fn send(&mut self, now: u64, device: usize, epoch: u64) {
        let state = &self.devices[device];
        let Some(node) = state.node.filter(|_| state.epoch == epoch) else { return };
        self.calendar.enter(now + TIMEOUT, Event::Timeout { device, epoch });
        if self.nodes[node].is_up {
            let done = self.nodes[node].cores.work(now, self.options.node_message);
            self.calendar.enter(done, Event::Read { device, node, epoch });
        }
    }

    fn write(&mut self, now: u64, node: usize) {
        while let Some(batch) = self.nodes[node].batch() {
            let messages = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            if self.database.is_away(now) {
                self.calendar.enter(now + self.options.round_trip, Event::Failed { node, batch });
            } else {
                let durable = self.database.commit(now + self.options.round_trip / 2, messages);
                // The batch is read back before it is answered.
                let at = durable + self.options.round_trip * 5 / 2;
                self.calendar.enter(at, Event::Durable { node, batch });
            }
        }
    }

    fn durable(&mut self, now: u64, node: usize, batch: Vec<(usize, u64)>) {
        if !self.nodes[node].is_up {
            return;
        }
        if self.incident == Incident::DatabaseAway && self.database.is_away(now) {
            return self.failed(now, node, batch);
        }
        self.nodes[node].settle();
        for (device, epoch) in batch {
            let state = &mut self.devices[device];
            if state.epoch != epoch {
                continue;
            }
            self.summary.acknowledged += 1;
            let latency = now - state.due;
            if let Some(happened) = self.happened {
                self.summary.latencies.push(latency);
                if latency > 1_000_000 {
                    self.summary.caught_up = Some(now - happened);
                }
            }
            state.epoch += 1;
            state.due += self.options.interval;
            let (at, epoch) = (now.max(state.due), state.epoch);
            self.calendar.enter(at, Event::Send { device, epoch });
        }
        self.write(now, node);
    }

    /// The store failed: a negative acknowledgement, and the device sends the message again.
    fn failed(&mut self, now: u64, node: usize, batch: Vec<(usize, u64)>) {
        self.nodes[node].settle();
        for (device, epoch) in batch {
            let state = &mut self.devices[device];
            if state.epoch == epoch && state.node == Some(node) {
                state.epoch += 1;
                let epoch = state.epoch;
                let repeat = self.options.repeat / 2 + self.random.below(self.options.repeat);
                self.calendar.enter(now + repeat, Event::Send { device, epoch });
            }
        }
        self.write(now, node);
    }

    fn lose(&mut self, now: u64, device: usize) {
        let wait = self.devices[device].wait(now);
        let epoch = self.devices[device].epoch;
        self.calendar.enter(now + wait, Event::Connect { device, epoch });
    }

    fn strike(&mut self, now: u64) {
        self.happened = Some(now);
        match self.incident {
            Incident::Nothing => {}
            Incident::DatabaseAway => self.database.fail(now + self.options.failover),
            Incident::AllDevices => {
                self.away = self.options.devices;
                (0..self.devices.len()).for_each(|device| self.lose(now, device));
            }
            Incident::Nodes { lost, silent } => self.stop(now, lost, silent),
        }
    }

    fn stop(&mut self, now: u64, lost: u64, silent: bool) {
        let lost = usize::try_from(lost).unwrap_or(usize::MAX);
        self.nodes.iter_mut().take(lost).for_each(Node::stop);
        for device in 0..self.devices.len() {
            if self.devices[device].node.is_some_and(|node| node < lost) {
                self.away += 1;
                // Else it notices when its next message has no acknowledgement.
                if !silent {
                    self.lose(now, device);
                }
            }
        }
    }
}
