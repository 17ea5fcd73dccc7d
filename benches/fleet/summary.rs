//! What one simulation found.

use super::database::ratio;

#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Microseconds from the time at which a message was due to its acknowledgement, after the incident.
    pub(crate) latencies: Vec<u64>,
    pub(crate) acknowledged: u64,
    pub(crate) batches: u64,
    /// When the last device had its session back, after the incident.
    pub(crate) back: Option<u64>,
    /// When no message waited any longer than a second, after the incident.
    pub(crate) caught_up: Option<u64>,
    pub(crate) database_load: f64,
    pub(crate) node_load: f64,
}

impl Summary {
    pub(crate) const HEADER: &str = "| what happens | sessions are back after | all is caught up after \
        | p50 | p99 | longest | messages in a batch | database | busiest node |\n\
        |---|---:|---:|---:|---:|---:|---:|---:|---:|";

    pub(crate) fn row(mut self, title: &str) -> String {
        self.latencies.sort_unstable();
        let at = |hundredth: usize| {
            let last = self.latencies.len().saturating_sub(1);
            self.latencies.get(last * hundredth / 100).copied().unwrap_or(0)
        };
        format!(
            "| {title} | {} | {} | {} | {} | {} | {:.1} | {:.0} % | {:.0} % |",
            self.back.map_or_else(|| "–".to_owned(), time),
            self.caught_up.map_or_else(|| "–".to_owned(), time),
            time(at(50)),
            time(at(99)),
            time(at(100)),
            ratio(self.acknowledged, self.batches),
            self.database_load * 100.0,
            self.node_load * 100.0
        )
    }
}

fn time(micros: u64) -> String {
    let milliseconds = ratio(micros, 1000);
    if micros < 1_000_000 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.1} s", milliseconds / 1000.0)
    }
}
