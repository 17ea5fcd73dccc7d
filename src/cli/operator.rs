//! The operator who runs a command.

use std::fs;

/// The operator's name for the audit trail: the user of the operating system, not an environment variable.
pub(super) fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| login_name(&passwd, uid));
    name.unwrap_or_else(|| format!("uid {uid}"))
}

/// The name of the user in a passwd(5) file.
fn login_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let entry: u32 = fields.nth(1)?.parse().ok()?;
        (entry == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_name_is_found_by_user_id() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(login_name(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(login_name(passwd, 7), None);
    }
}
