//! The accounts of this machine: names of users and groups, and the person behind a process.
//!
//! Names are those of /etc/passwd and /etc/group. Accounts of a directory service are known by their numbers.

use std::fs;

/// What the kernel says of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ProcessFacts {
    /// The account that logged in, whatever account it has become since (sudo).
    pub(crate) login: Option<u32>,
    /// Its groups.
    pub(crate) groups: Vec<u32>,
}

/// The name of a user; `None` when this machine does not list it.
pub(crate) fn user_name(user: u32) -> Option<String> {
    name_of(&read(PASSWD), user)
}

/// The number of a user by its name, or by its number as text.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| id_of(&read(PASSWD), name))
}

/// The number of a group by its name, or by its number as text.
pub(crate) fn group_id(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| id_of(&read(GROUP), name))
}

/// The groups that list the user as a member.
pub(crate) fn groups_of(user: u32) -> Vec<u32> {
    user_name(user).map(|name| memberships(&read(GROUP), &name)).unwrap_or_default()
}

/// What the kernel says of process `pid`, as long as it runs as `user`. Another process may have the number
/// by now: its owner is compared before and after, so that the facts are at least those of the same account.
pub(crate) fn process_facts(pid: i32, user: u32) -> ProcessFacts {
    let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let (before, login, after) = (file("status"), file("loginuid"), file("status"));
    if [&before, &after].into_iter().any(|status| effective_user(status) != Some(user)) {
        return ProcessFacts::default();
    }
    ProcessFacts { login: login_of(&login), groups: groups_in(&after) }
}

/// The account that logged in to start this process, or this process's account.
pub(crate) fn own_login() -> (u32, Option<u32>) {
    let user = rustix::process::getuid().as_raw();
    (user, login_of(&fs::read_to_string("/proc/self/loginuid").unwrap_or_default()))
}

/// How an account is named in the audit trail: by the person who logged in, where that is another one.
pub(crate) fn actor(user: u32, login: Option<u32>) -> String {
    let named = |user| user_name(user).unwrap_or_else(|| format!("uid {user}"));
    match login.filter(|login| *login != user) {
        Some(login) => format!("{} as {}", named(login), named(user)),
        None => named(user),
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The name of an entry of passwd(5) or group(5).
fn name_of(table: &str, id: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

fn id_of(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// The groups of group(5) that list the name.
fn memberships(table: &str, name: &str) -> Vec<u32> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let id = fields.nth(2)?.parse().ok()?;
        fields.next()?.split(',').any(|member| member == name).then_some(id)
    };
    table.lines().filter_map(group).collect()
}

/// The line of /proc/PID/status with this key.
fn numbers<'s>(status: &'s str, key: &str) -> impl Iterator<Item = u32> + use<'s> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default();
    line.split_whitespace().filter_map(|number| number.parse().ok())
}

fn effective_user(status: &str) -> Option<u32> {
    numbers(status, "Uid").nth(1)
}

fn groups_in(status: &str) -> Vec<u32> {
    numbers(status, "Groups").collect()
}

/// The number in /proc/PID/loginuid; a process that no login started has the largest one.
fn login_of(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|user| *user != u32::MAX)
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\npcd-operators:x:990:bob,alice\nwheel:x:10:bob\nshort:x\n";

    #[test]
    fn names_and_numbers_are_those_of_the_tables() {
        assert_eq!(name_of(TABLE, 1000).as_deref(), Some("alice"));
        assert_eq!(name_of(TABLE, 7), None);
        assert_eq!(
            (id_of(TABLE, "alice"), id_of(TABLE, "ali"), id_of(GROUPS, "wheel")),
            (Some(1000), None, Some(10))
        );
        assert_eq!((memberships(GROUPS, "alice"), memberships(GROUPS, "ali")), (vec![990], vec![]));
    }

    #[test]
    fn the_facts_of_a_process_are_read_from_the_kernels_files() {
        let status = "Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\nGroups:\t990 10 \n";
        assert_eq!((effective_user(status), groups_in(status)), (Some(0), vec![990, 10]));
        assert_eq!((login_of("1000\n"), login_of("4294967295"), login_of("")), (Some(1000), None, None));
        // This process, and one that runs as another account than it says.
        let (own, pid) =
            (rustix::process::geteuid().as_raw(), rustix::process::getpid().as_raw_nonzero().get());
        assert!(effective_user(&fs::read_to_string("/proc/self/status").unwrap()) == Some(own));
        assert_eq!(process_facts(pid, own + 1), ProcessFacts::default());
    }

    #[test]
    fn the_person_behind_sudo_is_named() {
        assert_eq!(actor(0, None), "root");
        assert_eq!(actor(0, Some(0)), "root");
        assert_eq!(actor(0, Some(4_000_000_001)), "uid 4000000001 as root");
    }
}
