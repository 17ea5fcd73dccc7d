//! Commands, as the command line and the platform exchange them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::Right;
use crate::store::Store;

/// A command, as the command line has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommandCall {
    /// The words after the name of the program.
    pub words: Vec<String>,
    /// The files that the words name, by path, in base64. The platform opens no file for a person.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The time zone (IANA) in which text shows times; UTC without it.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whether the output goes to a terminal.
    #[serde(default)]
    pub terminal: bool,
}

/// What a command has printed, and how it ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CommandAnswer {
    /// The exit code.
    pub exit: u8,
    /// stdout, in base64.
    pub stdout: String,
    /// stderr.
    pub stderr: String,
    /// A file that the command needs: to be sent again with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// On whose behalf and on what a command runs.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// How the audit trail names the person.
    pub actor: String,
    /// The store of the platform.
    pub store: Store,
    /// Its configuration.
    pub config: Arc<Config>,
    /// Cancelled when the person waits no more.
    pub stop: CancellationToken,
    /// Cancelled when the platform ends: the person has given up nothing.
    pub ended: CancellationToken,
}

/// Executes commands.
pub trait CommandLine: std::fmt::Debug + Send + Sync {
    /// The right that the command needs; `None` when the platform does not execute it, or the words are
    /// wrong.
    fn right(&self, call: &CommandCall) -> Option<Right>;

    /// Executes it. The right has been checked.
    fn run(&self, call: CommandCall, context: CommandContext) -> BoxFuture<'static, CommandAnswer>;
}

/// Executes nothing: a platform within a test.
#[derive(Debug)]
pub(super) struct NoCommands;

impl CommandLine for NoCommands {
    fn right(&self, _call: &CommandCall) -> Option<Right> {
        None
    }

    fn run(&self, _call: CommandCall, _context: CommandContext) -> BoxFuture<'static, CommandAnswer> {
        Box::pin(async { CommandAnswer::default() })
    }
}
