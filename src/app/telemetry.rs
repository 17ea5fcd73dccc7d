//! Logs on stderr.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// A log level that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "log.level \"{level}\" is neither a level (error, warn, info, debug, trace) nor a list of directives"
)]
pub struct LevelError {
    /// What was asked for.
    pub level: String,
    /// What is wrong with it.
    pub source: ParseError,
}

/// Sends logs to stderr in the configured form. A second call changes nothing.
///
/// # Errors
/// When the level is none.
pub fn start(log: &Log) -> Result<(), LevelError> {
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .map_err(|source| LevelError { level: log.level.clone(), source })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only tests start twice in one process.
    let _ = match log.format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    Ok(())
}
