//! Commands of the command line that the running platform executes for a person.
//!
//! The program and the platform are one executable. While the platform runs, a command is executed by it,
//! with its store and its configuration, in the name of the person: neither rights to the store's files nor a
//! password of the database are needed, and pages do the same as commands.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;

use super::AdminState;
use super::command_line::{CommandAnswer, CommandCall, CommandContext};
use super::json::PlainJson;
use super::person::{Person, Way};
use super::problem::Problem;
use crate::model::{Right, steps_beside_tasks};

impl AdminState {
    /// Executes a command for a person who may. A device that it has added may connect when this returns, and
    /// one that it has suspended or removed may not.
    ///
    /// # Errors
    /// When the person may not, or the platform does not execute it.
    pub async fn run_command(&self, person: &Person, call: CommandCall) -> Result<CommandAnswer, Problem> {
        self.run_named(person, call, &HeaderMap::new()).await
    }

    /// The same for a request, which may have a name by which its person can stop it.
    async fn run_named(
        &self,
        person: &Person,
        call: CommandCall,
        headers: &HeaderMap,
    ) -> Result<CommandAnswer, Problem> {
        let right = self.commands.right(&call);
        let right =
            right.ok_or_else(|| Problem::bad_request("the platform does not execute this command"))?;
        if let (Right::Content, Err(problem)) = (right, person.demand(right)) {
            self.refused_looks.record(&self.store, person, "command").await;
            return Err(problem);
        }
        person.demand(right)?;
        let stop = CancellationToken::new();
        // When the person waits no more, this future is dropped; the command learns that, and ends by itself.
        let ended = CancellationToken::new();
        let _waits = Waits { stop: stop.clone(), ended: ended.clone(), drain: self.drain.clone() };
        let _running = self.running.note(person, headers, &stop);
        let context = CommandContext {
            actor: person.actor().to_owned(),
            store: self.store.clone(),
            config: self.config.load_full(),
            stop,
            ended,
        };
        let ran = tokio::spawn(steps_beside_tasks(self.commands.run(call, context))).await;
        let mut answer = ran.map_err(|_| Problem::fault())?;
        if right == Right::Operate && !self.live.follow_directory().await {
            answer.stderr.push_str(NOT_FOLLOWED);
        }
        Ok(answer)
    }
}

/// A person waits for a command, until this is dropped.
struct Waits {
    stop: CancellationToken,
    ended: CancellationToken,
    drain: CancellationToken,
}

impl Drop for Waits {
    fn drop(&mut self) {
        // While it ends it is the platform that does not wait.
        let whose = if self.drain.is_cancelled() { &self.ended } else { &self.stop };
        whose.cancel();
    }
}

/// Added to what a command says.
const NOT_FOLLOWED: &str = "warning: the platform could not read the directory of devices again at once; a change \
                            of it counts when it can\n";

/// What a command has printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit code.
    pub exit: u8,
    /// What it printed.
    pub stdout: String,
    /// Its warnings and errors.
    pub stderr: String,
}

impl AdminState {
    /// The same for a page, which names no files that the person's process would read.
    ///
    /// # Errors
    /// As [`AdminState::run_command`].
    pub async fn run_words<'w>(
        &self,
        person: &Person,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<Ran, Problem> {
        let words = words.into_iter().map(str::to_owned).collect();
        let answer = self.run_command(person, CommandCall { words, ..CommandCall::default() }).await?;
        let stdout = STANDARD.decode(answer.stdout).unwrap_or_default();
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        Ok(Ran { exit: answer.exit, stdout, stderr: answer.stderr })
    }
}

/// Executes a command of the command line. Only over the socket: a browser has pages.
#[utoipa::path(post, path = "/api/command", tag = "person", request_body = CommandCall,
    responses((status = 200, body = CommandAnswer)))]
pub(super) async fn command(
    person: Person,
    State(state): State<AdminState>,
    headers: HeaderMap,
    Json(call): Json<CommandCall>,
) -> Result<PlainJson<CommandAnswer>, Problem> {
    if !matches!(person.way(), Way::Socket | Way::BreakGlass) {
        return Err(Problem::conflict("commands come over the socket"));
    }
    if state.running.stop(&person, &headers) {
        return Ok(PlainJson(CommandAnswer::default()));
    }
    Ok(PlainJson(state.run_named(&person, call, &headers).await?))
}
