//! A node: its processors, and its writer with at most three batches under way
//! (`docs/explanation/store.md`).

use std::collections::VecDeque;

use super::queue::Cores;

/// Messages of one batch at most.
const BATCH: usize = 512;
const BATCHES: usize = 3;

pub(crate) struct Node {
    pub(crate) cores: Cores,
    pub(crate) is_up: bool,
    /// Messages that wait for the writer: numbers of devices, and which of their messages.
    waiting: VecDeque<(usize, u64)>,
    under_way: usize,
}

impl Node {
    pub(crate) fn new(cores: u64) -> Self {
        Self { cores: Cores::new(cores), is_up: true, waiting: VecDeque::new(), under_way: 0 }
    }

    pub(crate) fn wait(&mut self, device: usize, epoch: u64) {
        self.waiting.push_back((device, epoch));
    }

    /// The next batch, if there is one and it may leave.
    pub(crate) fn batch(&mut self) -> Option<Vec<(usize, u64)>> {
        if self.under_way == BATCHES || self.waiting.is_empty() {
            return None;
        }
        self.under_way += 1;
        Some(self.waiting.drain(..self.waiting.len().min(BATCH)).collect())
    }

    pub(crate) fn settle(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// What waited is lost with the node: no device has an acknowledgement for it.
    pub(crate) fn stop(&mut self) {
        self.is_up = false;
        self.waiting.clear();
        self.under_way = 0;
    }
}
