//! How far a hospital grows past one node: many nodes on one PostgreSQL database and all their devices,
//! simulated from costs, some measured and some assumed. `cargo bench --bench fleet` prints what each event
//! does to the acknowledgements: all devices lost at once, a node lost, half of the nodes lost, the database
//! away.
//!
//! What is simulated: the processors of the nodes and of the database as queues, the write-ahead log of the
//! database with its common synchronisation, the batches of the writer (`docs/explanation/store.md`), devices
//! that send on a schedule and wait for each acknowledgement, and their way back
//! ([`Backoff`](pcd_platform::interface_b::Backoff)). What is not: the network, memory, faults of programs.
//!
//! `--help` lists the costs and sizes that can be changed. The same numbers give the same output.

#![allow(
    clippy::indexing_slicing,
    reason = "indexes are numbers of nodes and devices that the simulation itself made"
)]
#![expect(clippy::expect_used, clippy::print_stdout, reason = "its results are its output")]

mod database;
mod device;
mod node;
mod options;
mod queue;
mod simulation;
mod summary;

use options::Options;
use simulation::{Incident, Simulation};
use summary::Summary;

fn main() {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            println!("{message}");
            return;
        }
    };
    println!("{}", options.describe());
    println!("{}", Summary::HEADER);
    for incident in Incident::all(&options) {
        let summary = Simulation::new(&options, incident).run();
        println!("{}", summary.row(incident.title()));
    }
}
