# Sourced by scripts/demo and tests/run: which Debian packages a Rust that compiles this takes, and whether it is there.
# shellcheck shell=bash

# rustup installs for one user, and not every shell has read its file.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# The oldest Rust that compiles this; Cargo.toml has the same.
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort --version-sort | head -n 1)" = "$2" ]; }

# The version of the Rust that is installed, or 0.
installed_rust() {
    local version
    version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
    echo "${version:-0}"
}

# Whether there is a Rust, and it is new enough.
has_rust() { command -v cargo >/dev/null && at_least "$(installed_rust)" "$rust"; }

# Installs the Debian packages $@, which may be a Rust.
install_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" >/dev/null
}

# Ends the script where there is no Rust that is new enough.
require_rust() {
    has_rust && return
    echo "Rust $(installed_rust) is installed, and $rust is needed: https://rustup.rs" >&2
    exit 69
}
