//! Faults that a test injects into a running part. A release build contains none of them.
//!
//! `PCD_TEST_FAULT` names a file; while that holds `panic TASK` or `return TASK`, the task does so. A thread
//! knows only `panic`, and panics at its next job: an idle one waits for its jobs, or ends at the shutdown.

use super::Task;

/// Panics if a test asks for it. For threads, which call it once for each round of their work.
#[cfg(debug_assertions)]
pub fn fault_point(task: Task) {
    #[allow(clippy::panic, reason = "the injected fault")]
    if is_requested("panic", task) {
        panic!("a fault that a test injected");
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub const fn fault_point(_task: Task) {}

/// Panics if a test asks for it by the name of the place, with a text that quotes `content`, as the text of a
/// slice error does.
#[cfg(debug_assertions)]
pub fn content_fault_point(place: &str, content: &[u8]) {
    #[allow(clippy::panic, reason = "the injected fault")]
    if is_requested("panic", place) {
        panic!("a fault that a test injected at {}", String::from_utf8_lossy(content));
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub const fn content_fault_point(_place: &str, _content: &[u8]) {}

/// Panics or returns if a test asks for it, and waits for that forever. For tasks, beside their work.
#[cfg(debug_assertions)]
pub async fn injected_fault(task: Task) {
    if FILE.is_none() {
        return std::future::pending().await;
    }
    while !is_requested("return", task) {
        fault_point(task);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits forever in a release build.
#[cfg(not(debug_assertions))]
pub async fn injected_fault(_task: Task) {
    std::future::pending().await
}

#[cfg(debug_assertions)]
fn is_requested(fault: &str, place: impl std::fmt::Display) -> bool {
    let text = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.is_some_and(|text| text.trim() == format!("{fault} {place}"))
}

#[cfg(debug_assertions)]
static FILE: std::sync::LazyLock<Option<std::path::PathBuf>> =
    std::sync::LazyLock::new(|| std::env::var_os("PCD_TEST_FAULT").map(std::path::PathBuf::from));

#[cfg(debug_assertions)]
const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(10);
