//! What `check` says about the people of `[admin]`: accounts that this machine does not know.

use std::path::Path;

use crate::config::Admin;
use crate::filesystem::accounts;
use crate::http::{examine_socket, unreachable_for};
use crate::model::{Role, explained};

/// The group of the socket, if this machine does not have it: the start fails.
pub(super) fn missing_socket_group(admin: &Admin) -> Option<String> {
    let group = admin.socket_group.as_deref().filter(|group| accounts::group_id(group).is_none())?;
    Some(format!("this machine has no group {group} (admin.socket-group): the start fails"))
}

/// What the start would refuse of the socket at `path`.
pub(super) fn unusable_socket(admin: &Admin, path: &Path) -> Option<String> {
    examine_socket(path, admin.socket_group.as_deref()).map(|error| explained(&error))
}

/// Why those who may connect to the socket at `path` cannot reach it.
pub(super) fn unreachable_socket(admin: &Admin, path: &Path) -> Option<String> {
    unreachable_for(path, admin.socket_group.as_deref()?)
}

/// One sentence for each account with a role, or that is a proxy, which this machine does not know.
pub(super) fn unknown_accounts(admin: &Admin) -> Vec<String> {
    let of_role = |role: Role| {
        let key = format!("admin.roles.{}", role.code());
        admin.roles.subjects(role).iter().map(move |subject| (key.clone(), subject))
    };
    let proxies = admin.identity_proxies.iter().map(|proxy| ("admin.identity-proxies".to_owned(), proxy));
    let all = Role::ALL.into_iter().flat_map(of_role).chain(proxies);
    let unknown = all.filter(|(_, subject)| {
        let user = subject.strip_prefix("user:").map(accounts::user_id);
        let group = subject.strip_prefix("group:").map(accounts::group_id);
        matches!(user.or(group), Some(None))
    });
    unknown.map(|(key, subject)| format!("{key}: this machine does not know {subject}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdminRoles;

    #[test]
    fn accounts_that_the_machine_does_not_know_are_named() {
        let admin = Admin {
            socket_group: Some("no-such-group".to_owned()),
            identity_proxies: vec!["user:no-such-proxy".to_owned()],
            roles: AdminRoles {
                viewer: vec![
                    "group:no-such-group".to_owned(),
                    "CN=x".to_owned(),
                    "user:4000000001".to_owned(),
                ],
                admin: vec!["user:root".to_owned(), "person:x".to_owned()],
                ..AdminRoles::default()
            },
            ..Admin::default()
        };
        assert_eq!(
            unknown_accounts(&admin),
            [
                "admin.roles.viewer: this machine does not know group:no-such-group",
                "admin.identity-proxies: this machine does not know user:no-such-proxy",
            ]
        );
        assert!(missing_socket_group(&admin).is_some());
        assert_eq!(missing_socket_group(&Admin::default()), None);
    }
}
