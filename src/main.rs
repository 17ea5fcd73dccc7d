//! The `pcd-platform` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    pcd_platform::cli::main()
}
