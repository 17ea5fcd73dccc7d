//! The operator who runs a command.

use super::remote::Call;
use crate::filesystem::accounts;

/// The operator's name for the audit trail: the account of the operating system, not an environment variable;
/// behind sudo also the person who logged in. When the platform executes the command, the person who sent it.
pub(super) fn operator() -> String {
    if let Some(call) = Call::current() {
        return call.actor().to_owned();
    }
    let (user, login) = accounts::own_login();
    accounts::actor(user, login)
}

/// Resolves when the operator waits no more: Ctrl-C.
pub(super) async fn interrupted() {
    match Call::current() {
        Some(call) => call.stopped().await,
        None => drop(tokio::signal::ctrl_c().await),
    }
}
