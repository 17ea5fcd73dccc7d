//! `pki init`.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::{Folder, failure};
use crate::cli::{Exit, Outcome, Output};
use crate::model::Clock;
use crate::pki::TestPki;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Base URL of the OCSP responder (BASE/ocsp) and the CRLs (BASE/crl/NAME.crl)
    #[arg(long, value_name = "BASE", default_value = "http://127.0.0.1:8575")]
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Made {
    trust_anchors: [PathBuf; 2],
}

pub(super) fn run(arguments: &Arguments, output: Output, clock: &Clock) -> Outcome {
    let pki = TestPki::init(&arguments.folder.dir, &arguments.url, clock).map_err(failure)?;
    output.print(&Made { trust_anchors: pki.trust_anchors() }, |made| {
        let [ecc, rsa] = made.trust_anchors.each_ref().map(|path| path.display());
        format!("trust anchors: {ecc} and {rsa}")
    })?;
    Ok(Exit::Done)
}
