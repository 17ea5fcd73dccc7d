//! Requests to the running platform, over its socket for people and commands.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::config_file::INSTALLED_SOCKET;
use super::{Exit, Failure};
use crate::filesystem::accounts;
use crate::http::STORE_HEADER;

/// A platform, as a command finds it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) socket: PathBuf,
    /// The store that the command means, for the header; `None`: that of the platform, whichever it is.
    pub(super) meant: Option<HeaderValue>,
    /// The account of the store's file, which alone can serve it beside root; `None`: not known to this
    /// command.
    pub(super) owner: Option<u32>,
}

/// What a request says beside its body.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

impl Target {
    /// The store that is meant.
    pub(super) fn headers(&self) -> Headers {
        self.meant.iter().map(|meant| (STORE_HEADER, meant.clone())).collect()
    }

    /// The same platform, whichever store it has.
    pub(super) fn whichever_store(&self) -> Self {
        Self { meant: None, ..self.clone() }
    }
}

/// Whether the platform did nothing because the command means another store.
pub(super) fn is_another_store(failure: &Failure) -> bool {
    failure.error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.code == ANOTHER_STORE)
}

/// Reads `path` from the platform that serves the socket.
pub(super) async fn get(target: &Target, path: &str) -> Result<Bytes, Failure> {
    let socket = &target.socket;
    let stream = connect(target).await?;
    let asked = exchange(stream, target.headers(), Method::GET, path, Bytes::new());
    match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(answer) => answer,
        Err(_) => {
            let error = anyhow!(
                "no answer from the platform at {} within {TIMEOUT:?}: its process is stopped, or the machine is \
                 overloaded; `systemctl status` and the log say more",
                socket.display()
            );
            Err(Failure::new(Exit::Unavailable, error))
        }
    }
}

/// Resolves when the platform gives no sign of life: it does not answer another request in time. A command
/// may take as long as it likes; one that waits for a process that is stopped would wait forever.
pub(super) async fn silence(target: &Target) -> Failure {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE_INTERVAL).await;
        let sign = async {
            let stream = connect(target).await?;
            let sent = send(stream, Vec::new(), Method::GET, "/livez", Bytes::new()).await;
            sent.map_err(|error| Failure::new(Exit::Unavailable, error))
        };
        // Whatever it answers. That it has ended, the request itself learns.
        if tokio::time::timeout(TIMEOUT, sign).await.is_err() {
            return no_sign_of_life(&target.socket);
        }
    }
}

/// The failure of a command that a stopped platform does not execute.
fn no_sign_of_life(socket: &Path) -> Failure {
    let error = anyhow!(
        "the platform at {} gives no sign of life within {TIMEOUT:?}: its process is stopped, or the machine is \
         overloaded; what the command does may still happen when it goes on. With --offline the command opens the \
         store itself",
        socket.display()
    );
    Failure::new(Exit::Unavailable, error)
}

/// A connection to the platform. A process that is stopped accepts some, and then none.
pub(super) async fn connect(target: &Target) -> Result<UnixStream, Failure> {
    let socket = target.socket.as_path();
    let connected = tokio::time::timeout(TIMEOUT, connect_when_there_is_room(socket)).await;
    let connected = connected.map_err(|_| no_sign_of_life(socket))?.map_err(|error| {
        let shown = socket.display();
        let error = match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => return not_served(socket),
            ErrorKind::PermissionDenied => anyhow!(
                "this account may not use the socket {shown}: it needs to be in the group of the socket \
                 (admin.socket-group), and a role in [admin.roles]"
            ),
            _ => anyhow::Error::new(error).context(format!("cannot connect to the socket {shown}")),
        };
        Failure::new(Exit::Unavailable, error)
    })?;
    trusted(connected, target)
}

/// The failure of a command that needs the platform while none runs.
pub(super) fn not_served(socket: &Path) -> Failure {
    let unit = match socket == Path::new(INSTALLED_SOCKET) {
        true => " `systemctl status pcd-platform` and `journalctl -u pcd-platform` say more",
        false => "",
    };
    let error = anyhow!("no platform serves the socket {}: is it running?{unit}", socket.display());
    Failure::new(Exit::Unavailable, error)
}

/// Connects as soon as the queue of the socket has room. Others who connect fill it for moments; only a
/// process that is stopped leaves it full.
async fn connect_when_there_is_room(socket: &Path) -> std::io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(QUEUE_PAUSE).await,
            connected => return connected,
        }
    }
}

/// The connection, if the platform is at its other end: root, the owner of the socket's folder, who also owns
/// the store's file where this command sees it, or this account. Another account that listens there would
/// learn what is asked, get the files of an order, and answer as if all were well.
///
/// # Errors
/// When another account serves the socket, or all users can put one into its folder.
pub(super) fn trusted(stream: UnixStream, target: &Target) -> Result<UnixStream, Failure> {
    let socket = target.socket.as_path();
    let examine = || -> std::io::Result<(u32, u32, u32)> {
        let path = std::fs::canonicalize(socket)?;
        let folder = std::fs::metadata(path.parent().unwrap_or(&path))?;
        Ok((stream.peer_cred()?.uid(), folder.uid(), folder.mode()))
    };
    let shown = socket.display();
    let (server, owner, mode) = examine().map_err(|error| {
        let error =
            anyhow::Error::new(error).context(format!("cannot find out who serves the socket {shown}"));
        Failure::new(Exit::Unavailable, error)
    })?;
    let is_of_folder = is_trusted(server, owner, mode);
    if is_of_folder && is_owner(server, target.owner) {
        return Ok(stream);
    }
    let account = accounts::actor(server, None);
    let error = if is_of_folder {
        anyhow!(
            "the socket {shown} is served by the account {account} (uid {server}), which is neither root nor the \
             owner of the store that the configuration names (uid {}): nothing was sent; to open that store itself, \
             add --offline; if the platform of that account is meant, add --running",
            target.owner.unwrap_or_default()
        )
    } else {
        anyhow!(
            "the socket {shown} is served by the account {account} (uid {server}), which is neither root nor the owner \
         of its folder (uid {owner}, mode {:04o}): nothing was sent",
            mode & 0o7777
        )
    };
    Err(Failure::new(Exit::Refused, error))
}

/// Whether the account `server` could read the store of this owner.
fn is_owner(server: u32, owner: Option<u32>) -> bool {
    server == 0 || owner.is_none_or(|owner| owner == server)
}

/// Whether the account `server` is the one that may serve a socket in a folder of `owner` with this mode.
fn is_trusted(server: u32, owner: u32, mode: u32) -> bool {
    server == 0 || server == rustix::process::geteuid().as_raw() || server == owner && mode & 0o002 == 0
}

/// Sends one request, whose body is JSON where it has one, and reads the response.
///
/// # Errors
/// When the platform does not do it: the text is that of its problem.
pub(super) async fn exchange(
    stream: UnixStream,
    headers: Headers,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes, Failure> {
    let unavailable = |error| Failure::new(Exit::Unavailable, error);
    let (status, body) = send(stream, headers, method, path, body).await.map_err(unavailable)?;
    if status.is_success() {
        return Ok(body);
    }
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Refused,
        status if status.is_client_error() => Exit::Failed,
        _ => Exit::Unavailable,
    };
    Err(Failure::new(exit, problem(status, &body)))
}

async fn send(
    stream: UnixStream,
    headers: Headers,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let unanswered = if method == Method::GET { "the platform did not answer" } else { MAY_BE_DONE };
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body))?;
    let response = sender.send_request(request).await.context(unanswered)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
    let body = body.map_err(|error| anyhow!("the response cannot be read: {error}"))?.to_bytes();
    connection.abort();
    Ok((status, body))
}

/// What the platform did not do, in the words of its problem (RFC 9457).
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refusal {
    code: String,
    text: String,
}

/// The words of a problem, or of whatever else came.
fn problem(status: StatusCode, body: &[u8]) -> anyhow::Error {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| problem.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => {
            let shown = text("code").map(|code| format!(" [{code}]")).unwrap_or_default();
            let code = text("code").unwrap_or_default().to_owned();
            Refusal { code, text: format!("{title}: {detail}{shown}") }.into()
        }
        _ => anyhow!("the platform answered {status}: {}", String::from_utf8_lossy(body).trim_end()),
    }
}

/// Of a command whose connection has ended.
const MAY_BE_DONE: &str = "the platform ended before it answered, and may have done what was asked: look before you ask again (an \
                           order is in `order list`)";
/// The code of the problem of a command that means another store.
pub(super) const ANOTHER_STORE: &str = "another-store";
/// How often a platform that executes a command is asked for a sign of life.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_secs(2);
/// How long the platform may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a connection for which the socket had no room.
const QUEUE_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of a response.
const MAX_RESPONSE: usize = 96 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_this_account_and_the_owner_of_the_folder_serve_the_platform() {
        let own = rustix::process::geteuid().as_raw();
        assert!(is_trusted(0, 4711, 0o777) && is_trusted(own, 4711, 0o750) && is_trusted(4711, 4711, 0o750));
        assert!(!is_trusted(4712, 4711, 0o750), "another account");
        assert!(!is_trusted(4712, 0, 0o1777), "in a folder of all users");
        assert!(!is_trusted(4712, 4712, 0o1777), "who lets all users write there");
        assert!(is_owner(0, Some(4711)) && is_owner(4711, Some(4711)) && is_owner(4711, None));
        assert!(!is_owner(4712, Some(4711)), "an account that could not open the store");
    }

    #[tokio::test]
    async fn a_socket_of_this_account_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let target = |owner| Target { socket: path.clone(), meant: None, owner };
        assert!(connect(&target(None)).await.is_ok());
        assert!(connect(&target(Some(own))).await.is_ok());
        // Another account owns the store; root could serve it all the same.
        assert_eq!(connect(&target(Some(own + 1))).await.is_ok(), own == 0);
    }

    #[test]
    fn a_problem_is_shown_in_its_own_words() {
        let body =
            br#"{"title":"your roles do not allow this","detail":"it needs operator","code":"role-missing"}"#;
        let shown = problem(StatusCode::FORBIDDEN, body).to_string();
        assert_eq!(shown, "your roles do not allow this: it needs operator [role-missing]");
        let other = problem(StatusCode::BAD_GATEWAY, b"gone\n").to_string();
        assert_eq!(other, "the platform answered 502 Bad Gateway: gone");
    }
}
