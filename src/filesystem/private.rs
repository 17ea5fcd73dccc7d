//! Which files only this process's user, and root, can read and change: those with keys and passwords (A11).

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use super::access::user_name;

/// Why a file is not private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotPrivate {
    /// Its permission bits, which let other accounts access it.
    Mode(u32),
    /// It belongs to another account, which can read and change it whatever its mode is.
    Owner { owner: u32, user: u32 },
}

impl NotPrivate {
    /// Why the file with this metadata is not private; `None` when it is.
    pub(crate) fn find(metadata: &Metadata) -> Option<Self> {
        Self::of(metadata.uid(), metadata.mode() & 0o7777, rustix::process::geteuid().as_raw())
    }

    /// A file of the superuser may be readable by a group, so that a daemon under another account can read
    /// it. Credentials of systemd have these permissions.
    fn of(owner: u32, mode: u32, user: u32) -> Option<Self> {
        if owner != user && owner != 0 {
            return Some(Self::Owner { owner, user });
        }
        let forbidden = if owner == 0 && user != 0 { 0o037 } else { 0o077 };
        (mode & forbidden != 0).then_some(Self::Mode(mode))
    }
}

/// What is wrong, without the file, and what to do.
impl fmt::Display for NotPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => {
                write!(f, "is accessible to other accounts (mode {mode:04o}); run: chmod 600 with its path")
            }
            Self::Owner { owner, user } => {
                let is_root = *user == 0;
                let (owner, user) = (user_name(*owner), user_name(*user));
                write!(f, "belongs to {owner}, and this process runs as {user}: ")?;
                if is_root {
                    // A file that root takes away from the account of the service stops the service.
                    write!(
                        f,
                        "run the command as that account, with `sudo -u {owner}`; leave the owner as it is"
                    )
                } else {
                    write!(f, "run the command as user {owner}, or give the file to {user} (chown)")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const PCD: u32 = 990;
    const ALICE: u32 = 1000;

    #[test]
    fn a11_a_private_file_belongs_to_the_user_of_the_process_or_to_root() {
        for user in [ROOT, PCD] {
            for mode in [0o600, 0o400] {
                assert_eq!(NotPrivate::of(user, mode, user), None);
                assert_eq!(NotPrivate::of(ROOT, mode, user), None);
                assert_eq!(NotPrivate::of(ALICE, mode, user), Some(NotPrivate::Owner { owner: ALICE, user }));
            }
        }
        assert_eq!(NotPrivate::of(PCD, 0o400, ROOT), Some(NotPrivate::Owner { owner: PCD, user: ROOT }));
    }

    #[test]
    fn root_is_not_advised_to_take_the_file_from_the_account_of_the_service() {
        let of_root = NotPrivate::Owner { owner: PCD, user: ROOT }.to_string();
        assert!(of_root.contains("sudo -u") && !of_root.contains("chown"), "{of_root}");
        let of_service = NotPrivate::Owner { owner: ALICE, user: PCD }.to_string();
        assert!(of_service.contains("(chown)"), "{of_service}");
    }

    #[test]
    fn a11_the_group_may_read_only_files_of_root_and_others_none() {
        for mode in [0o604, 0o620, 0o644, 0o606, 0o601, 0o640, 0o610] {
            assert_eq!(NotPrivate::of(PCD, mode, PCD), Some(NotPrivate::Mode(mode)));
            assert_eq!(NotPrivate::of(ROOT, mode, ROOT), Some(NotPrivate::Mode(mode)));
        }
        assert_eq!(NotPrivate::of(ROOT, 0o440, PCD), None);
        assert_eq!(NotPrivate::of(ROOT, 0o644, PCD), Some(NotPrivate::Mode(0o644)));
    }
}
