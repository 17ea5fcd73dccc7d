//! Peers that are written in Java.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::{command, tool};

/// The class of `tests/peers/NAME.java`, as a program with these options of the virtual machine. `jars` are
/// libraries of Debian: names of files and of the package that brings them.
pub fn java(name: &str, jars: &[(&str, &str)], options: &[&str]) -> Command {
    let path = class_path(name, jars);
    let mut java = command("java", "default-jdk-headless");
    // It lives for a second: the first compiler is enough.
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]).args(options);
    java.arg("-cp").arg(path).arg(name);
    java
}

/// Compiles a class, once in each test binary.
fn class_path(name: &str, jars: &[(&str, &str)]) -> String {
    static COMPILED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = compiled.get(name) {
        return path.clone();
    }
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers").join(name);
    let libraries = jars.iter().map(|(jar, package)| {
        let file = Path::new("/usr/share/java").join(jar);
        assert!(file.exists(), "{jar} is not installed: apt-get install {package} (tests/run does it)");
        file
    });
    let path: Vec<PathBuf> = std::iter::once(classes.clone()).chain(libraries).collect();
    let path = std::env::join_paths(path).unwrap().into_string().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let mut javac = tool("javac", "default-jdk-headless");
    // Classes of other files that it uses are compiled with it.
    javac.args(["-cp", &path]).arg("-sourcepath").arg(&sources).arg("-d").arg(&classes);
    let done = javac.arg(sources.join(format!("{name}.java"))).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    compiled.insert(name.to_owned(), path.clone());
    path
}
