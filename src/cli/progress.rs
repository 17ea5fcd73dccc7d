//! Shows how far a long work has come: a bar on a terminal, and elsewhere a line every ten seconds.

use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::remote::Call;
use super::{Exit, Failure};
use crate::model::{Clock, LongWork, Stage, size_text};

/// Waits for `task`, which says in `work` how far it is, and shows that on stderr. Ctrl-C ends the task where
/// it is: it must be safe to drop.
///
/// # Errors
/// When it was interrupted.
pub(super) async fn shown<T>(work: &LongWork, task: impl Future<Output = T>) -> Result<T, Failure> {
    let interrupted = || Failure::new(Exit::Unavailable, anyhow!("interrupted; nothing was changed by half"));
    // The platform does it: its own stderr is a log. When it is not awaited any more, it ends where it is.
    if let Some(call) = Call::current() {
        return tokio::select! {
            biased;
            done = task => Ok(done),
            () = call.is_left() => Err(interrupted()),
        };
    }
    let mut display = Display::new();
    let mut task = pin!(task);
    let mut tick = tokio::time::interval(TICK);
    let done = loop {
        tokio::select! {
            biased;
            done = &mut task => break Ok(done),
            _ = tokio::signal::ctrl_c() => break Err(interrupted()),
            _ = tick.tick() => display.show(work.stage()),
        }
    };
    display.clear();
    done
}

/// Where it is shown.
enum Display {
    Bar { bar: ProgressBar, shown: Option<Stage> },
    Lines { clock: Clock, stage: Option<(&'static str, std::time::Instant)>, last: std::time::Instant },
}

impl Display {
    fn new() -> Self {
        if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            return Self::Bar { bar, shown: None };
        }
        let clock = Clock::system();
        let last = clock.instant();
        Self::Lines { clock, stage: None, last }
    }

    fn show(&mut self, stage: Option<Stage>) {
        let Some(stage) = stage else { return };
        match self {
            Self::Bar { bar, shown } => {
                if shown.is_none_or(|shown| shown.what != stage.what || shown.total != stage.total) {
                    bar.reset();
                    bar.set_style(style(&stage));
                    bar.set_message(stage.what);
                    stage.total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
                }
                *shown = Some(stage);
                bar.set_position(stage.done);
                bar.tick();
            }
            Self::Lines { clock, stage: begun, last } => {
                let now = clock.instant();
                let since = match begun {
                    Some((what, since)) if *what == stage.what => *since,
                    _ => begun.insert((stage.what, now)).1,
                };
                if now.saturating_duration_since(*last) >= LINE_INTERVAL {
                    *last = now;
                    let line = line(&stage, now.saturating_duration_since(since));
                    // Without a reader of stderr the work goes on.
                    let _ = writeln!(io::stderr().lock(), "{line}");
                }
            }
        }
    }

    fn clear(&self) {
        if let Self::Bar { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

fn style(stage: &Stage) -> ProgressStyle {
    let template = match (stage.total, stage.is_bytes) {
        (Some(_), false) => "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left",
        (Some(_), true) => "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        (None, false) => "{msg} {spinner} {human_pos}, {elapsed}",
        (None, true) => "{msg} {spinner} {bytes}, {elapsed}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `messages: 120000 of 500000, 12000/s, 32s left`.
fn line(stage: &Stage, elapsed: Duration) -> String {
    let Stage { what, is_bytes, done, total } = *stage;
    let shown = |count: u64| if is_bytes { size_text(count) } else { count.to_string() };
    let rate = done.checked_div(elapsed.as_secs()).unwrap_or(0);
    let of = total.map(|total| format!(" of {}", shown(total))).unwrap_or_default();
    let left = total.and_then(|total| total.checked_sub(done)).and_then(|left| left.checked_div(rate));
    let left = left.map(|seconds| format!(", {:?} left", Duration::from_secs(seconds))).unwrap_or_default();
    if done == 0 {
        return format!("{what}: {}s", elapsed.as_secs());
    }
    format!("{what}: {}{of}, {}/s{left}", shown(done), shown(rate))
}

/// How often a bar moves.
const TICK: Duration = Duration::from_millis(100);
/// How often there is a line.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_that_is_left() {
        let stage = |done, total| Stage { what: "messages", is_bytes: false, done, total };
        let after = |seconds| Duration::from_secs(seconds);
        assert_eq!(
            line(&stage(120_000, Some(500_000)), after(10)),
            "messages: 120000 of 500000, 12000/s, 31s left"
        );
        assert_eq!(line(&stage(120_000, None), after(10)), "messages: 120000, 12000/s");
        assert_eq!(line(&stage(0, Some(5)), after(20)), "messages: 20s", "nothing is done yet");
        assert_eq!(line(&stage(9, Some(5)), after(3)), "messages: 9 of 5, 3/s", "more came meanwhile");
        let bytes = Stage { is_bytes: true, ..stage(3 << 30, Some(6 << 30)) };
        let text = line(&bytes, after(30));
        assert!(text.contains("3.0 GiB of 6.0 GiB") || text.contains("3 GiB of 6 GiB"), "{text}");
        assert!(text.ends_with("30s left"), "{text}");
    }

    #[tokio::test]
    async fn the_work_is_awaited() {
        let work = LongWork::default();
        let task = async {
            work.begin("messages", Some(2));
            tokio::time::sleep(Duration::from_millis(250)).await;
            work.advance(2);
            7
        };
        assert_eq!(shown(&work, task).await.unwrap(), 7);
    }
}
