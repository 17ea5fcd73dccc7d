//! Responders and CRLs, asked now.

use jiff::Timestamp;

use crate::app::{Examination, probe_sources};
use crate::cli::check_finding::Finding;
use crate::config::Config;
use crate::finding::{Code, SetupCode};
use crate::model::{Clock, shown_url};
use crate::revocation::{Answer, Probe, SourceKind};

/// What the sources answer that the configuration, the platform's certificates and the known CRLs name.
pub(super) async fn look(config: &Config, found: &Examination, clock: &Clock) -> Vec<Finding> {
    let probes = probe_sources(config, found, clock).await;
    probes.iter().map(|probe| finding(probe, clock.now())).collect()
}

fn finding(probe: &Probe, now: Timestamp) -> Finding {
    let (url, milliseconds) = (shown_url(&probe.url), probe.took.as_millis());
    let (what, code) = match probe.kind {
        SourceKind::Responder => ("responder", SetupCode::ResponderUnreachable.code()),
        SourceKind::Crl => ("CRL", SetupCode::CrlUnreachable.code()),
    };
    match &probe.answer {
        Answer::Status => Finding::ok(what, format!("{url} answers within {milliseconds} ms")),
        Answer::Refused(status) => {
            let text = format!("{url} answers `{}` ({milliseconds} ms)", status.name());
            Finding::ok(what, text)
        }
        Answer::NotOcsp => {
            let text = format!("what {url} answers is no OCSP response ({milliseconds} ms)");
            Finding::warning(what, code, text)
        }
        Answer::Crl { this_update, next_update } if *next_update <= now => {
            let text = format!("{url} has a CRL of {this_update:.0} that ended {next_update:.0}");
            Finding::warning(what, Code::CrlEnding.code(), text)
        }
        Answer::Crl { this_update, next_update } => {
            let text = format!(
                "{url} has a CRL of {this_update:.0}, the next one by {next_update:.0} ({milliseconds} ms)"
            );
            Finding::ok(what, text)
        }
        Answer::NotACrl => Finding::warning(what, code, format!("what {url} has is no CRL")),
        Answer::Failed(error) => {
            Finding::warning(what, code, format!("{url} does not answer: {error} ({milliseconds} ms)"))
        }
    }
}
