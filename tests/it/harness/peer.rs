//! Programs of other people, run as peers.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::SOON;

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Finished {
    /// Both outputs as text, for messages of failed tests.
    pub fn text(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(&self.stdout), self.stderr)
    }
}

/// A program that must be installed; a missing peer fails the test and says how to get it.
pub fn tool(name: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    assert!(found, "{name} is not installed: apt-get install {package} (tests/run does it)");
    Command::new(name)
}

/// `timeout` in front of a program, so that a peer which hangs is ended.
pub fn command(name: &str, package: &str) -> Command {
    drop(tool(name, package));
    command_at(Path::new(name))
}

/// As [`command`], for a program that is not in the search path.
pub fn command_at(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(LONGEST_RUN.as_secs().to_string()).arg(program);
    command
}

/// Starts the program, writes `input` to it, keeps stdin open until `ready` has been seen on stdout (or the
/// program ends), and collects its output.
pub fn finish(mut command: Command, input: &[u8], ready: Option<&[u8]>) -> Finished {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = reader(child.stderr.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    // A peer that was refused may be gone before it reads.
    let _ = stdin.write_all(input).and_then(|()| stdin.flush());
    let stdout = read_until(&mut child, ready);
    drop(stdin);
    let rest = stdout.join().unwrap();
    let status = child.wait().unwrap();
    let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
    Finished { success: status.success(), stdout: rest, stderr }
}

type Reading = std::thread::JoinHandle<Vec<u8>>;

fn reader(mut from: impl std::io::Read + Send + 'static) -> Reading {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}

/// Reads stdout in a thread; returns when `ready` has come, or the stream has ended.
fn read_until(child: &mut Child, ready: Option<&[u8]>) -> Reading {
    use std::io::Read as _;
    let mut stdout = child.stdout.take().unwrap();
    let mut seen = Vec::new();
    if let Some(ready) = ready {
        let mut chunk = [0; 4096];
        while !seen.windows(ready.len()).any(|window| window == ready) {
            match stdout.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => seen.extend_from_slice(&chunk[..read]),
            }
        }
    }
    std::thread::spawn(move || {
        let mut all = seen;
        let _ = stdout.read_to_end(&mut all);
        all
    })
}

/// A connection from an address of this machine.
pub fn connect_from(from: impl Into<IpAddr>, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from.into(), 0).into())?;
    socket.connect_timeout(&to.into(), SOON)?;
    Ok(socket.into())
}

/// How long a peer may run that does not end by itself. Some have whole conversations, on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(180);
