//! Tests that mount file systems or take network links down, in namespaces of their own.

use std::process::Command;

use super::tool;

/// Marks the run that was started again in the namespaces.
const INSIDE: &str = "PCD_TEST_IN_NAMESPACES";

/// Runs `body` where file systems may be mounted. `test` is the full name of the calling test.
pub fn where_one_may_mount(test: &str, body: impl FnOnce()) {
    in_namespaces(test, &["--mount"], body);
}

/// Runs `body` on a network of its own, which has a loopback interface only, and where file systems may be
/// mounted. `test` is the full name of the calling test.
pub fn on_a_network_of_its_own(test: &str, body: impl FnOnce()) {
    in_namespaces(test, &["--mount", "--net"], || {
        // `ip netns` names namespaces by files here, which would outlive the test.
        let output = tool("mount", "mount").args(["-t", "tmpfs", "tmpfs", "/run"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ip("link set lo up");
        body();
    });
}

/// Runs `ip` (iproute2) with these words.
pub fn ip(words: &str) {
    let output = tool("ip", "iproute2").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// This test binary is started again in the namespaces, which end with it.
fn in_namespaces(test: &str, kinds: &[&str], body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let unshare = || {
        let mut unshare: Command = tool("unshare", "util-linux");
        // Root needs no user namespace, and may not be allowed one.
        let mine = if rustix::process::geteuid().is_root() { "--fork" } else { "--map-root-user" };
        unshare.arg(mine).args(kinds);
        unshare
    };
    let allowed = unshare().arg("true").output().unwrap();
    assert!(
        allowed.status.success(),
        "this test needs namespaces of its own ({kinds:?}): run it as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1): {}",
        String::from_utf8_lossy(&allowed.stderr)
    );
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let transcript =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && transcript.contains("1 passed"), "{transcript}");
}
