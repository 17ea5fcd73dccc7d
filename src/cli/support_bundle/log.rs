//! The last lines of the log.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::members::Member;

/// The end of `file`, or of the journal of the unit.
///
/// # Errors
/// When a file that was named cannot be read.
pub(super) async fn member(file: Option<&Path>) -> anyhow::Result<Member> {
    if let Some(file) = file {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(Member::new("log.txt", format!("the last lines of {}", file.display()), end(&bytes)));
    }
    let what = format!("the last lines of the journal of {UNIT}");
    Ok(match tokio::time::timeout(TIMEOUT, tokio::task::spawn_blocking(journal)).await {
        Ok(Ok(Ok(bytes))) => Member::new("log.txt", what, end(&bytes)),
        Ok(Ok(Err(error))) => Member::new("log.txt", format!("{what}: not there, {error}"), String::new()),
        Ok(Err(_)) | Err(_) => Member::new("log.txt", format!("{what}: not there, no answer"), String::new()),
    })
}

fn journal() -> io::Result<Vec<u8>> {
    let lines = MAX_LINES.to_string();
    let arguments =
        ["--unit", UNIT, "--lines", &lines, "--no-pager", "--quiet", "--output", "short-iso-precise"];
    let read = Command::new("journalctl").args(arguments).output()?;
    match read.status.success() {
        true if read.stdout.is_empty() => Err(io::Error::other(NO_LINE)),
        true => Ok(read.stdout),
        false => {
            let reason = String::from_utf8_lossy(&read.stderr);
            Err(io::Error::other(format!("{}; {NO_LINE}", reason.trim())))
        }
    }
}

/// The last lines, at most [`MAX_LINES`] and [`MAX_BYTES`].
fn end(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(MAX_BYTES);
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default());
    // The first line of what was cut is not whole.
    let lines: Vec<_> = text.lines().skip(usize::from(from > 0)).collect();
    let lines = lines.get(lines.len().saturating_sub(MAX_LINES)..).unwrap_or_default();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// An account outside of the group systemd-journal sees its own lines only, and no error.
const NO_LINE: &str =
    "it has no line that this account may read; as root write it into a file, and name that: --log FILE";
const UNIT: &str = "pcd-platform";
const MAX_LINES: usize = 10_000;
const MAX_BYTES: usize = 4 << 20;
const TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_cut_at_the_beginning() {
        let text: String = (0..MAX_LINES + 5).map(|n| format!("{n}\n")).collect();
        assert!(end(text.as_bytes()).starts_with("5\n6\n"));
        let long = "x".repeat(999) + "\n";
        let shown = end(long.repeat(MAX_BYTES / 500).as_bytes());
        assert!(shown.len() <= MAX_BYTES && shown.lines().all(|line| line.len() == 999));
        assert_eq!(end(b""), "");
    }
}
