//! The command's side: asks the running platform, and prints what it answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use hyper::Method;
use hyper::header::HeaderValue;
use jiff::tz::TimeZone;
use tokio::net::UnixStream;

use crate::cli::admin_client::Target;
use crate::cli::config_file::ConfigFile;
use crate::cli::located::{Located, Wanted};
use crate::cli::text::for_terminal;
use crate::cli::{Exit, Failure, admin_client};
use crate::http::{CALL_HEADER, CommandAnswer, CommandCall, STOP_HEADER};
use crate::model::{Clock, MessageId};

/// How a command reaches the platform.
#[derive(Debug, Args)]
pub(in crate::cli) struct Connection {
    /// Open the store in this process, also while a platform runs; needs the rights of the platform's user
    #[arg(long, global = true)]
    offline: bool,
    /// The socket of the running platform; default: `admin.socket` of the configuration
    #[arg(long, global = true, env = "PCD_SOCKET", value_name = "SOCKET")]
    socket: Option<PathBuf>,
    /// Mean the running platform, also where its store has another name than in this configuration
    #[arg(long, global = true, conflicts_with = "offline")]
    running: bool,
}

impl Connection {
    /// What the command line names of the platform.
    pub(in crate::cli) fn wanted(&self) -> Wanted<'_> {
        Wanted { socket: self.socket.as_deref(), running: self.running }
    }
}

/// Lets the running platform execute the command; `None` when none runs, or it is not asked. `written` is the
/// file that the command writes.
pub(in crate::cli) async fn run(
    connection: &Connection,
    config: &ConfigFile,
    words: &[OsString],
    written: Option<&Path>,
) -> Result<Option<Exit>, Failure> {
    let Some((stream, target)) = platform(connection, config).await? else { return Ok(None) };
    print(&ask(stream, &target, words, written, BTreeMap::new()).await?).map(Some)
}

/// Lets the running platform execute a command that another one needs, and returns its answer; `None` when
/// none runs, or it is not asked. `files` are what the command reads, by the names that its words have.
pub(in crate::cli) async fn answer(
    connection: &Connection,
    config: &ConfigFile,
    words: &[&str],
    files: BTreeMap<String, Vec<u8>>,
) -> Result<Option<CommandAnswer>, Failure> {
    let Some((stream, target)) = platform(connection, config).await? else { return Ok(None) };
    let words: Vec<_> = ["pcd-platform"].iter().chain(words).map(OsString::from).collect();
    ask(stream, &target, &words, None, files).await.map(Some)
}

/// A connection to the running platform, and what it is taken for.
async fn platform(
    connection: &Connection,
    config: &ConfigFile,
) -> Result<Option<(UnixStream, Target)>, Failure> {
    if connection.offline {
        return Ok(None);
    }
    let located = Located::find(config, connection.wanted())?;
    located.warn();
    let Some(target) = located.target else { return Ok(None) };
    let socket = &target.socket;
    let Some(stream) = connect(&target, connection.socket.is_some()).await? else {
        if config.is_closed_to_this_user() {
            return Err(admin_client::not_served(socket));
        }
        if io::stderr().is_terminal() {
            let shown = socket.display();
            let _ = writeln!(io::stderr(), "note: no platform serves {shown}; the store is opened directly");
        }
        return Ok(None);
    };
    Ok(Some((stream, target)))
}

/// A connection to the platform; `None` when none is there, unless the operator named the socket.
async fn connect(target: &Target, is_named: bool) -> Result<Option<UnixStream>, Failure> {
    // Where it waits, the second attempt says so.
    match tokio::time::timeout(FIRST_ATTEMPT, UnixStream::connect(&target.socket)).await {
        Ok(Ok(stream)) => admin_client::trusted(stream, target).map(Some),
        Ok(Err(error)) if !is_named && is_absent(&error) => Ok(None),
        _ => admin_client::connect(target).await.map(Some),
    }
}

/// Whether no platform is there; a path that is too long for a socket is never served.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::InvalidInput
            | ErrorKind::NotADirectory
    )
}

/// Sends the command, and the files that it turns out to need.
async fn ask(
    first: UnixStream,
    target: &Target,
    words: &[OsString],
    written: Option<&Path>,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<CommandAnswer, Failure> {
    let words: Option<Vec<String>> =
        words.iter().skip(1).map(|word| word.to_str().map(str::to_owned)).collect();
    let words = words.context("an argument is not UTF-8; use --offline")?;
    let words = with_absolute(without_own_options(words), written)?;
    let zone = TimeZone::system().iana_name().map(str::to_owned);
    let files = files.into_iter().map(|(name, content)| (name, STANDARD.encode(content))).collect();
    let mut call = CommandCall { words, zone, terminal: io::stdout().is_terminal(), files };
    let mut stream = Some(first);
    loop {
        let stream = match stream.take() {
            Some(stream) => stream,
            None => admin_client::connect(target).await?,
        };
        let body = Bytes::from(serde_json::to_vec(&call)?);
        let name = HeaderValue::try_from(MessageId::at(Clock::system().now()).to_string())?;
        let headers = [target.headers(), vec![(CALL_HEADER, name.clone())]].concat();
        let mut exchange = pin!(admin_client::exchange(stream, headers, Method::POST, "/api/command", body));
        let mut is_stopped = false;
        let answer = tokio::select! {
            answer = &mut exchange => answer?,
            never = still_at_it() => match never {},
            silent = admin_client::silence(target) => return Err(silent),
            _ = tokio::signal::ctrl_c() => {
                is_stopped = true;
                stopped(target, name, exchange).await?
            }
        };
        let answer: CommandAnswer = serde_json::from_slice(&answer)
            .map_err(|error| Failure::new(Exit::Fault, anyhow::Error::new(error).context("/api/command")))?;
        match answer.needs {
            Some(_) if is_stopped => return Err(interrupted()),
            Some(path)
                if call.words.iter().any(|word| names(word, &path)) && !call.files.contains_key(&path) =>
            {
                let content = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
                call.files.insert(path, STANDARD.encode(content));
            }
            _ => return Ok(answer),
        }
    }
}

/// The platform ends the command `name`: an order is withdrawn. What it says of that is the answer, unless it
/// takes long, or the person does not want to know it. Then the connection ends, and with it the command.
async fn stopped(
    target: &Target,
    name: HeaderValue,
    exchange: impl Future<Output = Result<Bytes, Failure>>,
) -> Result<Bytes, Failure> {
    let stop = async {
        let stream = admin_client::connect(target).await.ok()?;
        let headers = [target.headers(), vec![(STOP_HEADER, name)]].concat();
        let nothing = serde_json::to_vec(&CommandCall::default()).ok()?.into();
        admin_client::exchange(stream, headers, Method::POST, "/api/command", nothing).await.ok()
    };
    tokio::select! {
        (_, answer) = async { tokio::join!(stop, exchange) } => answer,
        () = tokio::time::sleep(STOPPING) => Err(interrupted()),
        _ = tokio::signal::ctrl_c() => Err(interrupted()),
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Unavailable, anyhow!("interrupted"))
}

/// Writes every ten seconds that the platform still works: how far it is, only it knows.
async fn still_at_it() -> Infallible {
    let mut seconds = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(LINE_SECONDS)).await;
        seconds += LINE_SECONDS;
        let _ = writeln!(io::stderr(), "the platform is still at it, for {seconds} s; Ctrl-C ends it");
    }
}

/// The words without the options that say where the platform is: it does not take them.
fn without_own_options(words: Vec<String>) -> Vec<String> {
    let (mut kept, mut is_value) = (Vec::with_capacity(words.len()), false);
    let mut words = words.into_iter();
    for word in words.by_ref() {
        if word == "--" {
            kept.push(word);
            break;
        }
        let is_own = own_option(&word);
        if !is_own && !is_value {
            kept.push(word.clone());
        }
        is_value = is_own && VALUED.contains(&word.as_str());
    }
    kept.extend(words);
    kept
}

/// Whether the word is an option of this process and not of the platform.
pub(super) fn own_option(word: &str) -> bool {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    FLAGS.contains(&name) || VALUED.contains(&name)
}

/// The words, with the absolute path of the file that the platform is to write: it has another working
/// directory.
fn with_absolute(words: Vec<String>, written: Option<&Path>) -> Result<Vec<String>, Failure> {
    let Some(file) = written else { return Ok(words) };
    let absolute = std::path::absolute(file)?;
    let absolute = absolute.to_str().context("the path of the file is not UTF-8; use --offline")?;
    let is_file = |word: &String| Path::new(word) == file;
    Ok(words.into_iter().map(|word| if is_file(&word) { absolute.to_owned() } else { word }).collect())
}

/// Whether the operator named the file: the platform gets no other.
fn names(word: &str, path: &str) -> bool {
    word == path
        || word.split_once('=').is_some_and(|(option, value)| option.starts_with("--") && value == path)
}

fn print(answer: &CommandAnswer) -> Result<Exit, Failure> {
    let stdout = STANDARD.decode(&answer.stdout).map_err(|error| Failure::new(Exit::Fault, error))?;
    write_answer(&mut io::stdout().lock(), &stdout)?;
    write_answer(&mut io::stderr().lock(), answer.stderr.as_bytes())?;
    Ok(Exit::from_code(answer.exit))
}

/// Writes what the platform answered: to a file or another program as it is.
fn write_answer(out: &mut (impl Write + IsTerminal), answer: &[u8]) -> io::Result<()> {
    if out.is_terminal() {
        out.write_all(for_terminal(&String::from_utf8_lossy(answer)).as_bytes())?;
    } else {
        out.write_all(answer)?;
    }
    out.flush()
}

/// Options of this process without a value.
const FLAGS: [&str; 2] = ["--offline", "--running"];
/// Options of this process whose value follows them.
const VALUED: [&str; 2] = ["--config", "--socket"];
/// How long a platform that is there takes to accept a connection.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
/// How long a command that a person has ended may take to say what became of it.
const STOPPING: Duration = Duration::from_secs(5);
/// Between two lines about work that takes long.
const LINE_SECONDS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_gets_no_option_that_says_where_it_is() {
        for (words, expected) in [
            ("--socket s.sock device list", "device list"),
            ("device --config=a.toml list --json", "device list --json"),
            ("device list --config a.toml --utc", "device list --utc"),
            ("--socket=s device show PUMP-7", "device show PUMP-7"),
            ("device --running suspend PUMP-7", "device suspend PUMP-7"),
            ("device show -- --socket x", "device show -- --socket x"),
        ] {
            let words = words.split(' ').map(str::to_owned).collect();
            assert_eq!(without_own_options(words).join(" "), expected);
        }
    }
}
