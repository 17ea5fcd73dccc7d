//! The files that a command reads.

use std::io;
use std::path::Path;

use super::remote::Call;

/// The content of a file that the operator names. When the platform executes the command, that is a file of
/// the person who sent the command: the platform opens none for a person.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    match Call::current() {
        Some(call) => call.read(path),
        None => std::fs::read(path),
    }
}

#[cfg(test)]
mod tests {
    /// What a command of a person reads goes through here; `pki`, `check` and others are never executed by
    /// the platform.
    #[test]
    fn commands_that_the_platform_executes_open_no_file_themselves() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli");
        let mut folders: Vec<_> =
            ["device", "order", "message", "fhir", "audit", "content", "reader", "enrol"]
                .iter()
                .map(|name| std::path::Path::new(folder).join(name))
                .collect();
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // These are not executed by the platform.
                let is_local = ["evaluate.rs", "export.rs", "verify.rs", "accept_end.rs", "tests.rs"]
                    .iter()
                    .any(|name| path.ends_with(name));
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let is_test = path.components().any(|part| part.as_os_str() == "tests");
                if !is_local
                    && !is_test
                    && ["fs::read", "File::open", "fs::File"].iter().any(|call| code.contains(call))
                {
                    found.push(path);
                }
            }
        }
        assert!(found.is_empty(), "{found:?}");
    }
}
