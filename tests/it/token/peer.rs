//! A device that connects to a platform with a token.

use std::process::Command;

use crate::harness::{Credential, Platform, Site, finish, framed, message, s_client};

/// Connects and has a message acknowledged.
pub fn acknowledged(site: &Site, platform: &Platform, own: &Credential, more: &[&str]) {
    let client = s_client(site, platform.address, Some(own), more);
    exchange(client, &more.join(" ")).unwrap_or_else(|output| panic!("{more:?}: {output}"));
}

/// Has a message acknowledged; the output of the client if that fails.
pub fn exchange(client: Command, control_id: &str) -> Result<(), String> {
    let transcript = finish(client, &framed(&message("DEVICE-1", control_id)), Some(b"\x1C\r"));
    if String::from_utf8_lossy(&transcript.stdout).contains("MSA|CA|") {
        Ok(())
    } else {
        Err(transcript.text())
    }
}
