//! The platform's side: executes a command for a person.

use std::collections::BTreeMap;
use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::call::Call;
use super::client::own_option;
use crate::cli::arguments::Arguments;
use crate::cli::context::warn_of_risks;
use crate::cli::exit::shown_failure;
use crate::cli::on_store::on_store;
use crate::cli::{Exit, Failure, Output};
use crate::http::{CommandAnswer, CommandCall, CommandContext, CommandLine};
use crate::model::Right;

/// The commands of this program.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Commands;

impl CommandLine for Commands {
    fn right(&self, call: &CommandCall) -> Option<Right> {
        // Values that are read from files count when the command runs.
        match idle(call).scope_sync(|| parse(call)) {
            Ok(arguments) => arguments.command.right(),
            // A wrong command line does nothing; its text is for everyone.
            Err(_) => Some(Right::See),
        }
    }

    fn run(&self, call: CommandCall, context: CommandContext) -> BoxFuture<'static, CommandAnswer> {
        Box::pin(run(call, context))
    }
}

/// A call that does nothing, to read a command line.
fn idle(call: &CommandCall) -> Call {
    Call::new(String::new(), TimeZone::UTC, false, files(call), Default::default())
}

async fn run(call: CommandCall, context: CommandContext) -> CommandAnswer {
    let zone = call.zone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let ends = [context.stop.clone(), context.ended.clone()];
    let own = Call::new(context.actor.clone(), zone, call.terminal, files(&call), ends);
    let exit = own.scope(execute(&call, &context)).await;
    let printed = own.take();
    CommandAnswer {
        exit: exit as u8,
        stdout: STANDARD.encode(printed.stdout),
        stderr: String::from_utf8_lossy(&printed.stderr).into_owned(),
        needs: printed.needs,
    }
}

async fn execute(call: &CommandCall, context: &CommandContext) -> Exit {
    let before = call.words.iter().take_while(|word| *word != "--");
    if let Some(word) = before.into_iter().find(|word| own_option(word)) {
        report(&format!(
            "error: the platform does not take {word}: it has its own configuration and store\n"
        ));
        return Exit::Usage;
    }
    let arguments = match parse(call) {
        Ok(arguments) => arguments,
        Err(usage) => {
            report(&usage.to_string());
            return Exit::Usage;
        }
    };
    let output = Output::new(arguments.json).with_utc(arguments.utc);
    if warn_of_risks(&context.store, output).is_err() {
        return Exit::Fault;
    }
    let outcome = Box::pin(on_store(arguments.command, &context.config, &context.store, output)).await;
    match outcome {
        Ok(exit) => exit,
        Err(failure) => {
            let Failure { exit, .. } = failure;
            report(&shown_failure(&failure));
            exit
        }
    }
}

fn report(text: &str) {
    if let Some(call) = Call::current() {
        call.write_stderr(text.as_bytes());
    }
}

fn parse(call: &CommandCall) -> Result<Arguments, clap::Error> {
    let program = OsString::from("pcd-platform");
    Arguments::try_parse_from(std::iter::once(program).chain(call.words.iter().map(OsString::from)))
}

/// The files of a call; one that cannot be decoded is not there.
fn files(call: &CommandCall) -> BTreeMap<String, Vec<u8>> {
    let decoded = |(name, text): (&String, &String)| Some((name.clone(), STANDARD.decode(text).ok()?));
    call.files.iter().filter_map(decoded).collect()
}
