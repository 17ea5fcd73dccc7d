//! What equipment has to report.

use bytes::Bytes;

use super::alarm::AlarmReport;
use super::infusion::InfusionReport;
use super::vital_signs::Strain;
use super::{Sending, condition, document, heartbeat, values, waveform};

/// What equipment has to report.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Periodic values (PCD-01).
    Values(Strain),
    /// A stretch of a waveform (PCD-01).
    Waveform,
    /// The state of an infusion (PCD-01), or an event of it (PCD-10).
    Infusion(InfusionReport),
    /// An alarm (PCD-04).
    Alarm(AlarmReport),
    /// The condition of the equipment (PCD-15).
    Condition,
    /// A report with a PDF (PCD-09).
    Document,
    /// The sender is there (DEV-53), or leaves.
    Heartbeat {
        /// Whether it leaves.
        leaves: bool,
        /// Within how many milliseconds the next one comes.
        within_ms: u64,
    },
}

impl Report {
    /// The message, without MLLP framing.
    #[must_use]
    pub fn message(&self, sending: &Sending<'_>) -> Bytes {
        match self {
            Self::Values(strain) => values::message(sending, *strain),
            Self::Waveform => waveform::message(sending),
            Self::Infusion(report) => report.message(sending),
            Self::Alarm(report) => report.message(sending),
            Self::Condition => condition::message(sending),
            Self::Document => document::message(sending),
            Self::Heartbeat { leaves, within_ms } => heartbeat::message(sending, *leaves, *within_ms),
        }
    }

    /// The name of its transaction in the store and in metrics.
    #[must_use]
    pub const fn transaction(&self) -> &'static str {
        match self {
            Self::Values(_) | Self::Waveform => "pcd-01",
            Self::Infusion(report) if report.event.is_none() => "pcd-01",
            Self::Infusion(_) => "pcd-10",
            Self::Alarm(_) => "pcd-04",
            Self::Condition => "pcd-15",
            Self::Document => "pcd-09",
            Self::Heartbeat { .. } => "watchdog",
        }
    }
}
