//! What devices experience during an outage, as a table.

use std::fmt;
use std::time::{Duration, Instant};

use super::devices::Delivery;

/// An outage and what the devices saw of it.
#[derive(Debug)]
pub struct Row {
    pub outage: &'static str,
    /// From the first to the last action of the outage.
    pub lasted: Duration,
    pub messages: usize,
    /// Messages that were answered with 207 at least once.
    pub refused: usize,
    /// Answers with 207.
    pub refusals: usize,
    pub lost_connections: usize,
    /// From the first transmission of a message to its acknowledgement: the median and the longest.
    pub wait: [Duration; 2],
    /// From the end of the outage until the last message was acknowledged that was sent before.
    pub recovered: Duration,
    /// Warnings and errors in the logs of the platform.
    pub complaints: usize,
}

impl Row {
    pub fn new(
        outage: &'static str,
        deliveries: &[Delivery],
        [began, ended]: [Instant; 2],
        complaints: usize,
    ) -> Self {
        let mut waits: Vec<_> = deliveries.iter().map(|delivery| delivery.ended - delivery.began).collect();
        waits.sort();
        let nth = |place: usize| waits.get(place).copied().unwrap_or_default();
        let late = deliveries.iter().filter(|delivery| delivery.began < ended);
        Self {
            outage,
            lasted: ended - began,
            messages: deliveries.len(),
            refused: deliveries.iter().filter(|delivery| delivery.refusals > 0).count(),
            refusals: deliveries.iter().map(|delivery| delivery.refusals).sum(),
            lost_connections: deliveries.iter().map(|delivery| delivery.lost_connections).sum(),
            wait: [nth(waits.len() / 2), nth(waits.len().saturating_sub(1))],
            recovered: late
                .map(|delivery| delivery.ended.saturating_duration_since(ended))
                .max()
                .unwrap_or_default(),
            complaints,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: Duration| format!("{:.2}", duration.as_secs_f64());
        write!(
            f,
            "{:44} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8} {:>9} {:>5}",
            self.outage,
            seconds(self.lasted),
            self.messages,
            self.refused,
            self.refusals,
            self.lost_connections,
            seconds(self.wait[0]),
            seconds(self.wait[1]),
            seconds(self.recovered),
            self.complaints
        )
    }
}

/// The heads of the columns; times in seconds.
pub fn head(store: &str) -> String {
    format!(
        "{store:44} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8} {:>9} {:>5}",
        "lasted", "messages", "delayed", "207s", "lost", "wait p50", "wait max", "recovered", "log"
    )
}
