//! Findings: what an operator should know, in one closed list.
//!
//! `check`, `/readyz`, `status`, the page, the log, alerts and notifications show the same findings. Each has
//! a code, a severity, a subject, facts, a sentence that is made of them, and what to do about it; its code
//! is the name of a help page.

mod alert_help;
mod answered;
mod board;
mod code;
pub mod facts;
mod foremost;
mod help;
mod item;
mod setup_code;

pub use alert_help::{alert_help, alert_help_pages};
pub use answered::{AnsweredCode, answered};
pub use board::{Board, Changes};
pub use code::{Code, Facts, Severity};
pub use foremost::foremost;
pub use help::{HelpPage, help, help_pages, next_step};
pub use item::{Finding, FindingView, Looked, Subject};
pub use setup_code::SetupCode;
