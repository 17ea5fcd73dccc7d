//! The alternation of phases without and with attacks.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What happens now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// A change of phases: latencies do not count.
    Settling,
    Quiet,
    Attacked,
    Over,
}

/// The phase, for all tasks of a soak.
#[derive(Debug)]
pub struct Clockwork {
    phase: AtomicU8,
    /// Whether the attackers are active: also while the attack begins.
    attacking: AtomicU8,
}

impl Clockwork {
    pub fn new() -> Self {
        Self { phase: AtomicU8::new(Phase::Settling as u8), attacking: AtomicU8::new(0) }
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Settling,
            1 => Phase::Quiet,
            2 => Phase::Attacked,
            _ => Phase::Over,
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub fn attack(&self, begins: bool) {
        self.attacking.store(u8::from(begins), Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.phase() == Phase::Over
    }

    pub fn is_attacking(&self) -> bool {
        self.attacking.load(Ordering::Relaxed) == 1 && !self.is_over()
    }

    /// Waits until the attackers are active; `false` at the end.
    pub async fn attack_begins(&self) -> bool {
        while !self.is_attacking() {
            if self.is_over() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }
}
