//! The `pcd-platform` command.

#![forbid(unsafe_code)]

fn main() {}
