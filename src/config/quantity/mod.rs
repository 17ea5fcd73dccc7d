//! Durations and sizes as people write them: `"10s"`, `"15m"`, `"2 MiB"`.

pub(super) mod duration;
pub(super) mod optional_duration;
pub(super) mod optional_size;
pub(super) mod size;
pub(super) mod text;
